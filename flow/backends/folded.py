"""A folded circuit as Verilog: its parts as modules, and around them buffers and a controller.

A buffer holds what a level reads while it takes its steps; the results of a step go into a shift
register, and at the last step all of them into the next buffer, so that a sample can enter in
every `interval` clocks. Everything waits while a result is not taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Protocol

from flow.backends.emission import Direction, Emission, Lane, VerilogPort
from flow.backends.names import MODULES, Namer, comment
from flow.backends.verilog import CLOCK, HANDSHAKE, Header, emit_verilog, lane_table
from flow.ir.circuit import Circuit, Port, lane_width
from flow.ir.nodes import Const
from flow.mapping.folding import Folded, Level


def part_emissions(folded: Folded, header: Header | None = None) -> dict[str, Emission]:
    """The Verilog of each part by its name; the modules are named after the circuit."""
    top = top_namer()(folded.circuit.name)
    return {
        name: emit_verilog(replace(part, name=f"{top}_{name}"), header=header)
        for name, part in folded.parts.items()
    }


def emit_folded(folded: Folded, *, header: Header | None = None) -> Emission:
    """The folded circuit as `rtl/<name>.v` with a file for each part. Pure.

    The ports are those of the circuit, with `clk`, `rst`, and valid and ready on both sides.
    """
    header = header or Header()
    parts = part_emissions(folded, header)
    writer = Writer(folded, parts, header)
    files = {path: text for part in parts.values() for path, text in part.files.items()}
    files[PurePosixPath("rtl", f"{writer.top}.v")] = writer.text()
    return Emission(
        files=files,
        top=writer.top,
        ports=(*writer.inputs, *writer.outputs),
        latency=folded.latency,
        initiation_interval=folded.interval,
        clocked=True,
        handshake=True,
        parts=tuple(sorted(f"{part.top}.v" for part in parts.values())),
        work=folded.interval * sum(part.work for part in parts.values()),
    )


def top_namer() -> Namer:
    """Names that neither the ports nor the modules of rtl/ have."""
    return Namer([CLOCK, *HANDSHAKE, *MODULES])


@dataclass(frozen=True)
class Bus:
    """A bus and where its lanes lie."""

    name: str
    lanes: tuple[Lane, ...]

    @property
    def width(self) -> int:
        """Bits of the bus."""
        return sum(lane.width for lane in self.lanes)

    def bits(self, index: int, width: int, base: int = 0) -> str:
        """A lane, its sign repeated to a width."""
        lane = self.lanes[index]
        low = base + lane.offset
        high = low + min(width, lane.width) - 1
        own = f"{self.name}[{high}:{low}]" if high > low else f"{self.name}[{low}]"
        if width <= lane.width:
            return own
        sign = f"{self.name}[{low + lane.width - 1}]" if lane.range.signed else "1'b0"
        return f"{{{{{width - lane.width}{{{sign}}}}}, {own}}}"


def _lanes(port: Port) -> tuple[Lane, ...]:
    lanes: list[Lane] = []
    offset = 0
    for lane in port.lanes:
        lanes.append(Lane(offset, lane_width(lane), lane.range))
        offset += lane_width(lane)
    return tuple(lanes)


class Stepped(Protocol):
    """A circuit in levels that each take `interval` clocks; its outputs are lanes of the last
    buffer, or constants."""

    @property
    def circuit(self) -> Circuit:
        """What it computes."""
        ...

    @property
    def interval(self) -> int:
        """Clocks of a level."""
        ...

    @property
    def levels(self) -> Sequence[Any]:
        """What the writer's `level` writes, one by one."""
        ...

    @property
    def outputs(self) -> tuple[tuple[int | Const, ...], ...]:
        """Of each lane of each output port."""
        ...

    @property
    def latency(self) -> int:
        """Clock edges from a sample to its result."""
        ...


class Writer:
    """The module around the parts: buffers, a step counter, valid and ready on both sides."""

    def __init__(self, folded: Stepped, parts: Mapping[str, Emission], header: Header) -> None:
        self.folded, self.parts, self.header = folded, parts, header
        self.name = top_namer()
        self.top = self.name(folded.circuit.name)
        self.inputs = [self._port(port, "input") for port in folded.circuit.inputs if port.lanes]
        self.outputs = [self._port(p, "output") for p in folded.circuit.outputs if p.lanes]
        self.buses: list[str] = []
        self.loads: list[tuple[str, str]] = []
        self.shifts: list[tuple[str, str]] = []
        self.last = folded.interval - 1
        self.width = max(1, self.last.bit_length())

    def _port(self, port: Port, direction: Direction) -> VerilogPort:
        return VerilogPort(self.name(port.name), direction, _lanes(port), port.name)

    def text(self) -> str:
        """The whole module."""
        lines = [*self._head(), *self._control(), *self._entry()]
        for index, level in enumerate(self.folded.levels):
            lines += ["", f"    // Level {index}.", *self.level(index, level)]
        lines += ["", *self._outputs(), *self._clocked(), *self._unused()]
        lines += ["endmodule", "", "`default_nettype wire"]
        return "\n".join(lines) + "\n"

    def _head(self) -> Iterator[str]:
        yield f"// {self.top}: made by flow {comment(self.header.version)}".rstrip()
        yield f"// model    {comment(self.header.model)}".rstrip()
        yield f"// command  {comment(self.header.command)}".rstrip()
        yield f"// seed     {self.header.seed}"
        steps = self.folded.interval
        yield f"// latency  {self.folded.latency} clocks; a new sample every {steps} clocks"
        yield "//"
        yield "// Lanes of the ports, two's complement where signed:"
        for port in (*self.inputs, *self.outputs):
            yield f"//   {port.direction} {port.name}, {port.width} bits"
            yield from (f"//     {row}" for row in lane_table(port.lanes))
        yield "`default_nettype none"
        yield ""
        yield f"module {self.top} ("
        declared = [f"    input  wire {CLOCK}"]
        for name in HANDSHAKE:
            way = "output" if name in ("in_ready", "out_valid") else "input "
            declared.append(f"    {way} wire {name}")
        for port in (*self.inputs, *self.outputs):
            declared.append(f"    {port.direction:6} wire {vector(port.width)}{port.name}")
        yield ",\n".join(declared)
        yield ");"

    def _control(self) -> Iterator[str]:
        count = len(self.folded.levels)
        self.step, self.valid, self.done = (self.name(x) for x in ("step", "valid", "done"))
        self.turn, self.stall, self.go = (self.name(x) for x in ("turn", "stall", "go"))
        yield "    // The step of all levels, the levels with a sample, whether a result waits."
        yield f"    reg {vector(self.width)}{self.step};"
        yield f"    reg {vector(count)}{self.valid};"
        yield f"    reg {self.done};"
        top = f"{self.valid}[{count - 1}]" if count > 1 else self.valid
        yield f"    wire {self.turn} = {self.step} == {self.width}'d{self.last};"
        yield f"    wire {self.stall} = {self.turn} & {top} & {self.done} & ~out_ready;"
        yield "    // At the last step without a sample in any level the next one is waited for."
        waiting = f"~{self.turn} | in_valid | (|{self.valid})"
        yield f"    wire {self.go} = ~{self.stall} & ({waiting});"
        yield f"    assign in_ready = {self.turn} & ~{self.stall};"
        yield f"    assign out_valid = {self.done};"

    def fill(self, index: int, part: str) -> Iterator[str]:
        """The buffer that a part fills; its lanes are those of the part."""
        port = next(p for p in self.parts[part].ports if p.direction == "output")
        found = Bus(self.name(f"b{index}"), port.lanes)
        self.filled = self.name(f"b{index}_next")
        self.buffer = found
        yield f"    wire [{found.width - 1}:0] {self.filled};"
        yield f"    reg [{found.width - 1}:0] {found.name};"
        self.loads.append((found.name, self.filled))
        self.buses.append(found.name)

    def _entry(self) -> Iterator[str]:
        yield ""
        yield from self.fill(0, "entry")
        made = self.parts["entry"]
        pairs = zip(made.inputs, self.inputs, strict=True)
        pins = [(own.name, theirs.name) for own, theirs in pairs]
        yield from self.instance("entry", [*pins, (made.outputs[0].name, self.filled)])

    def level(self, index: int, level: Any) -> Iterator[str]:
        """One level, from its buffer to the next."""
        assert isinstance(level, Level)
        before = self.buffer
        element, between = (self.parts[f"{kind}{index}"] for kind in ("element", "between"))
        result = element.outputs[0]
        out = Bus(self.name(f"p{index}"), result.lanes)
        yield f"    wire [{out.width - 1}:0] {out.name};"
        self.buses.append(out.name)
        pins = []
        for port in element.inputs:
            if port.source == "x":
                pins.append((port.name, joined(before, level.reads, port.lanes)))
            else:
                pins.append((port.name, self.step))
        yield from self.instance(f"element{index}", [*pins, (result.name, out.name)])
        # Only steps before the last are stored, from the first that something is taken of.
        first = min((step for step, _ in level.taken), default=self.last)
        kept = self.last - first
        shift = Bus(self.name(f"c{index}"), out.lanes)
        if kept:
            yield f"    reg [{kept * out.width - 1}:0] {shift.name};"
            rest = f", {shift.name}[{kept * out.width - 1}:{out.width}]" if kept > 1 else ""
            self.buses.append(shift.name)
            self.shifts.append((shift.name, f"{{{out.name}{rest}}}" if rest else out.name))
        yield from self.fill(index + 1, f"between{index}")
        pins = []
        for port in between.inputs:
            if port.source == "a":
                pieces = [
                    (out if step == self.last else shift).bits(
                        lane, there.width, 0 if step == self.last else (step - first) * out.width
                    )
                    for (step, lane), there in zip(level.taken, port.lanes, strict=True)
                ]
                pins.append((port.name, concat(pieces)))
            else:
                pins.append((port.name, joined(before, level.carried, port.lanes)))
        yield from self.instance(f"between{index}", [*pins, (between.outputs[0].name, self.filled)])

    def instance(self, part: str, pins: Sequence[tuple[str, str]]) -> Iterator[str]:
        """An instance of a part."""
        yield f"    {self.parts[part].top} {self.name(f'u_{part}')} ("
        yield ",\n".join(f"        .{name}({value})" for name, value in pins)
        yield "    );"

    def _outputs(self) -> Iterator[str]:
        ports = [p for p in self.folded.circuit.outputs if p.lanes]
        sources = [
            lanes
            for port, lanes in zip(self.folded.circuit.outputs, self.folded.outputs, strict=True)
            if port.lanes
        ]
        for port, declared, lanes in zip(ports, self.outputs, sources, strict=True):
            pieces = []
            for source, lane in zip(lanes, declared.lanes, strict=True):
                if isinstance(source, Const):
                    value = source.value & ((1 << lane.width) - 1)
                    pieces.append(f"{lane.width}'d{value}")
                else:
                    pieces.append(self.buffer.bits(source, lane.width))
            yield f"    assign {declared.name} = {concat(pieces)};  // {port.name}"

    def _clocked(self) -> Iterator[str]:
        count = len(self.folded.levels)
        top = f"{self.valid}[{count - 1}]" if count > 1 else self.valid
        moved = f"{{{self.valid}[{count - 2}:0], in_valid}}" if count > 2 else (
            f"{{{self.valid}[0], in_valid}}" if count == 2 else "in_valid"
        )  # fmt: skip
        yield ""
        yield f"    always @(posedge {CLOCK})"
        yield "        if (rst) begin"
        yield f"            {self.step} <= {self.width}'d{self.last};"
        yield f"            {self.valid} <= {count}'d0;"
        yield f"            {self.done} <= 1'b0;"
        yield "        end else begin"
        yield f"            if (out_ready) {self.done} <= 1'b0;"
        yield f"            if ({self.go}) begin"
        following = f"{self.turn} ? {self.width}'d0 : {self.step} + {self.width}'d1"
        yield f"                {self.step} <= {following};"
        yield f"                if ({self.turn}) begin"
        yield f"                    {self.valid} <= {moved};"
        yield f"                    if ({top}) {self.done} <= 1'b1;"
        yield "                end"
        yield "            end"
        yield "        end"
        yield ""
        yield f"    always @(posedge {CLOCK})"
        yield f"        if ({self.go}) begin"
        for name, value in self.shifts:
            yield f"            {name} <= {value};"
        yield f"            if ({self.turn}) begin"
        *loads, (final, value) = self.loads
        for name, following in loads:
            yield f"                {name} <= {following};"
        yield f"                if ({top}) {final} <= {value};"
        yield "            end"
        yield "        end"

    def _unused(self) -> Iterator[str]:
        """Reads every bus, so that a linter has no cause to warn of bits that nothing reads."""
        yield ""
        yield "    // Also the bits that no level needs."
        yield f"    wire {self.name('unused')} = &{{1'b0, {', '.join(self.buses)}}};"


def joined(bus: Bus, lanes: Sequence[int], wanted: Sequence[Lane]) -> str:
    """Lanes of a bus, as wide as they are wanted."""
    return concat([bus.bits(i, there.width) for i, there in zip(lanes, wanted, strict=True)])


def concat(pieces: Sequence[str]) -> str:
    """Pieces from bit 0 up, wrapped."""
    if len(pieces) == 1:
        return pieces[0]
    rows = [", ".join(pieces[::-1][i : i + 6]) for i in range(0, len(pieces), 6)]
    return "{" + ",\n            ".join(rows) + "}"


def vector(width: int) -> str:
    """The range of a declaration; none of a single bit."""
    return f"[{width - 1}:0] " if width > 1 else ""
