"""Sizes and widths of layers together, by evolution that trains only what promises most.

Offspring of the best designs are many, and a predictor of accuracy learned from all that were
trained says which few of them are trained next: the surrogate of Ito et al. and of NSGANetV2 (Lu et
al., ECCV 2020), with the costs known exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

Predict = Callable[[Sequence[Sequence[float]]], list[float]]
OFFSPRING = 200
EACH = 4
"""Designs that are trained before the predictor learns again."""
SHARES = (0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)


@dataclass(frozen=True, slots=True)
class Genome:
    """Outputs of each layer, and the widths of its weights and reads."""

    outputs: tuple[int, ...]
    weight_bits: tuple[int, ...]
    read_bits: tuple[int, ...]

    @property
    def features(self) -> tuple[float, ...]:
        """What the predictor sees."""
        return (*map(float, self.outputs), *map(float, self.weight_bits + self.read_bits))


@dataclass(frozen=True, slots=True)
class Field:
    """What may change: the most outputs of each layer, which of them are fixed, and the widths.

    `fixed_reads` are the widths of reads that are given, None elsewhere.
    """

    outputs: tuple[int, ...]
    fixed: tuple[bool, ...]
    fixed_reads: tuple[int | None, ...]
    widths: tuple[int, int]

    def mutated(self, genome: Genome, random: np.random.Generator) -> Genome:
        """The genome with about two changes."""
        count = len(self.outputs)
        low, high = self.widths
        for _ in range(1 + int(random.integers(0, 3))):
            i, gene = int(random.integers(count)), int(random.integers(3))
            if gene == 0 and not self.fixed[i]:
                share = SHARES[int(random.integers(len(SHARES)))]
                genome = replace(
                    genome, outputs=_put(genome.outputs, i, max(1, round(share * self.outputs[i])))
                )
            elif gene == 1:
                bits = genome.weight_bits[i] + int(random.choice([-1, 1]))
                bits = min(max(bits, low), high)
                genome = replace(genome, weight_bits=_put(genome.weight_bits, i, bits))
            elif gene == 2 and self.fixed_reads[i] is None:
                bits = min(max(genome.read_bits[i] + int(random.choice([-1, 1])), low), high)
                genome = replace(genome, read_bits=_put(genome.read_bits, i, bits))
        return genome


def evolve(
    field: Field,
    start: Sequence[Genome],
    trained: int,
    train: Callable[[Genome], float],
    cost: Callable[[Genome], float],
    learn: Callable[[Sequence[Sequence[float]], Sequence[float]], Predict],
    seed: int,
) -> Mapping[Genome, float]:
    """The accuracy of `trained` genomes, those of `start` first; deterministic for a seed."""
    random = np.random.default_rng(seed)
    known: dict[Genome, float] = {}
    for genome in list(dict.fromkeys(start))[:trained]:
        known[genome] = train(genome)
    while len(known) < trained:
        predict = learn([g.features for g in known], list(known.values()))
        parents = front([(cost(g), a, g) for g, a in known.items()])
        born: dict[Genome, None] = {}
        for _ in range(OFFSPRING):
            a, b = (parents[int(random.integers(len(parents)))] for _ in range(2))
            child = field.mutated(_crossed(a, b, random), random)
            if child not in known:
                born[child] = None
        if not born:
            break
        children = list(born)
        guesses = predict([g.features for g in children])
        best = front([(cost(g), a, g) for g, a in zip(children, guesses, strict=True)])
        count = min(EACH, trained - len(known), len(best))
        for i in np.linspace(0, len(best) - 1, count).astype(int).tolist():
            known[best[i]] = train(best[i])
    return known


def front(points: Sequence[tuple[float, float, Genome]]) -> list[Genome]:
    """The genomes that no other beats in cost and accuracy, the cheapest first."""
    ordered = sorted(points, key=lambda p: (p[0], -p[1]))
    found: list[Genome] = []
    best = -np.inf
    for _, accuracy, genome in ordered:
        if accuracy > best:
            found.append(genome)
            best = accuracy
    return found


def _crossed(a: Genome, b: Genome, random: np.random.Generator) -> Genome:
    """Each layer from one of two genomes."""
    first = random.integers(0, 2, len(a.outputs)).tolist()

    def mixed(x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(p if own else q for p, q, own in zip(x, y, first, strict=True))

    return Genome(
        mixed(a.outputs, b.outputs), mixed(a.weight_bits, b.weight_bits),
        mixed(a.read_bits, b.read_bits),
    )  # fmt: skip


def _put(values: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*values[:index], value, *values[index + 1 :])
