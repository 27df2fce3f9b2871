"""Leakage per input state, from the leakage groups of a Liberty cell."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from flow.errors import UsageError
from flow.tech.function import MAX_TABLE_INPUTS, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flow.tech.liberty_groups import Group

MAX_STATE_INPUTS = 10


def leakage_table(
    cell: Group,
    inputs: Sequence[str],
    functions: Mapping[str, str],
    unknown: float,
    file: str,
) -> tuple[tuple[float, ...], float]:
    """Leakage of each input state, and that of an unknown state, in the unit of the file.

    Where several groups hold in a state (the outputs of a flip-flop may be 0 or 1), their mean;
    where none does, the group without a condition, else `unknown`. Rails are summed. More than
    ten inputs: one entry.
    """
    rails: dict[str, list[tuple[float, frozenset[int] | None]]] = defaultdict(list)
    small = len(inputs) <= MAX_STATE_INPUTS
    for group in cell.all("leakage_power"):
        value = _value(group, file)
        if value is None:
            continue
        when = group.values.get("when")
        states = (
            frozenset(_states(when, inputs, functions, group, file)) if when and small else None
        )
        if when is None or small:
            rails[group.values.get("related_pg_pin", "")].append((value, states))
    if not rails:
        return (unknown,) * (1 << len(inputs) if small else 1), unknown
    count = 1 << len(inputs) if small else 1
    table = tuple(
        math.fsum(_at(state, entries, unknown) for entries in rails.values())
        for state in range(count)
    )
    mean = math.fsum(_default(entries, table) for entries in rails.values())
    return table, mean


def _at(
    state: int, entries: Sequence[tuple[float, frozenset[int] | None]], unknown: float
) -> float:
    held = [value for value, states in entries if states is not None and state in states]
    if held:
        return math.fsum(held) / len(held)
    return next((value for value, states in entries if states is None), unknown)


def _default(
    entries: Sequence[tuple[float, frozenset[int] | None]], table: Sequence[float]
) -> float:
    plain = next((value for value, states in entries if states is None), None)
    if plain is not None:
        return plain
    values = [value for value, _ in entries]
    return math.fsum(values) / len(values) if values else math.fsum(table) / len(table)


def _states(
    when: str, inputs: Sequence[str], functions: Mapping[str, str], group: Group, file: str
) -> set[int]:
    """The input states in which a condition can hold, whatever the pins that are no inputs are.

    An output of a combinational cell is what its function says, if that leaves any state at all.
    """
    try:
        condition = parse(when)
    except UsageError as error:
        raise UsageError(
            error.message, where=f"{file}, line {group.line}, when", hint=error.hint
        ) from None
    others = [name for name in condition.inputs if name not in inputs]
    names = (*inputs, *others)
    if len(names) > MAX_TABLE_INPUTS:
        return set()
    table = condition.truth_table(names)
    size = 1 << len(inputs)
    consistent = table
    for i, name in enumerate(others):
        if name in functions and set(parse(functions[name]).inputs) <= set(inputs):
            value = parse(functions[name]).truth_table(names)
            column = _column(len(inputs) + i, len(names))
            consistent &= ~(value ^ column)
    chosen = consistent or table
    return {s & (size - 1) for s in range(1 << len(names)) if chosen >> s & 1}


def _column(i: int, count: int) -> int:
    table = ((1 << (1 << i)) - 1) << (1 << i)
    for k in range(i + 1, count):
        table |= table << (1 << k)
    return table


def _value(group: Group, file: str) -> float | None:
    text = group.values.get("value")
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(
            f"leakage value is {text!r}, which is no number",
            where=f"{file}, line {group.line}",
            hint="correct that leakage_power group",
        )
    return value
