"""Children of genomes: neurons and connections of two parents, then a few small changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray
from flow.search.space import Field, Space

CROSSED = 0.35
"""Share of children that have two parents."""
ANOTHER = 0.45
"""Probability of one more change after each change."""
MOST = 16
"""Changes of a child at most."""
LIVING = 0.6
"""Share of changed connections that are drawn among those that exist."""
WEIGHTS: Mapping[str, float] = {
    "masks": 0.24, "move": 0.08, "fold": 0.12, "join": 0.08, "invert": 0.04, "hand": 0.05,
    "powers": 0.14, "bias": 0.22, "shifts": 0.04, "bits": 0.04, "alive": 0.02, "order": 0.03,
    "ignored": 0.06,
}  # fmt: skip
"""How often each kind of gene is changed; the layer is drawn first."""


def children(
    space: Space, mothers: IntArray, fathers: IntArray, rng: np.random.Generator
) -> IntArray:
    """A child (P, genes) of each pair of genomes, within the bounds of the space."""
    born = crossed(space, mothers, fathers, rng)
    return mutated(space, born, rng)


def crossed(
    space: Space, mothers: IntArray, fathers: IntArray, rng: np.random.Generator
) -> IntArray:
    """A part of the children takes whole neurons from either parent, a part single connections;
    mask and weight of a connection stay together."""
    born = mothers.copy()
    draw = rng.random(len(mothers))
    share = rng.uniform(0.1, 0.5, size=len(mothers))
    for rows, single in (
        (np.flatnonzero(draw < CROSSED / 2), False),
        (np.flatnonzero((draw >= CROSSED / 2) & (draw < CROSSED)), True),
    ):
        for layer in range(space.depth + 1):
            fields = [f for f in space.fields if f.layer == layer]
            if not fields or not len(rows):
                continue
            width = max(f.size // f.shape[0] for f in fields) if single else 1
            key = rng.random((len(rows), fields[0].shape[0], width), dtype=np.float32)
            choice = key < share[rows, None, None]
            for f in fields:
                taken = _fit(choice, f.shape[0], f.size // f.shape[0]).reshape(len(rows), -1)
                row, gene = np.nonzero(taken)
                born[rows[row], f.start + gene] = fathers[rows[row], f.start + gene]
    return born


def _fit(taken: NDArray[np.bool_], rows: int, columns: int) -> NDArray[np.bool_]:
    """The choices for a field of so many rows and columns; the last field has a row less."""
    shape = (taken.shape[0], rows, columns)
    return np.broadcast_to(taken[:, :rows, :columns], shape)


def mutated(space: Space, genomes: IntArray, rng: np.random.Generator) -> IntArray:
    """The genomes with one or more changes each; their number falls off geometrically."""
    result = genomes.copy()
    changes = np.minimum(rng.geometric(1 - ANOTHER, size=len(genomes)), MOST)
    layers = [_plan(space, layer) for layer in range(space.depth + 1)]
    layers = [plan for plan in layers if plan]
    for number in range(int(changes.max(initial=0))):
        rows = np.flatnonzero(changes > number)
        layer = rng.integers(0, len(layers), size=len(rows))
        draw = rng.random(len(rows))
        for place, plan in enumerate(layers):
            here = layer == place
            start = 0.0
            total = sum(WEIGHTS[name] for name, _ in plan)
            for name, f in plan:
                end = start + WEIGHTS[name] / total
                chosen = rows[here & (draw >= start) & (draw < end)]
                start = end
                if len(chosen):
                    _CHANGES[name](result, chosen, f, rng)
    return np.clip(result, space.lower, space.upper).astype(genomes.dtype)


def _plan(space: Space, layer: int) -> list[tuple[str, Field]]:
    fields = [(f.name, f) for f in space.fields if f.layer == layer]
    masks = next((f for name, f in fields if name == "masks"), None)
    if masks is None:
        return fields
    kinds = ["fold", "join", "invert"]
    kinds += ["move"] if masks.shape[1] > 1 else []
    kinds += ["hand"] if masks.shape[0] > 1 else []
    return fields + [(kind, masks) for kind in kinds]


def _connection(
    genomes: IntArray, rows: IntArray, f: Field, rng: np.random.Generator, living: float
) -> IntArray:
    """The place of a connection for each row, a part of them drawn among those that exist."""
    places: IntArray = rng.integers(0, f.size, size=len(rows))
    among = rng.random(len(rows)) < living
    draw = rng.random(len(rows))
    there = genomes[rows, f.start : f.stop] != 0
    order = np.cumsum(there, axis=1, dtype=np.int32)
    count = order[:, -1]
    wanted = (draw * count).astype(np.int32)
    found = np.argmax(order > wanted[:, None], axis=1)
    places = f.start + np.where(among & (count > 0), found, places)
    return places


def _masks(genomes: IntArray, rows: IntArray, f: Field, rng: np.random.Generator) -> None:
    """Flip a bit, take a run of the highest bits, or cut the connection."""
    places = _connection(genomes, rows, f, rng, LIVING)
    width = int(f.upper).bit_length()
    old = genomes[rows, places]
    flipped = old ^ (1 << rng.integers(0, width, size=len(rows)))
    run = f.upper & ~((1 << rng.integers(0, width, size=len(rows))) - 1)
    kind = rng.random(len(rows))
    new = np.where(kind < 0.5, flipped, np.where(kind < 0.75, run, 0))
    genomes[rows, places] = new


def _move(genomes: IntArray, rows: IntArray, f: Field, rng: np.random.Generator) -> None:
    """A connection reads another source of the same neuron."""
    places = _connection(genomes, rows, f, rng, 1.0)
    sources = f.shape[1]
    neuron = (places - f.start) // sources
    other = f.start + neuron * sources + rng.integers(0, sources, size=len(rows))
    held = genomes[rows, places]
    genomes[rows, places] = genomes[rows, other]
    genomes[rows, other] = held
    powers = f.size  # The powers lie right behind the masks, in the same order.
    held = genomes[rows, places + powers]
    genomes[rows, places + powers] = genomes[rows, other + powers]
    genomes[rows, other + powers] = held


def _hand(genomes: IntArray, rows: IntArray, f: Field, rng: np.random.Generator) -> None:
    """Another neuron reads the source instead: a vote goes to another class."""
    places = _connection(genomes, rows, f, rng, 1.0)
    neurons, sources = f.shape
    other = f.start + (
        rng.integers(0, neurons, size=len(rows)) * sources + (places - f.start) % sources
    )
    for shift in (0, f.size):
        held = genomes[rows, places + shift]
        genomes[rows, places + shift] = genomes[rows, other + shift]
        genomes[rows, other + shift] = held


def _bias_of(f: Field, places: IntArray) -> IntArray:
    """The places of the biases of connections: behind all masks and powers of the layer."""
    result: IntArray = f.start + 2 * f.size + (places - f.start) // f.shape[1]
    return result


def _weight(genomes: IntArray, rows: IntArray, places: IntArray, f: Field) -> IntArray:
    """What connections add where all of their bits are 1."""
    power = genomes[rows, places + f.size].astype(np.int64)
    size = genomes[rows, places].astype(np.int64) << np.where(power < 0, ~power, power)
    weight: IntArray = np.where(power < 0, -size, size)
    return weight


def _fold(genomes: IntArray, rows: IntArray, f: Field, rng: np.random.Generator) -> None:
    """A connection becomes the constant that it is at its largest, or its least: a conjunction
    stays one, with a condition less."""
    places = _connection(genomes, rows, f, rng, 1.0)
    weight = _weight(genomes, rows, places, f)
    plus = (weight > 0) == (rng.random(len(rows)) < 0.8)
    genomes[rows, _bias_of(f, places)] += np.where(plus, weight, 0).astype(genomes.dtype)
    genomes[rows, places] = 0


def _join(genomes: IntArray, rows: IntArray, f: Field, rng: np.random.Generator) -> None:
    """A new connection with all bits, as one more condition or one more alternative."""
    free = f.start + rng.integers(0, f.size, size=len(rows))
    rows, places = rows[genomes[rows, free] == 0], free[genomes[rows, free] == 0]
    power = (rng.random(len(rows)) < 0.2).astype(genomes.dtype)
    negative = rng.random(len(rows)) < 0.5
    width = int(f.upper).bit_length()
    run = f.upper & ~((1 << rng.integers(0, width, size=len(rows))) - 1)
    genomes[rows, places] = run
    genomes[rows, places + f.size] = np.where(negative, ~power, power)
    weight = _weight(genomes, rows, places, f)
    condition = (weight > 0) == (rng.random(len(rows)) < 0.7)
    genomes[rows, _bias_of(f, places)] -= np.where(condition, weight, 0).astype(genomes.dtype)


def _invert(genomes: IntArray, rows: IntArray, f: Field, rng: np.random.Generator) -> None:
    """A connection reads the inverse of its bits."""
    places = _connection(genomes, rows, f, rng, 1.0)
    weight = _weight(genomes, rows, places, f)
    genomes[rows, _bias_of(f, places)] += weight.astype(genomes.dtype)
    genomes[rows, places + f.size] = ~genomes[rows, places + f.size]


def _powers(genomes: IntArray, rows: IntArray, f: Field, rng: np.random.Generator) -> None:
    """Twice or half the weight, its negative, or any other."""
    masks = Field("masks", f.layer, f.start - f.size, f.shape, 0, 1)
    places = _connection(genomes, rows, masks, rng, 0.9) + f.size
    old = genomes[rows, places]
    size = np.where(old < 0, ~old, old)
    kind = rng.random(len(rows))
    step = np.clip(size + np.where(rng.random(len(rows)) < 0.5, -1, 1), 0, f.upper)
    fresh = rng.integers(0, f.upper + 1, size=len(rows))
    size = np.where(kind < 0.55, step, np.where(kind < 0.7, fresh, size))
    negative = (old < 0) ^ (kind >= 0.7)
    genomes[rows, places] = np.where(negative, ~size, size)


def _bias(genomes: IntArray, rows: IntArray, f: Field, rng: np.random.Generator) -> None:
    """A step of any size up or down, fewer digits, or zero."""
    places = f.start + rng.integers(0, f.size, size=len(rows))
    old = genomes[rows, places]
    width = int(f.upper).bit_length()
    size = 1 << np.minimum(rng.geometric(0.35, size=len(rows)) - 1, width - 1)
    sign = np.where(rng.random(len(rows)) < 0.5, -1, 1)
    cleared = old & ~(size * 2 - 1)
    kind = rng.random(len(rows))
    genomes[rows, places] = np.where(
        kind < 0.8, old + sign * size, np.where(kind < 0.95, cleared, 0)
    )


def _step(genomes: IntArray, rows: IntArray, f: Field, rng: np.random.Generator) -> None:
    """One more or one less, or any value."""
    places = f.start + rng.integers(0, f.size, size=len(rows))
    sign = np.where(rng.random(len(rows)) < 0.5, -1, 1)
    fresh = rng.integers(f.lower, f.upper + 1, size=len(rows))
    kind = rng.random(len(rows))
    genomes[rows, places] = np.where(kind < 0.8, genomes[rows, places] + sign, fresh)


def _alive(genomes: IntArray, rows: IntArray, f: Field, rng: np.random.Generator) -> None:
    """A neuron dies or lives again."""
    places = f.start + rng.integers(0, f.size, size=len(rows))
    genomes[rows, places] ^= 1


def _ignored(genomes: IntArray, rows: IntArray, f: Field, rng: np.random.Generator) -> None:
    """A bit more or less is compared, or all bits from one on."""
    places = f.start + rng.integers(0, f.size, size=len(rows))
    width = int(f.upper).bit_length()
    bit = 1 << rng.integers(0, width, size=len(rows))
    kind = rng.random(len(rows))
    genomes[rows, places] = np.where(kind < 0.6, genomes[rows, places] ^ bit, bit - 1)


_CHANGES: Mapping[str, Callable[[IntArray, IntArray, Field, np.random.Generator], None]] = {
    "masks": _masks, "move": _move, "hand": _hand, "fold": _fold, "join": _join,
    "invert": _invert, "powers": _powers, "bias": _bias, "shifts": _step,
    "bits": _step, "alive": _alive, "order": _step, "ignored": _ignored,
}  # fmt: skip
