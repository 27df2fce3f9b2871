"""A Circuit as an and-inverter graph, every node as wide as its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flow.backends import arithmetic as a
from flow.backends.arithmetic import Word
from flow.backends.emission import Emission
from flow.errors import IRError
from flow.ir import nodes as n
from flow.ir.aig import FALSE, Aig, AigBuilder
from flow.ir.circuit import Circuit, lane_width
from flow.ir.interval import twos_complement, unsigned
from flow.ir.netlist import CLOCK, Bus

CONTROL_INPUTS = ("rst", "in_valid", "out_ready")


@dataclass(frozen=True, slots=True)
class Plan:
    """What the bits of a graph are called: buses of the ports, and the registers that are cut.

    `inputs` and `outputs` name the data ports of the circuit, in its order. With `handshake`
    every register waits for `advance`, and a chain of `stages` valid bits goes along.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    registers: tuple[tuple[n.Node, str], ...]
    handshake: bool = False
    stages: int = 0


def plan(circuit: Circuit, emission: Emission | None = None) -> Plan:
    """The names that an emission gave, or else those of the circuit, with registers r0, r1, ..."""
    order = list(circuit.walk())
    delay = _delays(order)
    live = {lane for port in circuit.outputs for lane in port.lanes if lane.range.count > 1}
    for node in reversed(order):
        if node in live:
            live.update(x for x in node.operands if x.range.count > 1)
    every = [node for node in order if isinstance(node, n.Register)]
    if emission is None:
        names = [f"r{k}" for k in range(len(every))]
        ports = {port.name: port.name for port in (*circuit.inputs, *circuit.outputs)}
    else:
        if len(emission.registers) != len(every):
            raise IRError(f"{len(every)} registers, {len(emission.registers)} were emitted")
        names = [name for name, _ in emission.registers]
        ports = {port.source: port.name for port in emission.ports}
    return Plan(
        tuple(ports.get(port.name, port.name) for port in circuit.inputs),
        tuple(ports.get(port.name, port.name) for port in circuit.outputs),
        tuple(
            (node, name)
            for node, name in zip(every, names, strict=True)
            if node in live and delay[node] is not None
        ),
        emission is not None and emission.handshake,
        emission.latency if emission is not None else 0,
    )


def _delays(order: Sequence[n.Node]) -> dict[n.Node, int | None]:
    """Registers between the inputs and each node; None where it depends on no input."""
    delay: dict[n.Node, int | None] = {}
    for node in order:
        known = [d for x in node.operands if (d := delay[x]) is not None]
        deepest = max(known, default=0) + isinstance(node, n.Register)
        delay[node] = deepest if known or isinstance(node, n.Input) else None
    return delay


def bitblast(circuit: Circuit, emission: Emission | None = None, *, quick: bool = False) -> Aig:
    """The graph of all outputs, with the names of an emission, each register cut.

    The carries of a sum, a difference and a comparison ripple, or go along trees with `quick`.

    A register has the outputs `D:name[i]` and the inputs `Q:name[i]`; the valid bits of a
    handshake are the register `valid`. Meaning is that of `evaluate` wherever the inputs lie in
    their intervals.
    """
    named = plan(circuit, emission)
    fields = _fields(circuit, named)
    control = [*CONTROL_INPUTS, *bits_of("Q:valid", named.stages)] if named.handshake else []
    g = AigBuilder(circuit.name, [*control, *(bit for _, bits in fields for bit in bits)])
    literal = {bit: 2 * i for i, bit in enumerate(g.inputs, 1)}
    words: dict[n.Node, Word] = {
        node: a.fitted([literal[bit] for bit in bits], node.range) for node, bits in fields
    }
    for node in circuit.walk():
        if node not in words:
            g.owner = node
            operands = [words[x] for x in node.operands]
            words[node] = a.fitted(_bits(g, node, operands, quick), node.range)
    g.owner = None
    outputs: list[tuple[str, int]] = []
    for port, name in zip(circuit.outputs, named.outputs, strict=True):
        lanes = [bit for lane in port.lanes for bit in words[lane].extended(lane_width(lane))]
        outputs += zip(bits_of(name, port.width), lanes, strict=True)
    loads = [
        (name, literal[f"Q:{name}"], value)
        for node, register in named.registers
        for name, value in zip(
            bits_of(register, node.range.width),
            words[node.operands[0]].extended(node.range.width),
            strict=True,
        )
    ]
    if named.handshake:
        valid = [literal[bit] for bit in bits_of("Q:valid", named.stages)]
        advance = g.disj(literal["out_ready"], valid[-1] ^ 1)
        outputs += [("in_ready", advance), ("out_valid", valid[-1])]
        loads = [(name, held, g.mux(advance, value, held)) for name, held, value in loads]
        shifted = zip(
            bits_of("valid", named.stages), valid, [literal["in_valid"], *valid[:-1]], strict=True
        )
        for name, held, value in shifted:
            loaded = g.conj(literal["rst"] ^ 1, g.mux(advance, value, held))
            loads.append((name, held, loaded))
    return g.finish([*outputs, *((f"D:{name}", value) for name, _, value in loads)])


def inside(circuit: Circuit, emission: Emission | None = None) -> Aig | None:
    """Whether all inputs and registers lie in their intervals: one output; None where they must.

    Its inputs are some of those of `bitblast`. What lies outside has no meaning, so a proof
    assumes this.
    """
    fields = _fields(circuit, plan(circuit, emission))
    g = AigBuilder(circuit.name, [bit for _, bits in fields for bit in bits])
    literal = {bit: 2 * i for i, bit in enumerate(g.inputs, 1)}
    conditions = []
    for node, bits in fields:
        r, width = node.range, len(bits)
        word = Word(tuple(literal[bit] for bit in bits), r.signed)
        every = twos_complement(width) if r.signed else unsigned(width)
        if r.lo > every.lo:
            conditions.append(a.less(g, Word(a.constant(r.lo, width + 1), True), word, True))
        if r.hi < every.hi:
            conditions.append(a.less(g, word, Word(a.constant(r.hi, width + 1), True), True))
    return g.finish([("inside", g.all(conditions))]) if conditions else None


def buses(circuit: Circuit, emission: Emission | None = None) -> tuple[list[Bus], list[Bus]]:
    """The input and the output buses of the module, in the order of the emitted Verilog."""
    named = plan(circuit, emission)
    inputs, outputs = [], []
    if named.registers or (emission is not None and emission.clocked):
        inputs.append(Bus(CLOCK, 1))
    if named.handshake:
        inputs += [Bus(name, 1) for name in CONTROL_INPUTS]
        outputs += [Bus(name, 1) for name in ("in_ready", "out_valid")]
    data = zip(circuit.inputs, named.inputs, strict=True)
    inputs += [Bus(name, port.width) for port, name in data if port.lanes]
    results = zip(circuit.outputs, named.outputs, strict=True)
    outputs += [Bus(name, port.width) for port, name in results]
    return inputs, outputs


def bits_of(name: str, width: int) -> list[str]:
    """Names of the bits of a bus, the lowest first; a bus of one bit has no index."""
    return [name] if width == 1 else [f"{name}[{i}]" for i in range(width)]


def _fields(circuit: Circuit, named: Plan) -> list[tuple[n.Node, list[str]]]:
    """The nodes whose bits are inputs of the graph, with the names of the bits."""
    fields: list[tuple[n.Node, list[str]]] = []
    for port, name in zip(circuit.inputs, named.inputs, strict=True):
        bits, at = bits_of(name, port.width), 0
        for lane in port.lanes:
            fields.append((lane, bits[at : at + lane_width(lane)]))
            at += lane_width(lane)
    for node, name in named.registers:
        fields.append((node, [f"Q:{bit}" for bit in bits_of(name, node.range.width)]))
    return fields


def _bits(g: AigBuilder, node: n.Node, x: list[Word], quick: bool) -> tuple[int, ...]:
    """At least as many low bits of the result as its interval needs."""
    width = node.range.width
    add, subtract = (a.quick_add, a.quick_subtract) if quick else (a.add, a.subtract)
    less = a.quick_less if quick else a.less
    match node:
        case n.Const(value):
            return a.constant(value, width)
        case n.Add():
            return add(g, x[0], x[1], width)
        case n.Sub():
            return subtract(g, x[0], x[1], width)
        case n.Neg():
            return subtract(g, Word((), False), x[0], width)
        case n.Register():  # Not cut: nobody reads it, or its value never changes.
            return x[0].extended(width)
        case n.Shl(_, amount):
            return ((FALSE,) * amount + x[0].bits)[:width]
        case n.Shr(_, amount) | n.Bits(_, amount, _):
            return tuple(x[0].bit(amount + i) for i in range(width))
        case n.Signed():
            return x[0].extended(width)
        case n.Mul():
            return a.multiply(g, x[0], x[1], width)
        case n.Linear(_, coefficients, bias):
            pairs = zip(x, coefficients, strict=True)
            terms = [pair for word, c in pairs for pair in a.weighted_bits(word, c)]
            return a.weighted_sum(g, terms, bias, width)
        case n.Relu():
            return tuple(g.conj(bit, x[0].sign ^ 1) for bit in x[0].extended(width))
        case n.Clamp(of, lo, hi):
            return a.clamp(g, x[0], of.range, lo, hi)
        case n.Concat(_, widths):
            parts = zip(x, widths, strict=True)
            return tuple(bit for word, w in parts for bit in word.extended(w))
        case n.And():
            return tuple(g.conj(x[0].bit(i), x[1].bit(i)) for i in range(width))
        case n.Or():
            return tuple(g.disj(x[0].bit(i), x[1].bit(i)) for i in range(width))
        case n.Xor():
            return tuple(g.xor(x[0].bit(i), x[1].bit(i)) for i in range(width))
        case n.Compare(_, _, relation):
            if relation in ("eq", "ne"):
                return (a.equal(g, x[0], x[1]) ^ (relation == "ne"),)
            return (less(g, x[0], x[1], relation == "le"),)
        case n.Select():
            c, then, other = x[0].bit(0), x[1], x[2]
            return tuple(g.mux(c, then.bit(i), other.bit(i)) for i in range(width))
        case n.Lookup(of, base, table):
            return a.lookup(g, x[0], of.range, base, table, width)
        case n.FullAdder():
            p, q, c = (word.bit(0) for word in x)
            return g.full_adder(p, q, c)
        case _:
            raise IRError(f"{node.mnemonic} has no gates")
