"""A circuit of hardwired neurons as Verilog: arrays, logic between them, buffers, a controller.

Inputs of a level stand in its buffer, and the controller shows all arrays one bit of each a clock,
lowest first; after the last bit the sums go through plain logic into the next buffer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from flow.backends.emission import Emission, Lane
from flow.backends.folded import Bus, Writer, concat, joined, top_namer
from flow.backends.hardwired import ARRAY, WIRES, WIRES_TAIL, base_files, wires_head, wires_rows
from flow.backends.verilog import Header, emit_verilog
from flow.ir.interval import IntRange
from flow.mapping.hardwired.levels import Wired, WiredLevel


def emit_wired(wired: Wired, *, header: Header | None = None) -> Emission:
    """The circuit as `rtl/<name>.v` with a file for each part, array and list of wires. Pure.

    The ports are those of the circuit, with `clk`, `rst`, and valid and ready on both sides.
    Other weights in the same regions change files that end in `_wires.v` alone.
    """
    header = header or Header()
    top = top_namer()(wired.circuit.name)
    parts = {
        name: emit_verilog(replace(part, name=f"{top}_{name}"), header=header)
        for name, part in wired.parts.items()
    }
    writer = _Writer(wired, parts, header)
    files: dict[PurePosixPath, str] = {
        path: text for part in parts.values() for path, text in part.files.items()
    }
    arrays: list[str] = []
    work = 0
    for index, level in enumerate(wired.levels):
        texts = _array_files(level, prefix(top, index))
        arrays += texts
        files |= {PurePosixPath("rtl", name): text for name, text in texts.items()}
        work += wired.interval * level.wiring.ports.size
    files[PurePosixPath("rtl", f"{top}.v")] = writer.text()
    return Emission(
        files=files,
        top=top,
        ports=(*writer.inputs, *writer.outputs),
        latency=wired.latency,
        initiation_interval=wired.interval,
        clocked=True,
        handshake=True,
        parts=tuple(sorted([*(f"{part.top}.v" for part in parts.values()), *arrays])),
        work=work + sum(part.work for part in parts.values()),
    )


def prefix(top: str, index: int) -> str:
    """What the modules and files of a level begin with."""
    return f"{top}_level{index}_"


def _array_files(level: WiredLevel, own: str) -> Mapping[str, str]:
    wiring, inputs = level.wiring, len(level.reads)
    neurons = len(wiring.ports)
    head = wires_head(wiring.base, inputs, neurons, own)
    wires = "".join([head, *wires_rows(wiring, inputs), WIRES_TAIL])
    fixed = base_files(wiring.base, inputs, neurons, own, enable=True)
    return {**fixed, f"{own}{WIRES}": wires}


class _Writer(Writer):
    """The module around the arrays."""

    def level(self, index: int, level: Any) -> Iterator[str]:
        """The bits of this clock, the array, and what lies between it and the next buffer."""
        assert isinstance(level, WiredLevel)
        before, steps = self.buffer, self.folded.interval
        bits = self.name(f"x{index}")
        count = len(level.reads)
        for k, lane in enumerate(level.reads):
            yield f"    wire [{steps - 1}:0] {bits}_{k} = {before.bits(lane, steps)};"
        shown = concat([f"{bits}_{k}[{self.step}]" for k in range(count)])
        yield f"    wire [{count - 1}:0] {bits} = {shown};"
        word, neurons = level.wiring.base.word, len(level.wiring.ports)
        half = 1 << word - 1
        sums = Bus(
            self.name(f"s{index}"),
            tuple(Lane(k * word, word, IntRange(-half, half - 1)) for k in range(neurons)),
        )
        yield f"    wire [{sums.width - 1}:0] {sums.name};"
        own = prefix(self.top, index)
        yield f"    {own}{ARRAY.removesuffix('.v')} {self.name(f'u_array{index}')} ("
        yield f"        .clk(clk), .en({self.go}), .x({bits}), .first({self.step} == 0),"
        yield f"        .last({self.turn}), .y({sums.name})"
        yield "    );"
        self.buses += [bits, sums.name]
        yield from self.fill(index + 1, f"between{index}")
        pins = []
        between = self.parts[f"between{index}"]
        for port in between.inputs:
            if port.source == "a":
                pieces = [sums.bits(k, lane.width) for k, lane in enumerate(port.lanes)]
                pins.append((port.name, concat(pieces)))
            else:
                pins.append((port.name, joined(before, level.carried, port.lanes)))
        pins.append((between.outputs[0].name, self.filled))
        yield from self.instance(f"between{index}", pins)
