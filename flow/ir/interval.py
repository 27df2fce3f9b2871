"""Closed integer intervals: the one source of the width and the sign of every wire."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from flow.errors import IRError


@dataclass(frozen=True, slots=True, init=False)
class IntRange:
    """Closed interval of integers. The width and the sign of a wire follow from it."""

    lo: int
    hi: int

    def __init__(self, lo: int, hi: int) -> None:
        if lo > hi:
            raise IRError(f"range [{lo}, {hi}] is empty")
        _SET_LO(self, lo)
        _SET_HI(self, hi)

    def __contains__(self, value: int) -> bool:
        return self.lo <= value <= self.hi

    def __str__(self) -> str:
        return f"[{self.lo}, {self.hi}]"

    @property
    def signed(self) -> bool:
        """Whether a negative value is possible."""
        return self.lo < 0

    @property
    def width(self) -> int:
        """Bits of the narrowest wire that holds every value; 0 if the only value is 0."""
        lo, hi = self.lo, self.hi
        if lo < 0:
            return (hi if hi > ~lo else ~lo).bit_length() + 1
        return hi.bit_length()

    @property
    def count(self) -> int:
        """Number of values in the interval."""
        return self.hi - self.lo + 1

    def covers(self, other: IntRange) -> bool:
        """Whether every value of `other` lies in this interval."""
        return self.lo <= other.lo and other.hi <= self.hi

    def hull(self, other: IntRange) -> IntRange:
        """The smallest interval that covers both."""
        return IntRange(min(self.lo, other.lo), max(self.hi, other.hi))


# What writes a field of an immutable interval once, in half the time of the usual way.
_SET_LO = IntRange.__dict__["lo"].__set__
_SET_HI = IntRange.__dict__["hi"].__set__


@cache
def unsigned(width: int) -> IntRange:
    """Every value of an unsigned wire of `width` bits."""
    return IntRange(0, (1 << width) - 1)


BIT = unsigned(1)


def twos_complement(width: int) -> IntRange:
    """Every value of a signed wire of `width` bits."""
    return IntRange(-(1 << (width - 1)), (1 << (width - 1)) - 1)
