"""The chip of a language program as files: RTL, arrays, tables, and what drives it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import PurePosixPath

from flow.assets import asset
from flow.backends.lpu_arrays import Hardwired, array_text, cells_text, hardwired_arrays
from flow.backends.lpu_wires import wires_text
from flow.backends.names import comment, identifier
from flow.backends.render import fill
from flow.backends.verilog import Header
from flow.errors import UnsupportedModel
from flow.ir.language_instructions import Instruction
from flow.mapping.lpu.assemble import Assembly
from flow.mapping.lpu.base import ChipBase, base_for
from flow.mapping.lpu.memory import largest_input
from flow.mapping.lpu.words import (
    EPSILON_BITS,
    FIELD,
    FIELDS,
    SHIFT_BITS,
    WIRED_BITS,
    Op,
    Word,
)

MODULES = (
    "lpu_control", "lpu_gate", "lpu_lane", "lpu_memory", "lpu_planes", "lpu_table", "lpu_unit",
)  # fmt: skip
"""Files of rtl/ that every chip is made of."""
TOP = "chip"
BENCH = (
    ("lpu_chip.cpp", "lpu_chip.cpp"), ("named_signals.py", "named_signals.py"),
    ("run.py", "lpu_run.py"), ("test_chip.py", "lpu_bench.py"),
)  # fmt: skip
"""Files of tb/, and of sim/ that they are copies of."""
WIRED = "wires_"
"""How the names of all files begin that know weights."""


@dataclass(frozen=True, slots=True)
class LpuEmission:
    """The files of a chip, its top module, and its arrays."""

    files: dict[PurePosixPath, str | bytes]
    top: str
    arrays: tuple[Hardwired, ...]
    base: ChipBase


def emit_lpu(
    assembly: Assembly, header: Header | None = None, base: ChipBase | None = None
) -> LpuEmission:
    """RTL, tables and driver of a chip over a base, by default the smallest. Pure.

    Other weights of the same sizes over the same base change the files named WIRED alone.
    UsageError where the base has no room.
    """
    header = header or Header()
    program, memory = assembly.program, assembly.memory
    base = base or base_for(program)
    arrays = hardwired_arrays(program, assembly.rows, base)
    files: dict[PurePosixPath, str | bytes] = {
        PurePosixPath("rtl", f"{m}.v"): asset("rtl", f"{m}.v").read_text(encoding="utf-8")
        for m in MODULES
    }
    for shape, cells in enumerate(base.kinds.values()):
        name = f"cells{shape}"
        files[PurePosixPath("rtl", f"{name}.v")] = cells_text(cells, name)
    about = f"// model    {comment(header.model)}\n// command  {comment(header.command)}\n"
    for made in arrays:
        name, wires = module_name(made), wires_name(made)
        text = "".join(array_text(made, name, f"cells{made.shape}", wires))
        files[PurePosixPath("rtl", f"{name}.v")] = text
        files[PurePosixPath("rtl", f"{wires}.v")] = about + "".join(wires_text(made, wires))
    pairs = program.head_size // 2
    inputs = largest_input(program)
    tables = (
        (f"{WIRED}embedding", program.embedding.reshape(-1).tolist(), "a_next"),
        (f"{WIRED}factor", memory.factor_table(program), "b_next"),
        ("cosine", program.cosines.reshape(-1).tolist(), "b_next"),
        ("sine", program.sines.reshape(-1).tolist(), "b_next"),
        ("curve", memory.curve_table(program) or [0], "curve_address"),
        ("exponential", program.exponentials.tolist(), "exponential_address"),
    )
    for table, values, _ in tables:
        files[PurePosixPath("mem", f"{table}.hex")] = _hex(values, 16)
    words = assembly.words
    fixed = [word.fixed for word in words]
    files[PurePosixPath("mem", "words.hex")] = _hex(fixed, FIELD * FIELDS)
    files[PurePosixPath("mem", "words.txt")] = listing(assembly)
    wired = [word.wired for word in words]
    files[PurePosixPath("mem", f"{WIRED}words.hex")] = _hex(wired, WIRED_BITS)
    scratch = memory.scratch_words
    files[PurePosixPath("rtl", f"{TOP}.v")] = fill(
        "lpu/top.v.j2",
        top=TOP,
        version=comment(header.version),
        rows=assembly.rows,
        pc=_bits(len(words)),
        words=len(words),
        shift_bits=SHIFT_BITS,
        epsilon_bits=EPSILON_BITS,
        wired_bits=WIRED_BITS,
        hidden=program.embedding.shape[1],
        positions=program.positions,
        line=memory.cache_size,
        pairs=pairs,
        window=_window(words),
        experts=int(any(word.op is Op.TAKE for word in words)),
        inputs=inputs,
        memories=[
            _memory("scratch_a", 32, scratch, "write_scratch", "a_next"),
            _memory("scratch_b", 32, scratch, "write_scratch", "b_next"),
            _memory("cache", 8, memory.cache_words, "write_cache", "b_next"),
        ],
        tables=[
            {
                "name": name.removeprefix(WIRED),
                "file": name,
                "depth": len(values),
                "address": _bits(len(values)),
                "read": read,
            }
            for name, values, read in tables
        ],
        arrays=[
            {
                "module": module_name(a),
                "name": f"{module_name(a)}_array",
                "inputs": a.array.inputs,
                "phases": a.phases,
                "row": _bits(a.slots),
            }
            for a in arrays
        ],
    )
    for name, source in BENCH:
        files[PurePosixPath("tb", name)] = asset("sim", source).read_text(encoding="utf-8")
    return LpuEmission(files, TOP, arrays, base)


def _window(words: tuple[Word, ...]) -> int:
    """How many positions the passes with a window read; UnsupportedModel where they differ."""
    found = sorted({word.window for word in words} - {0})
    if len(found) > 1:
        raise UnsupportedModel(
            f"layers attend to the last {' and '.join(map(str, found))} positions",
            hint="the chip has one window, and layers without",
        )
    return found[0] if found else 0


def wires_name(made: Hardwired) -> str:
    """The module of the wires of an array."""
    return identifier(f"{WIRED}{made.array.name}")


def module_name(made: Hardwired) -> str:
    """The module of an array."""
    return identifier(f"array_{made.array.name}")


def listing(assembly: Assembly) -> str:
    """The words of the sequencer, one a line, below the instruction that they are part of; without
    what depends on weights."""
    lines, of = [], -2
    for number, word in enumerate(assembly.words):
        if word.of != of:
            of = word.of
            lines.append(_told(assembly.program.instructions[of]) if of >= 0 else "the end")
        shown = [f"{word.op.name.lower()}"]
        for field in (
            "array", "phase", "outer", "inner", "a_base", "b_base", "d_base", "bits",
        ):  # fmt: skip
            if value := getattr(word, field):
                shown.append(f"{field} {value}")
        lines.append(f"  {number:5d}  {', '.join(shown)}")
    return "\n".join(lines) + "\n"


def _told(instruction: Instruction) -> str:
    """An instruction with the names that it reads and writes."""
    names = [
        f"{field.name} {value}"
        for field in fields(instruction)
        if isinstance(value := getattr(instruction, field.name), str)
    ]
    return f"{instruction.op}: {', '.join(names)}"


def _memory(name: str, width: int, depth: int, write: str, read: str) -> dict[str, str | int]:
    address = _bits(depth)
    return {
        "name": name, "width": width, "depth": depth, "address": address, "write": write,
        "read": read,
    }  # fmt: skip


def _bits(words: int) -> int:
    """Bits of an address of so many words; at least 1."""
    return max(1, (words - 1).bit_length())


def _hex(values: Iterable[int], bits: int) -> str:
    digits, mask = -(-bits // 4), (1 << bits) - 1
    return "".join(f"{value & mask:0{digits}x}\n" for value in values)
