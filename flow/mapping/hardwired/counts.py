"""How many cells a hardwired neuron has, from its base alone, however large it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flow.mapping.hardwired.bits import Kind
from flow.mapping.hardwired.neuron import Base


def cell_counts(base: Base) -> dict[Kind, int]:
    """What `hardwired(base).counts()` is, without building it."""
    parts: dict[int, list[int]] = {1: []}
    for magnitude, ports in zip(base.magnitudes, base.ports, strict=True):
        if ports:
            place = (magnitude & -magnitude).bit_length() - 1
            _put(parts.setdefault(magnitude >> place, []), place, ports)
    whole = parts.pop(1)
    full = half = 0
    for odd in sorted(parts):
        word, fulls, halves = _total(parts[odd])
        full, half = full + fulls, half + halves
        for place in (k for k, bit in enumerate(word) if bit):
            for more in range(odd.bit_length()):
                if odd >> more & 1:
                    _put(whole, place + more, 1)
    plane, fulls, halves = _total(whole)
    kept = base.width + 1
    found: dict[Kind, int] = {
        "andnot": kept, "dff": kept + base.bits - 1, "fa": full + fulls + kept + 1,
        "ha": half + halves, "or": kept, "xor": sum(plane[: kept + 1]),
    }  # fmt: skip
    return {kind: count for kind, count in found.items() if count}


def typical_base(inputs: int, neurons: int, bits: int, magnitudes: tuple[int, ...]) -> Base:
    """The base of an array whose weights are drawn evenly from the sixteen codes of FP4, where two
    are zero: the fullest neuron sizes each region. Seeded, so equal sizes give equal bases."""
    share = np.full(len(magnitudes) + 1, 1 / (len(magnitudes) + 1))
    most = np.zeros(len(share), np.int64)
    rng = np.random.default_rng(1)
    for first in range(0, neurons, 1 << 16):
        drawn = rng.multinomial(inputs, share, size=min(1 << 16, neurons - first))
        most = np.maximum(most, drawn.max(axis=0))
    return Base(tuple(most[1:].tolist()), bits, magnitudes)


def _total(heights: Sequence[int]) -> tuple[list[int], int, int]:
    """Of columns of so many bits: the places of their sum that can be 1, full and half adders."""
    rest = list(heights)
    word, full, half = [], 0, 0
    place = 0
    while place < len(rest):
        fulls, halves = max(0, rest[place] - 1) // 2, int(rest[place] > 0 and rest[place] % 2 == 0)
        if fulls + halves:
            _put(rest, place + 1, fulls + halves)
        word.append(int(rest[place] > 0))
        full, half = full + fulls, half + halves
        place += 1
    return word, full, half


def _put(columns: list[int], place: int, count: int) -> None:
    columns.extend([0] * (place + 1 - len(columns)))
    columns[place] += count
