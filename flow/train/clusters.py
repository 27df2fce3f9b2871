"""Retraining with weights of cheap multipliers first, as many kinds as the accuracy needs.

The method of Armeniakos et al., "Co-Design of Approximate Multilayer Perceptron for
Ultra-Resource Constrained Printed Circuits", IEEE Transactions on Computers 2023: weights are
grouped by the area of their bespoke multiplier, zero and the powers of two first, which need
none; training may use the first group, and one group more each time the accuracy is not reached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from flow.errors import UsageError
from flow.train.baseline import Perceptron
from flow.train.dataset import Dataset
from flow.train.gradient import GradientOptions, IntegerNet, train_many

CLUSTERS = 5
"""Groups of magnitudes; the last holds all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Retrained:
    """A perceptron whose weights are of the first `clusters` groups, and the accuracy that each
    number of groups reached on training and validation data together, from one group on."""

    perceptron: Perceptron
    clusters: int
    accuracies: tuple[float, ...]


def cluster(areas: Mapping[int, float], count: int = CLUSTERS) -> tuple[tuple[int, ...], ...]:
    """Magnitudes in groups of growing area of their multiplier: those of no area first, the rest
    in `count` - 1 groups of about equal size. UsageError where no multiplier is free."""
    free = tuple(sorted(w for w, area in areas.items() if area == 0))
    if 0 not in free or 1 not in free:
        raise UsageError("the multipliers by 0 and by 1 have an area")
    rest = sorted((area, w) for w, area in areas.items() if area > 0)
    parts = max(1, count - 1)
    ends = [round(len(rest) * k / parts) for k in range(parts + 1)]
    groups = (rest[a:b] for a, b in pairwise(ends))
    return (free, *(tuple(sorted(w for _, w in group)) for group in groups if group))


def retrain(
    data: Dataset,
    areas: Mapping[int, float],
    least: float,
    options: GradientOptions,
) -> Retrained:
    """The perceptron of fewest clusters whose accuracy on training and validation data is at
    least `least`; the most accurate one where none is. Hidden values keep their full width."""
    groups = cluster(areas)
    found: list[IntegerNet] = []
    start: Sequence[IntegerNet] = ()
    for size in range(1, len(groups) + 1):
        allowed = levels(groups[:size])
        chosen = replace(options, levels=allowed, bits=(0,), sparsity=options.sparsity[:1])
        nets = train_many(data, chosen, start)
        found.append(nets[0])
        if nets[0].right >= least * len(data.y_fit):
            break
        start = nets[: max(1, options.networks // 4)]
    best = max(range(len(found)), key=lambda i: (found[i].right, -i))
    net = found[-1] if found[-1].right >= least * len(data.y_fit) else found[best]
    return Retrained(
        Perceptron(net.w1, net.b1, net.w2, net.b2),
        next(i for i, one in enumerate(found, 1) if one is net),
        tuple(one.right / len(data.y_fit) for one in found),
    )


def levels(groups: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Both signs of all magnitudes, sorted."""
    magnitudes = {w for group in groups for w in group}
    return tuple(sorted(magnitudes | {-w for w in magnitudes}))
