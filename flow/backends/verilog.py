"""A Circuit as one readable module of Verilog-2005."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from flow.analysis.layers import layer_of
from flow.backends.emission import Direction, Emission, Lane, VerilogPort
from flow.backends.expressions import Wires, constant, literal
from flow.backends.names import MODULES, Namer, comment
from flow.backends.operations import RENDER, render, table_of
from flow.backends.verilog_tables import table_function, wrapped
from flow.errors import InternalError
from flow.ir.circuit import Circuit, Port, lane_width
from flow.ir.nodes import Bits, Input, Lookup, Node, Register

SUPPORTS: frozenset[type[Node]] = frozenset(RENDER)
"""Operations that have a Verilog form; a pass expands the others before."""

CLOCK = "clk"
HANDSHAKE = ("rst", "in_valid", "in_ready", "out_valid", "out_ready")
MOST_ROWS = 64
"""Ports of more lanes have runs of equal lanes in the table at the head of the file."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the comment at the head of the file says of its making; any text is allowed."""

    model: str = ""
    command: str = ""
    seed: int = 0
    version: str = ""


def emit_verilog(
    circuit: Circuit, *, header: Header | None = None, handshake: bool = False
) -> Emission:
    """The circuit as `rtl/<name>.v`. Pure: equal circuits give equal bytes.

    Every port is one packed bus, lane 0 at bit 0. A circuit with registers has the port `clk`
    and runs freely; with `handshake` it stalls as a whole while `out_valid & ~out_ready`.
    Raises InternalError for a Linear, and for `handshake` without registers.
    """
    return _Module(circuit, header or Header(), handshake).emission()


PREFIX = 40
"""Characters of a layer's name in the names of its wires, so that their numbers are not cut off."""


@dataclass
class _Module:
    """Collects the parts of the one module."""

    circuit: Circuit
    header: Header
    handshake: bool
    wires: Wires = field(default_factory=Wires)
    functions: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    loads: list[tuple[str, str]] = field(default_factory=list)
    registers: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.order = list(self.circuit.walk())
        self.named = {origin.layer for origin in self.circuit.origins.values()}
        self.layers = layer_of(self.circuit) if self.named else {}
        self.clocked = any(isinstance(node, Register) for node in self.order)
        self.delay = _delays(self.order) if self.clocked else {}
        self.live = _live(self.order, self.circuit.outputs)
        lanes = [lane for port in self.circuit.outputs for lane in port.lanes]
        self.latency = max((self.delay.get(lane) or 0 for lane in lanes), default=0)
        if self.handshake and not self.latency:
            raise InternalError(f"{self.circuit.name} has no registers to hold a handshake")
        control = [CLOCK] * self.clocked + [*HANDSHAKE] * self.handshake
        self.name = Namer([*control, *MODULES])
        self.top = self.name(self.circuit.name)
        self.inputs = [self._port(port, "input") for port in self.circuit.inputs]
        self.outputs = [self._port(port, "output") for port in self.circuit.outputs]

    def _port(self, port: Port, direction: Direction) -> VerilogPort:
        lanes: list[Lane] = []
        offset = 0
        for lane in port.lanes:
            lanes.append(Lane(offset, lane_width(lane), lane.range))
            offset += lane_width(lane)
        return VerilogPort(self.name(port.name), direction, tuple(lanes), port.name)

    def emission(self) -> Emission:
        """The whole module."""
        control = self._control()
        for port, declared in zip(self.circuit.inputs, self.inputs, strict=True):
            self._slices(port, declared)
        for node in self.order:
            if not isinstance(node, Input) and (node in self.live or isinstance(node, Register)):
                self._node(node)
        outputs = [*self._outputs()]
        parts = [
            [*self._head()],
            self.functions,
            control,
            self.body,
            outputs,
            self._clocked(),
            [*self._unused()],
        ]
        text = "\n".join("\n".join(part) + "\n" for part in parts if part)
        return Emission(
            files={PurePosixPath("rtl", f"{self.top}.v"): text + "\nendmodule\n\n"
                   "`default_nettype wire\n"},
            top=self.top,
            ports=tuple(port for port in (*self.inputs, *self.outputs) if port.lanes),
            latency=self.latency,
            registers=tuple(self.registers),
            clocked=self.clocked,
            handshake=self.handshake,
            work=_work(self.order, self.live),
        )  # fmt: skip

    def _head(self) -> Iterator[str]:
        yield f"// {self.top}: made by flow {comment(self.header.version)}".rstrip()
        yield f"// model    {comment(self.header.model)}".rstrip()
        yield f"// command  {comment(self.header.command)}".rstrip()
        yield f"// seed     {self.header.seed}"
        yield (
            f"// latency  {self.latency} registers; a new sample every clock"
            if (self.clocked)
            else "// latency  0 registers: combinational"
        )
        yield "//"
        yield "// Lanes of the ports, two's complement where signed:"
        for port in (*self.inputs, *self.outputs):
            yield f"//   {port.direction} {port.name}, {port.width} bits"
            yield from (f"//     {row}" for row in lane_table(port.lanes))
        yield "`default_nettype none"
        yield ""
        yield f"module {self.top} ("
        yield ",\n".join(self._declarations())
        yield ");"

    def _declarations(self) -> Iterator[str]:
        if self.clocked:
            yield f"    input  wire {CLOCK}"
        if self.handshake:
            for name in HANDSHAKE:
                direction = "output" if name in ("in_ready", "out_valid") else "input "
                yield f"    {direction} wire {name}"
        for port in (*self.inputs, *self.outputs):
            if port.lanes:
                yield f"    {port.direction:6} wire {_vector(port.width)}{port.name}"

    def _control(self) -> list[str]:
        if not self.handshake:
            return []
        self.valid, self.advance = self.name("valid"), self.name("advance")
        last = f"[{self.latency - 1}]" if self.latency > 1 else ""
        return [
            "    // Every stage moves on at once, unless a result waits to be taken.",
            f"    reg {_vector(self.latency)}{self.valid};",
            f"    assign out_valid = {self.valid}{last};",
            f"    wire {self.advance} = out_ready | ~out_valid;",
            f"    assign in_ready = {self.advance};",
        ]

    def _slices(self, port: Port, declared: VerilogPort) -> None:
        for i, (lane, place) in enumerate(zip(port.lanes, declared.lanes, strict=True)):
            if lane in self.live:
                self._declare(lane, f"{port.name}_{i}", _slice(declared, place))

    def _node(self, node: Node) -> None:
        if isinstance(node, Register):
            self._register(node)
            return
        if isinstance(node, Lookup):
            self._function(node)
        if isinstance(node, Bits) and self._has_name(node):
            self.wires.names[node] = self.wires.bits(node.x, node.low, 1)
            return
        self._declare(node, self._wanted(node), render(node, self.wires))

    def _has_name(self, node: Bits) -> bool:
        """Whether a node is one bit of another wire, to be read as such."""
        if node.width != 1 or node in self.circuit.origins:
            return False
        return node.x.range.lo >= 0 or node.x.range.width != 1

    def _register(self, node: Register) -> None:
        # What depends on no input never changes: a flip-flop would only begin as unknown.
        if node not in self.live or self.delay[node] is None:
            self.registers.append(("", 0))
            if node in self.live:
                self._declare(node, self._wanted(node), render(node, self.wires))
            return
        name = self._declare(node, self._wanted(node), "", kind="reg")
        self.registers.append((name, node.range.width))
        self.loads.append((name, render(node, self.wires)))

    def _wanted(self, node: Node) -> str:
        """The name of its origin, or a number that rises down the page."""
        origin = self.circuit.origins.get(node)
        if origin:
            return str(origin)
        layer = self.layers.get(node, "")
        letter = "r" if isinstance(node, Register) else "t"
        number = f"{letter}{len(self.wires.names)}"
        return f"{layer[:PREFIX]}_{number}" if layer in self.named else number

    def _declare(self, node: Node, wanted: str, value: str, kind: str = "wire") -> str:
        name = self.wires.names[node] = self.name(wanted)
        sign = "signed " if node.range.signed else ""
        value = f" = {value}" if value else ""
        self.body.append(
            f"    {kind} {sign}{_vector(node.range.width)}{name}{value};  // {node.range}"
        )
        return name

    def _function(self, node: Lookup) -> None:
        table = table_of(node)
        if table in self.wires.functions:
            return
        if not self.wires.functions:
            self.index = self.name("index")
        self.wires.functions[table] = name = self.name("lut")
        width, bits, entries = table
        self.functions += table_function(name, self.index, width, bits, entries)

    def _outputs(self) -> Iterator[str]:
        for port, declared in zip(self.circuit.outputs, self.outputs, strict=True):
            for lane, place in zip(port.lanes, declared.lanes, strict=True):
                value = self.wires.fit(lane, place.width)
                yield f"    assign {_slice(declared, place)} = {value};  // {lane.range}"

    def _clocked(self) -> list[str]:
        if not self.clocked:
            return []
        loads = [f"{name} <= {value};" for name, value in self.loads]
        if not self.handshake:
            if not loads:
                return []
            return [
                f"    always @(posedge {CLOCK}) begin",
                *(f"        {load}" for load in loads),
                "    end",
            ]
        shifted = (
            f"{{{self.valid}{_range(self.latency - 1)}, in_valid}}"
            if self.latency > 1
            else "in_valid"
        )
        lines = [
            f"    always @(posedge {CLOCK})",
            f"        if (rst) {self.valid} <= {literal(0, self.latency)};",
            f"        else if ({self.advance}) {self.valid} <= {shifted};",
        ]
        if loads:
            lines += [
                "",
                f"    always @(posedge {CLOCK})",
                f"        if ({self.advance}) begin",
                *(f"            {load}" for load in loads),
                "        end",
            ]
        return lines

    def _unused(self) -> Iterator[str]:
        """Reads every bit that nothing else reads, so that a linter has no cause to warn."""
        bits: list[str] = []
        if self.clocked and not self.handshake and not self.loads:
            bits.append(CLOCK)
        for port, declared in zip(self.circuit.inputs, self.inputs, strict=True):
            for lane, place in zip(port.lanes, declared.lanes, strict=True):
                if lane not in self.live:
                    bits.append(_slice(declared, place))
        read = self.wires.read
        for node, name in self.wires.names.items():
            width = node.range.width
            if rest := ((1 << width) - 1) & ~read.get(node, 0):
                bits += _runs(name, rest, width)
        if bits:
            yield "    // Bits that the circuit does not need."
            yield f"    wire {self.name('unused')} = &{{"
            yield f"        1'b0, {wrapped(bits, ' ' * 8).lstrip()}"
            yield "    };"


def _delays(order: Sequence[Node]) -> dict[Node, int | None]:
    """Registers between the inputs and each node; None where it depends on no input."""
    delay: dict[Node, int | None] = {}
    for node in order:
        known = [d for x in node.operands if (d := delay[x]) is not None]
        if isinstance(node, Input):
            delay[node] = 0
        elif known:
            delay[node] = max(known) + isinstance(node, Register)
        else:
            delay[node] = None
    return delay


def _work(order: Sequence[Node], live: set[Node]) -> int:
    """A bound on evaluations for one sample: a node may change once for each path length to it."""
    level: dict[Node, int] = {}
    for node in order:
        operands = node.operands
        fresh = not operands or isinstance(node, Register) or node not in live
        level[node] = 1 if fresh else 1 + max([level[x] for x in operands])
    return max(1, sum([level[node] for node in live]))


def _live(order: Sequence[Node], outputs: Sequence[Port]) -> set[Node]:
    """Nodes that have a wire: not constant, and read by an output or another such node."""
    live = {lane for port in outputs for lane in port.lanes if not constant(lane)}
    for node in reversed(order):
        if node in live:
            live.update([x for x in node.operands if x.range.lo != x.range.hi])
    return live


def lane_table(lanes: Sequence[Lane]) -> Iterator[str]:
    """A row for each lane; for each run of equal lanes where there are more than MOST_ROWS."""
    start = 0
    while start < len(lanes):
        first, end = lanes[start], start + 1
        if len(lanes) > MOST_ROWS:
            while end < len(lanes) and lanes[end].range == first.range:
                end += 1
        last = lanes[end - 1]
        sign = "signed" if first.range.signed else "unsigned"
        which = f"{start}" if end == start + 1 else f"{start}..{end - 1}"
        each = "" if end == start + 1 else f", {first.width} each"
        top = last.offset + last.width - 1
        yield f"{which}: bits {top}:{first.offset}{each}, {sign}, {first.range}"
        start = end


def _vector(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _range(width: int) -> str:
    return f"[{width - 1}:0]" if width > 1 else "[0]"


def _slice(port: VerilogPort, lane: Lane) -> str:
    if port.width == lane.width:
        return port.name
    if lane.width == 1:
        return f"{port.name}[{lane.offset}]"
    return f"{port.name}[{lane.offset + lane.width - 1}:{lane.offset}]"


def _runs(name: str, mask: int, width: int) -> Iterator[str]:
    """Part selects for the ones of a mask over the bits of a signal."""
    if mask == (1 << width) - 1:
        yield name
        return
    while mask:
        low = (mask & -mask).bit_length() - 1
        high = low
        while mask >> (high + 1) & 1:
            high += 1
        yield f"{name}[{low}]" if high == low else f"{name}[{high}:{low}]"
        mask &= ~((1 << (high + 1)) - 1)
