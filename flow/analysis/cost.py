"""What a circuit costs before any technology is known: node counts, adder bits and depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flow.analysis.latency import latency
from flow.ir.circuit import Circuit
from flow.ir.nodes import (
    NODE_TYPES,
    Add,
    And,
    Clamp,
    Compare,
    Const,
    FullAdder,
    Linear,
    Lookup,
    Mul,
    Neg,
    Node,
    Or,
    Register,
    Relu,
    Select,
    Shl,
    Sub,
    Xor,
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Size of a circuit in technology-free units.

    `nodes` counts each operation by mnemonic, in reading order; `adders` counts Add, Sub and Neg;
    `adder_bits` is their full adder positions; `full_adders` counts FullAdder nodes;
    `register_bits` sums the widths of registers; `depth` is the longest path between registers
    in units of one full adder; `latency` is in clock cycles.
    """

    nodes: Mapping[str, int]
    adders: int
    adder_bits: int
    full_adders: int
    register_bits: int
    depth: float
    latency: int


@dataclass(frozen=True, slots=True)
class Delays:
    """Delay of each kind of step, in any unit; the defaults are in full adders.

    A carry chain of n bits takes `first_bit + carry_bit * (n - 1)`; one level of logic or of a
    multiplexer takes `gate`.
    """

    first_bit: float = 1.0
    carry_bit: float = 0.25
    gate: float = 0.5

    def chain(self, bits: int) -> float:
        """Delay of a carry chain; zero for no bits."""
        return self.first_bit + self.carry_bit * (bits - 1) if bits else 0.0


DelayModel = Callable[[Node], float]
"""Delay from the operands of a node to its result."""


def cost(circuit: Circuit, delay: DelayModel | None = None) -> Cost:
    """The cost of a circuit; `delay` defaults to `Delays()`."""
    order = list(circuit.walk())
    count = Counter(node.mnemonic for node in order)
    adders = [node for node in order if isinstance(node, (Add, Sub, Neg))]
    arrival = arrivals(circuit, delay)
    return Cost(
        nodes={t.mnemonic: count[t.mnemonic] for t in NODE_TYPES if count[t.mnemonic]},
        adders=len(adders),
        adder_bits=sum(adder_bits(node) for node in adders),
        full_adders=count[FullAdder.mnemonic],
        register_bits=sum(node.range.width for node in order if isinstance(node, Register)),
        depth=max(arrival.values(), default=0.0),
        latency=latency(circuit),
    )


def trailing_zeros(node: Node) -> int:
    """Low bits of a node that are known to be zero; its whole width for the constant 0."""
    match node:
        case Const(value):
            return (value & -value).bit_length() - 1 if value else 0
        case Shl(x, amount):
            return amount + trailing_zeros(x) if not isinstance(x, Shl) else amount
    return 0


def adder_bits(node: Node) -> int:
    """Positions of an Add, Sub or Neg that need an adder cell; 0 for other operations.

    Low positions where one operand is zero are wires (in a difference: where the second one
    is); above the narrower of two unsigned operands that do not overlap nothing is added.
    """
    match node:
        case Add(a, b):
            skip = max(trailing_zeros(a), trailing_zeros(b))
            low, high = (a, b) if trailing_zeros(a) <= trailing_zeros(b) else (b, a)
            if low.range.lo >= 0 and low.range.width <= trailing_zeros(high):
                return 0
        case Sub(a, b):
            skip = trailing_zeros(b)
        case Neg(x):
            skip = trailing_zeros(x)
        case _:
            return 0
    return max(0, node.range.width - skip)


def node_delay(node: Node, delays: Delays) -> float:
    """Delay of one operation built in the plain way: ripple carry, balanced trees."""
    width = max((x.range.width for x in node.operands), default=0)
    match node:
        case Add() | Sub() | Neg():
            return delays.chain(adder_bits(node))
        case Compare(_, Const()) | Compare(Const(), _):
            return delays.chain(width)
        case Compare():
            return delays.chain(width)
        case Mul(a, b):
            rows = min(a.range.width, b.range.width)
            return delays.gate + rows.bit_length() * delays.chain(node.range.width)
        case Linear(terms, coefficients):
            digits = sum(abs(c).bit_count() for c in coefficients)
            return max(1, digits).bit_length() * delays.chain(node.range.width) if terms else 0.0
        case Relu():
            return delays.gate
        case Clamp():
            return delays.gate * 2 + delays.gate * width.bit_length()
        case Select() | And() | Or() | Xor():
            return delays.gate
        case Lookup():
            return delays.gate * width
        case FullAdder():
            return delays.first_bit
    return 0.0


def arrivals(circuit: Circuit, delay: DelayModel | None = None) -> dict[Node, float]:
    """When each node settles after the clock edge that feeds it, in order of the walk.

    A register and an input settle at zero; what a register must wait for is the arrival of its
    operand.
    """
    default = Delays()
    model = delay or (lambda node: node_delay(node, default))
    arrival: dict[Node, float] = {}
    for node in circuit.walk():
        if isinstance(node, Register):
            arrival[node] = 0.0
        else:
            arrival[node] = max((arrival[x] for x in node.operands), default=0.0) + model(node)
    return arrival
