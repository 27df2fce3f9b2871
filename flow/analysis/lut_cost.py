"""An estimate of the look-up tables of a circuit before any mapping: what a schedule is chosen by.

One table for a place of an addition; for a product one for each place of each row of the narrower
operand; multiplexers of four inputs to a table of six; a table of more than six inputs takes as
many of six as its entries fill. Nothing is merged, so it is an upper bound where logic is packed.
"""

from __future__ import annotations

from flow.analysis.cost import adder_bits
from flow.ir.circuit import Circuit
from flow.ir.nodes import (
    And,
    Clamp,
    Compare,
    Const,
    FullAdder,
    Linear,
    Lookup,
    Mul,
    Node,
    Or,
    Relu,
    Select,
    Xor,
)


def lut_estimate(circuit: Circuit, inputs: int = 6) -> float:
    """Look-up tables of a circuit in a family whose tables have so many inputs."""
    return sum(_tables(node, inputs) for node in circuit.walk())


def _tables(node: Node, inputs: int) -> float:
    width = node.range.width
    match node:
        case Mul(a, b):
            return float(a.range.width * b.range.width)
        case Select():
            # A table of six selects among four, so two levels of choice share one.
            return width / 2 if inputs == 6 else width
        case Lookup(x):
            bits = x.range.width
            return width * max(0.5, 2.0 ** (bits - inputs))
        case Compare():
            return max(x.range.width for x in node.operands) / 2
        case Relu() | Clamp():
            return float(width)
        case And() | Or() | Xor():
            return 0.0 if any(isinstance(x, Const) for x in node.operands) else width / 2
        case FullAdder():
            return 2.0
        case Linear(terms, coefficients):
            digits = sum(abs(c).bit_count() for c in coefficients)
            return float(max(0, digits - 1) * width) if terms else 0.0
    return float(adder_bits(node))
