"""The neighbours of a genome: every small change that may make its circuit smaller."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from flow.ir.tensor import IntArray
from flow.search.space import Field, Space

STEPS = (1, 2, 4, 8, 16)
"""By how much a bias is moved."""

Change = tuple[tuple[int, int], ...]
"""Places of genes with their new values."""


def neighbours(space: Space, genome: IntArray) -> IntArray:
    """Genomes (P, genes) int32 within the bounds, a change each away from a genome (genes,).

    A mask loses or gains a bit, a connection goes, a weight is halved or doubled, a bias moves or
    loses digits, a window shrinks or moves, a neuron dies, the decision compares other bits.
    Where a mask loses its lowest bit, the bias may move by what that bit was worth.
    """
    base = space.canonical(genome)[0].astype(np.int64)
    changes = [
        change
        for change in _changes(space, base)
        if all(space.lower[place] <= value <= space.upper[place] for place, value in change)
    ]
    result = np.repeat(base[None], len(changes), axis=0)
    for row, change in enumerate(changes):
        for place, value in change:
            result[row, place] = value
    return result.astype(np.int32)


def _changes(space: Space, genome: IntArray) -> Iterator[Change]:
    by_layer: dict[int, dict[str, Field]] = {}
    for f in space.fields:
        by_layer.setdefault(f.layer, {})[f.name] = f
    for fields in by_layer.values():
        if "masks" not in fields:
            yield from _decision(genome, fields)
            continue
        dead = _dead(genome, fields)
        yield from _connections(genome, fields, dead)
        yield from _neurons(genome, fields, dead)


def _dead(genome: IntArray, fields: dict[str, Field]) -> IntArray:
    """Which neurons of a layer do not live."""
    alive = fields.get("alive")
    if alive is None:
        return np.zeros(fields["bias"].size, dtype=bool)
    dead: IntArray = genome[alive.start : alive.stop] == 0
    return dead


def _connections(genome: IntArray, fields: dict[str, Field], dead: IntArray) -> Iterator[Change]:
    masks, powers, bias = fields["masks"], fields["powers"], fields["bias"]
    sources = masks.shape[1]
    width = int(masks.upper).bit_length()
    for k in np.flatnonzero(genome[masks.start : masks.stop]).tolist():
        if dead[k // sources]:
            continue
        place, power, base = masks.start + k, powers.start + k, bias.start + k // sources
        mask, exponent = int(genome[place]), int(genome[power])
        size = ~exponent if exponent < 0 else exponent
        yield ((place, 0),)
        for bit in range(width):
            yield ((place, mask ^ 1 << bit),)
        low = mask & -mask
        worth = low << size
        for step in {worth, max(1, worth // 2)}:
            for sign in (-1, 1):
                yield ((place, mask ^ low), (base, int(genome[base]) + sign * step))
        for other in (size - 1, size + 1):
            if other >= 0:
                yield ((power, ~other if exponent < 0 else other),)


def _neurons(genome: IntArray, fields: dict[str, Field], dead: IntArray) -> Iterator[Change]:
    bias = fields["bias"]
    for j in range(bias.size):
        if dead[j]:
            continue
        place = bias.start + j
        value = int(genome[place])
        found = [value + sign * step for step in STEPS for sign in (-1, 1)]
        if low := value & -value:
            found += [value - low, value + low]
        yield from (((place, new),) for new in dict.fromkeys(found))
        if "bits" not in fields:
            continue
        bits, shifts = fields["bits"].start + j, fields["shifts"].start + j
        for step in (-1, 1):
            yield ((bits, int(genome[bits]) + step),)
            yield ((shifts, int(genome[shifts]) + step),)
            yield ((bits, int(genome[bits]) - step), (shifts, int(genome[shifts]) + step))
        yield ((fields["alive"].start + j, 0),)


def _decision(genome: IntArray, fields: dict[str, Field]) -> Iterator[Change]:
    order, ignored = fields["order"], fields["ignored"]
    keys = genome[order.start : order.stop].tolist()
    for i in range(len(keys)):
        for j in range(i):
            yield ((order.start + i, keys[j]), (order.start + j, keys[i]))
    for place in range(ignored.start, ignored.stop):
        value = int(genome[place])
        for bit in range(int(ignored.upper).bit_length()):
            yield ((place, value ^ 1 << bit),)
        run = (value + 1) & ~value
        yield ((place, value | run),)
