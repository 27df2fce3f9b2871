"""Proves two circuits equal by algebra: both become the same linear forms over the same atoms.

Sums, differences, shifts and constant products are kept as integer linear forms; everything else
is an atom, named by its operation and the forms of its operands. Equal forms are equal functions,
so agreement is a proof for every input. Disagreement proves nothing: a SAT proof may follow.
It takes the time of reading the circuits, where SAT does not end on re-associated adders.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from flow.ir.circuit import Circuit
from flow.ir.interval import BIT, IntRange, twos_complement, unsigned
from flow.ir.nodes import (
    Add,
    And,
    Bits,
    Clamp,
    Compare,
    Concat,
    Const,
    FullAdder,
    Input,
    Linear,
    Lookup,
    Neg,
    Node,
    Or,
    Register,
    Relu,
    Select,
    Shl,
    Shr,
    Signed,
    Sub,
    Xor,
)
from flow.verify.bounds import Form, Shift, bounds

MAX_TERMS = 50_000_000
"""Terms that all forms of a circuit may have together; beyond, nothing is decided."""


def equal_by_algebra(before: Circuit, after: Circuit) -> bool:
    """Whether all outputs have the same forms: then the circuits are equal for every input.

    Registers count as wires. False where the forms differ or grow too large to compare.
    """
    for apart in (False, True):
        atoms = _Atoms(apart)
        sides = [_outputs(circuit, atoms) for circuit in (before, after)]
        if None not in sides and sides[0] == sides[1]:
            return True
    return False


@dataclass
class _Atoms:
    """Numbers and intervals of the atoms, shared between the circuits that are compared."""

    apart: bool = False
    """Whether inverted bits of a concat are those of its parts; neither way proves all that the
    other does."""
    numbers: dict[Hashable, int] = field(default_factory=dict)
    ranges: list[IntRange] = field(default_factory=list)
    keys: list[tuple[Any, ...]] = field(default_factory=list)
    hulls: dict[Form, IntRange] = field(default_factory=dict)

    def form(self, interval: IntRange, *key: Hashable) -> Form:
        """The form that is this atom alone."""
        if key not in self.numbers:
            self.numbers[key] = len(self.ranges)
            self.keys.append(key)
            self.ranges.append(interval)
        return 0, ((self.numbers[key], 1),)

    def hull(self, form: Form) -> IntRange:
        """The interval of a form, each atom taken once: tighter than that of nested sums."""
        found = self.hulls.get(form)
        if found is None:
            found = self.hulls[form] = bounds(form, self.ranges.__getitem__, self._shift)
        return found

    def _shift(self, atom: int) -> Shift | None:
        key = self.keys[atom]
        return (key[1], key[2]) if key[0] == "shr" else None


def _outputs(circuit: Circuit, atoms: _Atoms) -> list[tuple[str, list[Form]]] | None:
    forms: dict[Node, Form] = {}
    terms = 0
    for node in circuit.walk():
        match node:
            case Xor((Concat() | Bits(Concat())) as word, Const(mask)) if atoms.apart or isinstance(
                word, Concat
            ):
                forms[node] = _flipped_fields(_fields(word, forms, atoms), mask, atoms)
            case _:
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
            return atoms.form(node.range, "input", port, index)
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
        case Bits(x, low, width) if unsigned(low + width).covers(x.range):
            return _shifted(operands[0], low, atoms)
        case Bits(_, low, width):
            return _bits(operands[0], low, width, atoms)
        case Signed(x, width) if twos_complement(width).covers(x.range):
            return operands[0]
        case Signed(_, width):
            return _signed(operands[0], width, atoms)
        case Relu():
            return _clamped(operands[0], 0, None, atoms)
        case Clamp(_, lo, hi):
            return _clamped(operands[0], lo, hi, atoms)
        case Compare(a, Const(0), "eq") if BIT.covers(a.range):
            return _sum([(-1, operands[0])], 1)
        case Compare(_, _, relation):
            return _compared(operands[0], operands[1], relation, atoms)
        case Concat(_, widths):
            offsets = accumulate(widths, initial=0)
            total = _sum([(1 << k, x) for k, x in zip(offsets, operands, strict=False)], 0)
            width = sum(widths)
            return _congruent(total, width, unsigned(width), atoms) or total
        case FullAdder():
            return _sum([(1, x) for x in operands], 0)
        case Select():
            gap = _sum([(1, operands[1]), (-1, operands[2])], 0)
            if not gap[1]:
                return _sum([(gap[0], operands[0]), (1, operands[2])], 0)
            either = atoms.hull(operands[1]).hull(atoms.hull(operands[2]))
            return atoms.form(either, "select", *operands)
        case And(a, b) | Or(a, b) | Xor(a, b) if BIT.covers(a.range) and BIT.covers(b.range):
            return _bit_logic(node, operands[0], operands[1], atoms)
        case Xor(_, Const(mask)):
            return _flipped(operands[0], mask, atoms)
        case Xor(Const(mask), _):
            return _flipped(operands[1], mask, atoms)
        case Lookup(_, base, table):
            return _looked_up(operands[0], base, table, atoms)
        case _:
            return atoms.form(node.range, node.mnemonic, tuple(operands), node.attributes)


def _bits(x: Form, low: int, width: int, atoms: _Atoms) -> Form:
    """floor(x / 2**l) - 2**w floor(x / 2**(l+w)): the parts of a word add up to it again."""
    if unsigned(low + width).covers(atoms.hull(x)):
        return _shifted(x, low, atoms)
    above = _shifted(x, low + width, atoms)
    return _sum([(1, _shifted(x, low, atoms)), (-1 << width, above)], 0)


def _alone(x: Form) -> bool:
    """Whether the form is one atom."""
    return x[0] == 0 and len(x[1]) == 1 and x[1][0][1] == 1


def _signed(x: Form, width: int, atoms: _Atoms) -> Form:
    """x where it fits, or a form equal to x modulo 2**w that fits; else what is cut off is less"""
    found = _congruent(x, width, twos_complement(width), atoms)
    if found is not None:
        return found
    above = _shifted((x[0] + (1 << width - 1), x[1]), width, atoms)
    return _sum([(1, x), (-1 << width, above)], 0)


def _congruent(x: Form, width: int, every: IntRange, atoms: _Atoms) -> Form | None:
    """A form equal to x modulo 2**width whose interval lies in one of 2**width numbers.

    What lies there and is equal modulo 2**width is equal: the carries that adders of columns
    drop at the top are seen to be zero here.
    """
    half, full = 1 << (width - 1), 1 << width
    if every.covers(atoms.hull(x)):
        return x
    kept = tuple((atom, c) for atom, c in x[1] if c % full)
    near = tuple((atom, (c + half) % full - half) for atom, c in kept)
    for terms in dict.fromkeys((kept, near)):
        hull = atoms.hull((0, terms))
        least = every.lo - hull.lo
        constant = least + (x[0] - least) % full
        if constant + hull.hi <= every.hi:
            return constant, terms
    return None


def _flipped(x: Form, mask: int, atoms: _Atoms) -> Form:
    """x xor m: a run of w ones from bit l on turns the field f there into 2**w - 1 - f"""
    parts, constant = [(1, x)], 0
    while mask:
        low = (mask & -mask).bit_length() - 1
        width = (~(mask >> low) & (mask >> low) + 1).bit_length() - 1
        high = low + width
        parts.append((-2 << low, _shifted(x, low, atoms)))
        parts.append((2 << high, _shifted(x, high, atoms)))
        constant += (1 << high) - (1 << low)
        mask = mask >> high << high
    return _sum(parts, constant)


def _fields(word: Concat | Bits, forms: dict[Node, Form], atoms: _Atoms) -> list[tuple[Form, int]]:
    """The fields side by side, each with its width, of a concat or of some bits of one"""
    whole, low, high = word, 0, None
    if isinstance(word, Bits):
        assert isinstance(word.x, Concat)
        whole, low, high = word.x, word.low, word.low + word.width
    assert isinstance(whole, Concat)
    fields, at = [], 0
    for part, width in zip(whole.parts, whole.widths, strict=True):
        first = max(low - at, 0)
        end = width if high is None else min(high - at, width)
        if first < end:
            fields.append((_bits(forms[part], first, end - first, atoms), end - first))
        at += width
    return fields


def _flipped_fields(fields: list[tuple[Form, int]], mask: int, atoms: _Atoms) -> Form:
    """Fields side by side xor m: each with its own bits of m, and m alone above them"""
    total: list[tuple[int, Form]] = []
    at = 0
    for x, width in fields:
        total.append((1 << at, _flipped(x, mask >> at & (1 << width) - 1, atoms)))
        at += width
    return _sum(total, mask >> at << at)


def _looked_up(x: Form, base: int, table: tuple[int, ...], atoms: _Atoms) -> Form:
    """A table as its first entry and, up to its sign, the differences from that one."""
    first = table[0]
    steps = [t - first for t in table]
    sign = -1 if next((t for t in steps if t), 0) < 0 else 1
    entries = tuple(sign * t for t in steps)
    atom = atoms.form(IntRange(min(entries), max(entries)), "lookup", x, base, entries)
    return _sum([(sign, atom)], first)


def _bit_logic(node: Node, a: Form, b: Form, atoms: _Atoms) -> Form:
    """a xor b = a + b - 2 (a and b); a or b = a + b - (a and b), on bits"""
    if a == b:
        both = a
    elif (0, ()) in (a, b):
        both = (0, ())
    elif (1, ()) in (a, b):
        both = b if a == (1, ()) else a
    else:
        both = atoms.form(BIT, "and", *sorted((a, b)))
    match node:
        case And():
            return both
        case Xor():
            return _sum([(1, a), (1, b), (-2, both)], 0)
        case _:
            return _sum([(1, a), (1, b), (-1, both)], 0)


def _sum(parts: list[tuple[int, Form]], constant: int) -> Form:
    total: dict[int, int] = {}
    for factor, (offset, terms) in parts:
        constant += factor * offset
        for atom, coefficient in terms:
            total[atom] = total.get(atom, 0) + factor * coefficient
    return constant, tuple(sorted((atom, c) for atom, c in total.items() if c))


def _shifted(x: Form, amount: int, atoms: _Atoms) -> Form:
    """floor((2**k q + r) / 2**k) = q + floor(r / 2**k), with 0 <= coefficients of r < 2**k"""
    whole = atoms.hull(x)
    if whole.lo >> amount == whole.hi >> amount:
        return whole.lo >> amount, ()
    rectified = _rounded(x, amount, atoms)
    if rectified is not None:
        return _shifted(rectified, amount, atoms)
    # Above the widest value every bit is the sign.
    amount = min(amount, max(whole.hi, ~whole.lo, 0).bit_length())
    q = x[0] >> amount, tuple((atom, c >> amount) for atom, c in x[1] if c >> amount)
    r = _modulo(x, amount)
    hull = atoms.hull(r)
    lo, hi = hull.lo >> amount, hull.hi >> amount
    sign = max(hull.hi, ~hull.lo, 0).bit_length()
    if lo == hi:
        rest: Form = lo, ()
    elif len(r[1]) == 1 and r[1][0][1] == 1 and atoms.keys[r[1][0][0]][0] == "shr":
        # floor((floor(y / 2**a) + c) / 2**b) = floor((y + c 2**a) / 2**(a+b))
        _, y, before = atoms.keys[r[1][0][0]]
        rest = _shifted(_sum([(1, y)], r[0] << before), before + amount, atoms)
    elif sign < amount:
        rest = _shifted(r, sign, atoms)
    else:
        rest = atoms.form(IntRange(lo, hi), "shr", r, amount)
    return _sum([(1, q), (1, rest)], 0)


def _rounded(x: Form, amount: int, atoms: _Atoms) -> Form | None:
    """floor((c relu(y) + h) / 2**k) = floor(relu(c y + h) / 2**k), where c > 0 and 0 < h < 2**k"""
    if not 0 < x[0] < 1 << amount or len(x[1]) != 1:
        return None
    ((atom, factor),) = x[1]
    kind, *key = atoms.keys[atom]
    if kind != "clamp" or key[1:] != [0, None] or factor < 0:
        return None
    return _clamped(_sum([(factor, key[0])], x[0]), 0, None, atoms)


def _modulo(x: Form, width: int) -> Form:
    """The form with every coefficient modulo 2**width."""
    mask = (1 << width) - 1
    return x[0] & mask, tuple((atom, c & mask) for atom, c in x[1] if c & mask)


def _clamped(x: Form, lo: int, hi: int | None, atoms: _Atoms) -> Form:
    """A bound that the interval keeps anyway is no part of the atom."""
    hull = atoms.hull(x)
    low = lo if hull.lo < lo else None
    high = hi if hi is not None and hull.hi > hi else None
    if low is None and high is None:
        return x
    bottom = hull.lo if low is None else max(hull.lo, low)
    top = max(hull.hi, bottom) if high is None else max(min(hull.hi, high), bottom)
    return atoms.form(IntRange(min(bottom, top), top), "clamp", x, low, high)


def _compared(a: Form, b: Form, relation: str, atoms: _Atoms) -> Form:
    """a < b and a <= b as: some form is negative; a = b as: a form with first sign + is zero"""
    d = _sum([(1, a), (-1, b)], 0)
    if relation == "lt" and _alone(d):
        hull = atoms.hull(d)  # The sign is the bit above the widest value.
        width = max(hull.hi, ~hull.lo, 0).bit_length()
        return _sum([(-1, _shifted(d, width, atoms))], 0)
    if relation in ("lt", "le"):
        return atoms.form(BIT, "negative", d if relation == "lt" else (d[0] - 1, d[1]))
    if d[1] and d[1][0][1] < 0:
        d = _sum([(-1, d)], 0)
    zero = atoms.form(BIT, "zero", d)
    return zero if relation == "eq" else _sum([(-1, zero)], 1)
