"""The chip of a language program as files: RTL, arrays, tables, and what drives it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from flow.assets import asset
from flow.backends.lpu_arrays import Hardwired, array_text, cells_text, hardwired_arrays
from flow.backends.names import comment, identifier
from flow.backends.render import fill
from flow.backends.verilog import Header
from flow.mapping.lpu.assemble import Assembly
from flow.mapping.lpu.memory import largest_input
from flow.mapping.lpu.words import FIELD, FIELDS

MODULES = (
    "lpu_control", "lpu_gate", "lpu_lane", "lpu_memory", "lpu_planes", "lpu_table", "lpu_unit",
)  # fmt: skip
"""Files of rtl/ that every chip is made of."""
TOP = "chip"
BENCH = (
    ("lpu_chip.cpp", "lpu_chip.cpp"), ("run.py", "lpu_run.py"), ("test_chip.py", "lpu_bench.py"),
)  # fmt: skip
"""Files of tb/, and of sim/ that they are copies of."""


@dataclass(frozen=True, slots=True)
class LpuEmission:
    """The files of a chip, its top module, and its arrays."""

    files: dict[PurePosixPath, str | bytes]
    top: str
    arrays: tuple[Hardwired, ...]


def emit_lpu(assembly: Assembly, header: Header | None = None) -> LpuEmission:
    """RTL, tables and driver of a chip. Pure."""
    header = header or Header()
    program, memory = assembly.program, assembly.memory
    arrays = hardwired_arrays(program, assembly.rows)
    files: dict[PurePosixPath, str | bytes] = {
        PurePosixPath("rtl", f"{m}.v"): asset("rtl", f"{m}.v").read_text(encoding="utf-8")
        for m in MODULES
    }
    for shape in sorted({made.shape for made in arrays}):
        base = next(made.wiring.base for made in arrays if made.shape == shape)
        name = f"cells{shape}"
        files[PurePosixPath("rtl", f"{name}.v")] = cells_text(base, name)
    for made in arrays:
        name = module_name(made)
        text = "".join(array_text(made, name, f"cells{made.shape}"))
        files[PurePosixPath("rtl", f"{name}.v")] = text
    pairs = program.head_size // 2
    inputs = largest_input(program)
    tables = (
        ("embedding", program.embedding.reshape(-1).tolist(), "a_next"),
        ("factor", memory.factor_table(program), "b_next"),
        ("cosine", program.cosines.reshape(-1).tolist(), "b_next"),
        ("sine", program.sines.reshape(-1).tolist(), "b_next"),
        ("curve", memory.curve_table(program) or [0], "curve_address"),
        ("exponential", program.exponentials.tolist(), "exponential_address"),
    )
    for table, values, _ in tables:
        files[PurePosixPath("mem", f"{table}.hex")] = _hex(values, 16)
    words = [word.encode() for word in assembly.words]
    files[PurePosixPath("mem", "words.hex")] = _hex(words, FIELD * FIELDS)
    files[PurePosixPath("mem", "words.txt")] = listing(assembly)
    scratch = memory.scratch_words
    files[PurePosixPath("rtl", f"{TOP}.v")] = fill(
        "lpu/top.v.j2",
        top=TOP,
        version=comment(header.version),
        model=comment(header.model),
        command=comment(header.command),
        rows=assembly.rows,
        pc=_bits(len(words)),
        words=len(words),
        hidden=program.embedding.shape[1],
        positions=program.positions,
        line=memory.cache_size,
        pairs=pairs,
        inputs=inputs,
        memories=[
            _memory("scratch_a", 32, scratch, "write_scratch", "a_next"),
            _memory("scratch_b", 32, scratch, "write_scratch", "b_next"),
            _memory("cache", 8, memory.cache_words, "write_cache", "b_next"),
        ],
        tables=[
            {"name": name, "depth": len(values), "address": _bits(len(values)), "read": read}
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
    return LpuEmission(files, TOP, arrays)


def module_name(made: Hardwired) -> str:
    """The module of an array."""
    return identifier(f"array_{made.array.name}")


def listing(assembly: Assembly) -> str:
    """The words of the sequencer, one a line, below the instruction that they are part of."""
    lines, of = [], -2
    for number, word in enumerate(assembly.words):
        if word.of != of:
            of = word.of
            lines.append(str(assembly.program.instructions[of]) if of >= 0 else "the end")
        shown = [f"{word.op.name.lower()}"]
        for field in (
            "array", "phase", "outer", "inner", "a_base", "b_base", "d_base", "shift", "bits",
        ):  # fmt: skip
            if value := getattr(word, field):
                shown.append(f"{field} {value}")
        lines.append(f"  {number:5d}  {', '.join(shown)}")
    return "\n".join(lines) + "\n"


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
