"""Byte pair encoding itself: neighbours merge by rank until no pair has one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush

Rank = Callable[[int, int], tuple[float, int] | None]
"""The rank of a pair and the token it merges into, or None; the lowest rank merges first."""


def merged(symbols: Iterable[int], rank: Rank) -> list[int]:
    """The tokens after all merges, the leftmost of equal ranks first, in n log n steps.

    R. Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016.
    """
    tokens: list[int | None] = [*symbols]
    after = list(range(1, len(tokens) + 1))
    before = list(range(-1, len(tokens) - 1))
    merges: list[tuple[float, int, int, int, int]] = []

    def offer(left: int, right: int) -> None:
        if left < 0 or right >= len(tokens):
            return
        one, other = tokens[left], tokens[right]
        assert one is not None
        assert other is not None
        if (found := rank(one, other)) is not None:
            heappush(merges, (found[0], left, one, other, found[1]))

    for left in range(len(tokens) - 1):
        offer(left, left + 1)
    while merges:
        _, left, one, other, made = heappop(merges)
        right = after[left]
        if tokens[left] != one or right >= len(tokens) or tokens[right] != other:
            continue
        tokens[left], tokens[right] = made, None
        after[left] = after[right]
        if after[left] < len(tokens):
            before[after[left]] = left
        offer(before[left], left)
        offer(left, after[left])
    return [token for token in tokens if token is not None]
