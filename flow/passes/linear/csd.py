"""Signed-digit representation of integers."""

from __future__ import annotations


def csd(value: int) -> tuple[tuple[int, int], ...]:
    """The canonical signed digits (position, +1 or -1) of an integer, the lowest first.

    No two are neighbours and no other signed-digit form has fewer: G. W. Reitwiesner, "Binary
    Arithmetic", Advances in Computers 1 (1960).
    """
    digits, position, rest = [], 0, value
    while rest:
        zeros = (rest & -rest).bit_length() - 1
        position, rest = position + zeros, rest >> zeros
        digit = 2 - (rest & 3)  # 1 where ...01, -1 where ...11
        digits.append((position, digit))
        rest -= digit
    return tuple(digits)


def digit_count(value: int) -> int:
    """Number of nonzero canonical signed digits."""
    return (value ^ (3 * value)).bit_count() if value >= 0 else digit_count(-value)
