"""Proves two circuits equal by algebra: both become the same linear forms over the same atoms.

Sums, differences, shifts and constant products are kept as integer linear forms; everything else
is an atom, named by its operation and the forms of its operands. Equal forms are equal functions,
so agreement is a proof for every input. Disagreement proves nothing: a SAT proof may follow.
It takes the time of reading the circuits, where SAT does not end on re-associated adders.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from flow.ir.circuit import Circuit
from flow.ir.nodes import (
    Add,
    Bits,
    Clamp,
    Compare,
    Const,
    Input,
    Linear,
    Neg,
    Node,
    Register,
    Relu,
    Select,
    Shl,
    Shr,
    Signed,
    Sub,
)

Form = tuple[int, tuple[tuple[int, int], ...]]
"""A constant, and (atom, coefficient) for each atom of a sum, in order of atoms."""

MAX_TERMS = 50_000_000
"""Terms that all forms of a circuit may have together; beyond, nothing is decided."""


def equal_by_algebra(before: Circuit, after: Circuit) -> bool:
    """Whether all outputs have the same forms: then the circuits are equal for every input.

    Registers count as wires. False where the forms differ or grow too large to compare.
    """
    atoms = _Atoms()
    sides = [_outputs(circuit, atoms) for circuit in (before, after)]
    return None not in sides and sides[0] == sides[1]


@dataclass
class _Atoms:
    """Numbers for the atoms, shared between the circuits that are compared."""

    numbers: dict[Hashable, int] = field(default_factory=dict)

    def form(self, *key: Hashable) -> Form:
        """The form that is this atom alone."""
        return 0, ((self.numbers.setdefault(key, len(self.numbers)), 1),)


def _outputs(circuit: Circuit, atoms: _Atoms) -> list[tuple[str, list[Form]]] | None:
    forms: dict[Node, Form] = {}
    terms = 0
    for node in circuit.walk():
        forms[node] = _form(node, [forms[x] for x in node.operands], atoms)
        terms += len(forms[node][1])
        if terms > MAX_TERMS:
            return None
    return [(port.name, [forms[lane] for lane in port.lanes]) for port in circuit.outputs]


def _form(node: Node, operands: list[Form], atoms: _Atoms) -> Form:
    if node.range.lo == node.range.hi:
        return node.range.lo, ()
    match node:
        case Input(port, index):
            return atoms.form("input", port, index)
        case Const(value):
            return value, ()
        case Register():
            return operands[0]
        case Add():
            return _sum([(1, operands[0]), (1, operands[1])], 0)
        case Sub():
            return _sum([(1, operands[0]), (-1, operands[1])], 0)
        case Neg():
            return _sum([(-1, operands[0])], 0)
        case Shl(_, amount):
            return _sum([(1 << amount, operands[0])], 0)
        case Linear(_, coefficients, bias):
            return _sum(list(zip(coefficients, operands, strict=True)), bias)
        case Shr(_, amount):
            return _shifted(operands[0], amount, atoms)
        case Bits(x, low, width) if x.range.lo >= 0 and x.range.hi >> (low + width) == 0:
            return _shifted(operands[0], low, atoms)
        case Bits(_, low, width):
            return atoms.form("bits", _modulo(operands[0], low + width), low, width)
        case Signed(x, width) if node.range == x.range:
            return operands[0]
        case Signed(_, width):
            return atoms.form("signed", _modulo(operands[0], width), width)
        case Relu(x):
            return _clamped(x, operands[0], 0, None, atoms)
        case Clamp(x, lo, hi):
            return _clamped(x, operands[0], lo, hi, atoms)
        case Compare(_, _, relation):
            return _compared(operands[0], operands[1], relation, atoms)
        case Select():
            if operands[1] == operands[2]:
                return operands[1]
            return atoms.form("select", *operands)
        case _:
            return atoms.form(node.mnemonic, tuple(operands), node.attributes)


def _sum(parts: list[tuple[int, Form]], constant: int) -> Form:
    total: dict[int, int] = {}
    for factor, (offset, terms) in parts:
        constant += factor * offset
        for atom, coefficient in terms:
            total[atom] = total.get(atom, 0) + factor * coefficient
    return constant, tuple(sorted((atom, c) for atom, c in total.items() if c))


def _shifted(x: Form, amount: int, atoms: _Atoms) -> Form:
    """floor((2**k q + r) / 2**k) = q + floor(r / 2**k), with 0 <= coefficients of r < 2**k"""
    q = x[0] >> amount, tuple((atom, c >> amount) for atom, c in x[1] if c >> amount)
    r = _modulo(x, amount)
    rest = (0, ()) if r == (0, ()) else atoms.form("shr", r, amount)
    return _sum([(1, q), (1, rest)], 0)


def _modulo(x: Form, width: int) -> Form:
    """The form with every coefficient modulo 2**width."""
    mask = (1 << width) - 1
    return x[0] & mask, tuple((atom, c & mask) for atom, c in x[1] if c & mask)


def _clamped(x: Node, form: Form, lo: int, hi: int | None, atoms: _Atoms) -> Form:
    """A bound that the interval keeps anyway is no part of the atom."""
    low = lo if x.range.lo < lo else None
    high = hi if hi is not None and x.range.hi > hi else None
    if low is None and high is None:
        return form
    return atoms.form("clamp", form, low, high)


def _compared(a: Form, b: Form, relation: str, atoms: _Atoms) -> Form:
    """a < b and a <= b as: some form is negative; a = b as: a form with first sign + is zero"""
    d = _sum([(1, a), (-1, b)], 0)
    if relation in ("lt", "le"):
        return atoms.form("negative", d if relation == "lt" else (d[0] - 1, d[1]))
    if d[1] and d[1][0][1] < 0:
        d = _sum([(-1, d)], 0)
    zero = atoms.form("zero", d)
    return zero if relation == "eq" else _sum([(-1, zero)], 1)
