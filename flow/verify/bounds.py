"""Intervals of integer linear forms, some of whose atoms are shifts of other forms.

A shift s = floor(r / 2**k) leaves t = r - 2**k s, which lies in 0 .. 2**k - 1. Any multiple of
r - 2**k s - t is zero, and added to a form it lets r and s cancel others: so parts of a word are
seen to belong together. What is left of the form, atom by atom, bounds it from both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from flow.ir.interval import IntRange

Form = tuple[int, tuple[tuple[int, int], ...]]
"""A constant, and (atom, coefficient) for each atom of a sum, in order of atoms."""

Shift = tuple[Form, int]
"""What is shifted to the right, and by how much; its atoms are older than the shift."""

MAX_SHIFTS = 12
"""Shifts that are looked at to bound a form: more cost much time and show little."""

MAX_ATOMS = 32
"""Atoms that a form may have to be looked at closer."""


def bounds(
    form: Form, range_of: Callable[[int], IntRange], shift_of: Callable[[int], Shift | None]
) -> IntRange:
    """An interval in which the form lies, given the intervals of its atoms."""
    first = _Sum(form[0], dict(form[1]), 0, 0, 1)
    lo, hi = first.ends(range_of)
    for cautious in (False, True):
        total = first
        seen: set[int] = set()
        while len(seen) < MAX_SHIFTS and len(total.terms) <= MAX_ATOMS:
            newest = max((x for x in total.terms if x not in seen and shift_of(x)), default=None)
            shift = None if newest is None else shift_of(newest)
            if newest is None or shift is None:
                break
            seen.add(newest)
            without = total.plus(newest, shift, *_to_cancel(total.terms[newest], 1 << shift[1]))
            if cautious:
                choices = [total, without, *_shorter(total, newest, shift, range_of)]
                total = min(choices, key=lambda x: x.span(range_of))
            else:
                total = without
            least, most = total.ends(range_of)
            lo, hi = max(lo, least), min(hi, most)
    return IntRange(lo, hi)


@dataclass(frozen=True, slots=True)
class _Sum:
    """A number of which `scale` times is constant + terms + something in `less` .. `more`."""

    constant: int
    terms: Mapping[int, int]
    less: int
    more: int
    scale: int

    def plus(self, atom: int, shift: Shift, up: int, down: int) -> _Sum:
        """The same number, with up / down times r - 2**k s - t added."""
        (offset, inner), amount = shift
        terms = {x: c * down for x, c in self.terms.items()}
        for x, c in (*inner, (atom, -(1 << amount))):
            terms[x] = terms.get(x, 0) + up * c
        rest = -up * ((1 << amount) - 1)
        return _Sum(
            self.constant * down + up * offset,
            {x: c for x, c in terms.items() if c},
            self.less * down + min(0, rest),
            self.more * down + max(0, rest),
            self.scale * down,
        )

    def scaled_ends(self, range_of: Callable[[int], IntRange]) -> tuple[int, int]:
        lo, hi = self.constant + self.less, self.constant + self.more
        for atom, c in self.terms.items():
            r = range_of(atom)
            lo += c * (r.lo if c > 0 else r.hi)
            hi += c * (r.hi if c > 0 else r.lo)
        return lo, hi

    def ends(self, range_of: Callable[[int], IntRange]) -> tuple[int, int]:
        """The least and the greatest integer that the number may be."""
        lo, hi = self.scaled_ends(range_of)
        return -(-lo // self.scale), hi // self.scale

    def span(self, range_of: Callable[[int], IntRange]) -> Fraction:
        lo, hi = self.scaled_ends(range_of)
        return Fraction(hi - lo, self.scale)


def _to_cancel(coefficient: int, of: int) -> tuple[int, int]:
    """How often, up / down with down > 0, `of` must be taken away to cancel a coefficient."""
    common = gcd(coefficient, of)
    up, down = coefficient // common, of // common
    return (up, down) if down > 0 else (-up, -down)


def _shorter(
    total: _Sum, atom: int, shift: Shift, range_of: Callable[[int], IntRange]
) -> list[_Sum]:
    """The sum without the term of r that moves it most; the shift itself stays in."""
    shared = [(x, c) for x, c in shift[0][1] if x in total.terms]
    if not shared:
        return []
    x, c = max(
        shared,
        key=lambda term: abs(total.terms[term[0]]) * (range_of(term[0]).hi - range_of(term[0]).lo),
    )
    return [total.plus(atom, shift, *_to_cancel(total.terms[x], -c))]
