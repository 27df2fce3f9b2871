"""A table as a function of Verilog: a tree of choices where it is small, else a case.

Yosys makes a memory of a case, and takes the registers before it as those of its address, once for
each table that reads them: a quarter more flip-flops in a network of tables. A tree of choices has
none, and as many look-up tables.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from flow.backends.expressions import literal

CHOSEN_BITS = 8
"""Index bits of the widest table that is written as choices."""


def table_function(
    name: str, index: str, width: int, bits: int, entries: Sequence[int]
) -> list[str]:
    """The lines of the function `name` of `bits` bits `index` to `width` bits, 2**bits entries."""
    head = [f"    function [{width - 1}:0] {name};", f"        input [{bits - 1}:0] {index};"]
    used: set[int] = set()
    chosen = _choices(index, width, entries, used) if bits <= CHOSEN_BITS else ""
    # A linter would take a bit that no choice reads for a mistake.
    body = _choice(name, chosen) if len(used) == bits else _case(name, index, width, bits, entries)
    return [*head, *body, "    endfunction"]


def _choices(index: str, width: int, entries: Sequence[int], used: set[int]) -> str:
    """The entries by the highest bit of their index first; equal halves are not told apart."""
    if len(entries) == 1:
        return literal(entries[0], width)
    half = len(entries) // 2
    low, high = (_choices(index, width, part, used) for part in (entries[:half], entries[half:]))
    if low == high:
        return low
    bit = half.bit_length() - 1
    used.add(bit)
    return f"({index}[{bit}] ? {high} : {low})"


def _choice(name: str, chosen: str) -> list[str]:
    lines = textwrap.wrap(f"{name} = {chosen};", 84, break_long_words=False)
    return [f"        {'    ' if i else ''}{line}" for i, line in enumerate(lines)]


def _case(name: str, index: str, width: int, bits: int, entries: Sequence[int]) -> list[str]:
    places: dict[int, list[int]] = {}
    for pattern, entry in enumerate(entries):
        places.setdefault(entry, []).append(pattern)
    default = max(places, key=lambda entry: len(places[entry]))
    lines = [f"        case ({index})"]
    for entry, patterns in places.items():
        if entry != default:
            cases = wrapped([literal(p, bits) for p in patterns], " " * 12)
            lines.append(f"{cases}: {name} = {literal(entry, width)};")
    return [*lines, f"            default: {name} = {literal(default, width)};", "        endcase"]


def wrapped(items: Sequence[str], indent: str, limit: int = 96) -> str:
    """Items with commas between, broken into indented lines."""
    lines: list[str] = []
    line = indent
    for i, item in enumerate(items):
        piece = item + (", " if i < len(items) - 1 else "")
        if len(line) + len(piece.rstrip()) > limit and line != indent:
            lines.append(line.rstrip())
            line = indent
        line += piece
    return "\n".join([*lines, line])
