"""Signed-digit representation of integers."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
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


@lru_cache(maxsize=4096)
def minimal_forms(value: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Every signed-digit form with as few digits as the canonical one, and no longer, which is
    the first: R. I. Hartley, IEEE Trans. Circuits and Systems II 43 (1996), counts on one."""
    found: list[tuple[tuple[int, int], ...]] = []
    stack: list[tuple[int, int, int, tuple[tuple[int, int], ...]]] = [
        (value, 0, digit_count(value), ())
    ]
    top = abs(value).bit_length()
    while stack:
        rest, place, left, digits = stack.pop()
        if not rest:
            found.append(digits)
        elif rest & 1 == 0:
            stack.append((rest >> 1, place + 1, left, digits))
        elif left and place <= top:
            for digit in (1, -1):
                longer = (*digits, (place, digit))
                stack.append(((rest - digit) >> 1, place + 1, left - 1, longer))
    canonical = csd(value)
    return (canonical, *sorted(form for form in found if form != canonical))


def digit_count(value: int) -> int:
    """Number of nonzero canonical signed digits."""
    return (value ^ (3 * value)).bit_count() if value >= 0 else digit_count(-value)
