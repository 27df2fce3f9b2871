"""A Circuit as an and-inverter graph, every node as wide as its interval."""

from __future__ import annotations

from collections.abc import Sequence

from flow.backends import arithmetic as a
from flow.backends.arithmetic import Word
from flow.errors import IRError
from flow.ir import nodes as n
from flow.ir.aig import FALSE, Aig, AigBuilder
from flow.ir.circuit import Circuit, Port, lane_width


def bit_names(port: Port) -> list[str]:
    """Names of the bits of a port, lane 0 lowest; a port of one bit has no index."""
    return _names(port.name, port.width)


def register_widths(circuit: Circuit) -> tuple[int, ...]:
    """The bits of each Register of the circuit, in walk order."""
    return tuple(node.range.width for node in circuit.walk() if isinstance(node, n.Register))


def bitblast(circuit: Circuit, registers: Sequence[str] | None = None) -> Aig:
    """The graph of all outputs, with each Register cut.

    Register k (in walk order) has the outputs `D:name` and the inputs `Q:name`, bit by bit;
    `registers` gives the names, by default r0, r1 and so on. Meaning is that of `evaluate`
    wherever the inputs lie in their intervals.
    """
    order = list(circuit.walk())
    cut = [node for node in order if isinstance(node, n.Register)]
    names = list(registers) if registers is not None else [f"r{k}" for k in range(len(cut))]
    if len(names) != len(cut):
        raise IRError(f"{len(cut)} registers have {len(names)} names")
    widths = [node.range.width for node in cut]
    inputs = [bit for port in circuit.inputs for bit in bit_names(port)]
    held = [bit for name, w in zip(names, widths, strict=True) for bit in _names(f"Q:{name}", w)]
    g = AigBuilder(circuit.name, [*inputs, *held])
    words: dict[n.Node, Word] = {}
    at = 1
    for port in circuit.inputs:
        for lane in port.lanes:
            words[lane] = a.fitted([2 * (at + i) for i in range(lane_width(lane))], lane.range)
            at += lane_width(lane)
    for node in cut:
        words[node] = a.fitted([2 * (at + i) for i in range(node.range.width)], node.range)
        at += node.range.width
    for node in order:
        if node not in words:
            g.owner = node
            bits = _bits(g, node, [words[x] for x in node.operands])
            words[node] = a.fitted(bits, node.range)
    outputs: list[tuple[str, int]] = []
    for port in circuit.outputs:
        lanes = [bit for lane in port.lanes for bit in words[lane].extended(lane_width(lane))]
        outputs += zip(bit_names(port), lanes, strict=True)
    for name, node, width in zip(names, cut, widths, strict=True):
        outputs += zip(_names(f"D:{name}", width), words[node.x].extended(width), strict=True)
    return g.finish(outputs)


def inside(circuit: Circuit, registers: Sequence[str] | None = None) -> Aig | None:
    """Whether all inputs and registers lie in their intervals: one output; None where they must.

    Its inputs are those of `bitblast`. What lies outside has no meaning, so a proof assumes this.
    """
    template = bitblast(circuit, registers)
    g = AigBuilder(circuit.name, template.inputs)
    cut = [node for node in circuit.walk() if isinstance(node, n.Register)]
    fields = [(lane, lane_width(lane)) for port in circuit.inputs for lane in port.lanes]
    fields += [(node, node.range.width) for node in cut]
    at, conditions = 1, []
    for node, width in fields:
        bits = tuple(2 * (at + i) for i in range(width))
        at += width
        word, r = Word(bits, node.range.signed), node.range
        low, high = Word(a.constant(r.lo, width + 1), True), Word(a.constant(r.hi, width + 1), True)
        every = -(1 << (width - 1)) if r.signed else 0
        if r.lo > every:
            conditions.append(a.less(g, low, word, True))
        if r.hi < every + (1 << width) - 1:
            conditions.append(a.less(g, word, high, True))
    if not conditions:
        return None
    return g.finish([("inside", g.all(conditions))])


def _names(name: str, width: int) -> list[str]:
    return [name] if width == 1 else [f"{name}[{i}]" for i in range(width)]


def _bits(g: AigBuilder, node: n.Node, x: list[Word]) -> tuple[int, ...]:
    """At least as many low bits of the result as its interval needs."""
    width = node.range.width
    match node:
        case n.Const(value):
            return a.constant(value, width)
        case n.Add():
            return a.add(g, x[0], x[1], width)
        case n.Sub():
            return a.subtract(g, x[0], x[1], width)
        case n.Neg():
            return a.subtract(g, Word((), False), x[0], width)
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
            return (a.less(g, x[0], x[1], relation == "le"),)
        case n.Select():
            c, then, other = x[0].bit(0), x[1], x[2]
            return tuple(g.mux(c, then.bit(i), other.bit(i)) for i in range(width))
        case n.Lookup(of, base, table):
            return a.lookup(g, x[0], of.range, base, table, width)
        case n.FullAdder():
            p, q, c = (word.bit(0) for word in x)
            return (g.xor(g.xor(p, q), c), g.majority(p, q, c))
        case _:
            raise IRError(f"{node.mnemonic} has no gates")
