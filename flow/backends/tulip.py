"""The array for a network as files: RTL, memory images, benches with the samples, listings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from flow.assets import asset
from flow.backends.names import Namer, comment
from flow.backends.render import fill
from flow.backends.verilog import Header
from flow.ir.tensor import IntArray
from flow.mapping.tulip.execute import host_counts, image_words
from flow.mapping.tulip.kernels import Tile
from flow.mapping.tulip.plan import Plan
from flow.mapping.tulip.shape import FIELDS
from flow.mapping.tulip.timeline import steady_cycles

MODULES = (
    "tulip", "tulip_array", "tulip_control", "tulip_mac", "tulip_memory", "tulip_neuron",
    "tulip_neuron_gates", "tulip_pe", "tulip_scores",
)  # fmt: skip
"""Files of rtl/ that every array is made of."""
CONFIG_BITS = 56
"""A line of the set-up: data 32, address 16, memory 4, then shift and write."""
Files = dict[PurePosixPath, str | bytes]


@dataclass(frozen=True, slots=True)
class TulipEmission:
    """The files of an array, its top module, and the parameters of the RTL."""

    files: Files
    top: str
    parameters: dict[str, int]


def emit_tulip(
    plan: Plan,
    name: str,
    inputs: IntArray,
    answers: IntArray,
    header: Header | None = None,
    gates: bool = False,
) -> TulipEmission:
    """The array with its benches. `inputs` (samples, elements) and `answers` (samples, lanes)
    are bits or integers as the first layer reads them, and classes or scores. Pure."""
    header = header or Header()
    top = Namer(MODULES)(name)
    parameters = rtl_parameters(plan, gates)
    values = _values(plan, top, parameters, len(inputs)) | {
        "version": comment(header.version),
        "model": comment(header.model),
        "command": comment(header.command),
        "seed": header.seed,
    }
    files: Files = {
        PurePosixPath("rtl", f"{m}.v"): asset("rtl", f"{m}.v").read_text(encoding="utf-8")
        for m in MODULES
    }
    files[PurePosixPath("rtl", f"{top}.v")] = fill("tulip/top.v.j2", **values)
    files[PurePosixPath("tb", f"tb_{top}.v")] = fill("tulip/tb.v.j2", **values)
    files[PurePosixPath("tb", f"test_{top}.py")] = fill("tulip/test.py.j2", **values)
    files[PurePosixPath("tb", "run.py")] = fill(
        "verilog/run.py.j2", **values, script="run.py", build="sim_build"
    )
    files[PurePosixPath("tb", "tulip_bench.py")] = asset("sim", "tulip_bench.py").read_text(
        encoding="utf-8"
    )
    files[PurePosixPath("mem", "config.hex")] = _lines(config_words(plan), CONFIG_BITS)
    files[PurePosixPath("mem", "kernels.hex")] = _lines(kernel_words(plan), plan.kernel_bits + 1)
    files[PurePosixPath("mem", "programs.txt")] = listing(plan)
    width = image_bits(plan)
    files[PurePosixPath("vectors", "images.hex")] = _lines(image_lines(plan, inputs), width)
    wide = answer_bits(plan)
    files[PurePosixPath("vectors", "expected.hex")] = _lines(answer_words(plan, answers), wide)
    files[PurePosixPath("vectors", "layout.json")] = _layout(plan, top, len(inputs), values)
    return TulipEmission(files, top, parameters)


def rtl_parameters(plan: Plan, gates: bool = False) -> dict[str, int]:
    """The parameters of rtl/tulip.v for a plan; depths of memories as bits of an address."""
    inputs = plan.inputs
    deepest = max(tile.words for tile in plan.tiles)
    return {
        "ROWS": plan.shape.rows,
        "COLS": plan.shape.cols,
        "MROWS": plan.shape.macs,
        "MASKS": int(plan.masks),
        "GATES": int(gates),
        "XBITS": plan.x_bits,
        "WBITS": plan.w_bits,
        "SBITS": plan.s_bits,
        "KBITS": plan.kernel_bits,
        "IMAGE": _address(plan.image_words),
        "PIXELS": _address(inputs.size if inputs.pixels else 2),
        "KERNEL": _address(deepest),
        "PROGRAM": _address(sum(map(len, plan.programs))),
        "LAYERS": _address(len(plan.descriptors)),
        "CLASSES": _address(len(plan.class_offsets)),
    }


def config_words(plan: Plan) -> Iterator[int]:
    """The lines of the set-up: words of 32 bits are shifted in, then written."""
    programs = [word for made in plan.programs for word in made.words]
    memories = (
        (15, [d.word for d in plan.descriptors]),
        (3, programs),
        (1, list(plan.class_offsets)),
    )
    assert FIELDS * 16 <= 15 * 32
    for memory, (pieces, words) in enumerate(memories):
        for address, word in enumerate(words):
            for piece in range(pieces):
                yield (word >> 32 * piece & 0xFFFF_FFFF) | 1 << 52
            yield address << 32 | memory << 48 | 1 << 53


def kernel_words(plan: Plan) -> Iterator[int]:
    """The kernel stream of a batch; the top bit marks the last word of a tile."""
    last = 1 << plan.kernel_bits
    for tile in plan.tiles:
        words = list(_tile_words(plan, tile))
        yield from words[:-1]
        yield words[-1] | last


def _tile_words(plan: Plan, tile: Tile) -> Iterator[int]:
    if tile.leaves.ndim == 2:
        mask = (1 << plan.w_bits) - 1
        for row in tile.leaves.tolist():
            yield sum((w & mask) << plan.w_bits * k for k, w in enumerate(row))
        mask = (1 << plan.s_bits) - 1
        for bias in tile.constants.reshape(-1).tolist():
            yield bias & mask
        return
    rows = plan.shape.rows
    ones = ((1 << 2 * rows) - 1) << 2 * rows if plan.masks else 0
    for bits, masks in zip(tile.leaves, tile.masks, strict=True):
        yield _number(bits) | (_number(masks) << 2 * rows if plan.masks else 0)
    for bits in tile.constants.reshape(-1, rows, 2):
        yield _number(bits) | ones


def _number(bits: Any) -> int:
    """Bits (rows, 2) as a number: the first of every row from bit 0, then the second."""
    return int.from_bytes(np.packbits(bits.T.reshape(-1), bitorder="little").tobytes(), "little")


def image_bits(plan: Plan) -> int:
    """Bits of a line of images.hex: data, address 16, sample 16, pixel, last."""
    return max(plan.shape.rows, plan.x_bits) + 34


def image_lines(plan: Plan, inputs: IntArray) -> Iterator[int]:
    """What the host writes, a batch after the other; the last one is filled up with zeros."""
    cols, data = plan.shape.cols, max(plan.shape.rows, plan.x_bits)
    mask = (1 << plan.x_bits) - 1
    room = np.zeros((-len(inputs) % cols, inputs.shape[1]), dtype=np.int64)
    whole = np.concatenate([inputs, room])
    if plan.inputs.pixels:
        words = [[int(v) & mask for v in row] for row in whole.tolist()]
    else:
        packed = np.packbits(image_words(plan, whole), axis=2, bitorder="little")
        words = [[int.from_bytes(w.tobytes(), "little") for w in sample] for sample in packed]
    pixel = int(plan.inputs.pixels) << data + 32
    for begin in range(0, len(words), cols):
        for col, sample in enumerate(words[begin : begin + cols]):
            for address, word in enumerate(sample):
                last = col == cols - 1 and address == len(sample) - 1
                place = address << data | col << data + 16
                yield word | place | pixel | int(last) << data + 33


def answer_bits(plan: Plan) -> int:
    """Bits of an answer: the class, or the counts of all classes."""
    return 16 if plan.argmax else plan.s_bits * plan.answers


def answer_words(plan: Plan, answers: IntArray) -> Iterator[int]:
    """A word a sample: the class, or the counts that scores are made of, class 0 at bit 0."""
    mask = (1 << plan.s_bits) - 1
    rows = answers.reshape(len(answers), -1)
    if plan.argmax:
        yield from (int(row[0]) for row in rows.tolist())
    else:
        for row in host_counts(plan, rows).tolist():
            yield sum((int(v) & mask) << plan.s_bits * k for k, v in enumerate(row))


def listing(plan: Plan) -> str:
    """The micro-programs in words: what every step reads, evaluates and writes."""
    sources = ["0", "1", "e0", "e1", "r0", "r1", "r2", "r3", "n0", "n1", "n2", "n3"]
    rows = []
    for made in plan.programs:
        rows.append(f"{made.name}: {len(made)} steps, at most {made.live} bits in the banks")
        for number, step in enumerate(made.steps, start=1):
            does = []
            for index, pair in enumerate(step.pairs):
                if pair.carry:
                    operands = " ".join(sources[s] for s in pair.operands)
                    does.append(f"n{2 * index} <- {operands} t{pair.carry_t} a{pair.carry_a}")
                if pair.sum:
                    does.append(f"n{2 * index + 1} <- held t{pair.sum_t} a{pair.sum_a}")
            for index, bank in enumerate(step.banks):
                if any(NEURON_BANK + index in pair.operands for pair in step.pairs):
                    does.append(f"r{index} = b{index}[{bank.read}]")
                if bank.write:
                    does.append(f"b{index}[{bank.address}] <- n{bank.neuron}")
            rows.append(f"  {number:4d}  {'; '.join(does)}")
    return "\n".join(rows) + "\n"


NEURON_BANK = 4
"""The first source that is a bank."""


def _values(plan: Plan, top: str, parameters: dict[str, int], samples: int) -> dict[str, Any]:
    p = parameters
    data = max(plan.shape.rows, plan.x_bits)
    batches = -(-samples // p["COLS"])
    tiles = plan.layers[-1].tiles
    return {
        "top": top,
        "bench": f"tb_{top}",
        "parameters": list(parameters.items()),
        "p": parameters,
        "samples": samples,
        "batches": batches,
        "images": batches * plan.inputs.size * p["COLS"],
        "batch_words": plan.inputs.size * p["COLS"],
        "kernels": sum(tile.words for tile in plan.tiles),
        "configs": sum(1 for _ in config_words(plan)),
        "config_bits": CONFIG_BITS,
        "image_bits": data + 34,
        "data": data,
        "answer_bits": answer_bits(plan),
        "argmax": plan.argmax,
        "score_room": tiles * p["MROWS"] * p["SBITS"],
        "patience": 40 * (steady_cycles(plan) + plan.inputs.size * p["COLS"]) + 1000,
        "sources": [f"{top}.v", *(f"{m}.v" for m in MODULES)],
        "seed": 1,
        "timing": steady_cycles(plan),
    }


def _layout(plan: Plan, top: str, samples: int, values: dict[str, Any]) -> str:
    width = answer_bits(plan)
    count, each = (1, 16) if plan.argmax else (plan.answers, plan.s_bits)
    lanes = [
        {"name": f"y[{k}]", "offset": each * k, "width": each, "signed": not plan.argmax}
        for k in range(count)
    ]
    work = values["timing"] * plan.shape.rows * plan.shape.cols * 100
    made = {
        "top": top,
        "samples": samples,
        "work": work,
        "outputs": {"width": width, "ports": [{"name": "y", "offset": 0, "lanes": lanes}]},
    }
    return json.dumps(made, indent=1) + "\n"


def _address(words: int) -> int:
    """Bits of an address of so many words; at least 1."""
    return max(1, (words - 1).bit_length())


def _lines(words: Iterator[int], bits: int) -> str:
    digits = -(-bits // 4)
    return "".join(f"{word:0{digits}x}\n" for word in words)
