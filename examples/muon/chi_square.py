"""The best straight line through the hits of a chamber: what a measurement of angles is held to.

    python chi_square.py --events 20000

Neighbouring hits of a gap are a cluster, its position is the middle, its error is found by
simulation for each size of cluster. Lines through pairs of clusters of two groups are tried; each
takes the nearest cluster of every gap within a road, and is fitted by least squares to those it
took. The line with the least chi-square stays, where a gap without a cluster on the road costs
`MISSING`; it then takes clusters anew, until they stay the same. That rejects noise, delta
electrons and doubled clusters. Combinatorial track finding of this kind is textbook matter: Mankel,
"Pattern recognition and event reconstruction in particle physics experiments", Rep. Prog. Phys. 67
(2004) 553.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from chamber import (
    GAPS,
    GROUPS,
    ORIGIN_MM,
    PITCH_MM,
    STRIPS,
    Z_MM,
    Array,
    Bits,
    Events,
    edge,
    simulate,
)

CLUSTERS = 5
"""In a gap of an event; the widest of more are kept."""
SIZES = 4
"""Clusters of this many strips and more share an error."""
NEAR = 0.8
"""How far from the muon, in strips, a cluster counts for the errors."""
ROAD = 0.57
"""Half the width of the road, in strips."""
MISSING = 12.0
"""What a gap without a cluster adds to the chi-square. Both are the best of a scan on 3000 muons of
another seed."""
PAIRS = [
    (i, j)
    for a, first in enumerate(GROUPS)
    for second in GROUPS[a + 1 :]
    for i in range(first.start, first.stop)
    for j in range(second.start, second.stop)
]
WINDOW_MRAD = 30.0
"""Residuals within this count for the resolution, as published."""


@dataclass(frozen=True)
class Resolution:
    """Of angles, in mrad: the RMS of residuals within 30 mrad, half the interval that holds the
    middle 68.27 % of all, and the share of all that lies beyond 30 mrad."""

    rms: float
    core: float
    beyond: float


def resolution(angle: Array, truth: Array) -> Resolution:
    """How well angles agree with the true ones; an angle that is no number lies beyond."""
    residual = np.nan_to_num(angle - truth, nan=1e6)
    near = np.abs(residual) < WINDOW_MRAD
    low, high = np.quantile(residual, [0.15866, 0.84134])
    return Resolution(
        float(np.sqrt(np.mean(residual[near] ** 2))), float((high - low) / 2), float(np.mean(~near))
    )


def clusters(hits: Bits) -> tuple[Array, Array]:
    """Middle in mm and size in strips of each cluster, (events, 7, CLUSTERS), NaN where is none."""
    events = len(hits)
    rows = np.zeros((events, GAPS, STRIPS + 2), np.int8)
    rows[:, :, 1:-1] = hits.transpose(0, 2, 1)
    change = np.diff(rows, axis=2)
    event, gap, first = np.nonzero(change == 1)
    size = np.nonzero(change == -1)[2] - first
    middle = edge(first + size / 2, gap)
    order = np.lexsort((-size, event * GAPS + gap))  # Widest first within a gap.
    place = (event * GAPS + gap)[order]
    rank = np.arange(len(place)) - np.searchsorted(place, place)
    kept = order[rank < CLUSTERS]
    found = np.full((2, events, GAPS, CLUSTERS), np.nan)
    found[0, event[kept], gap[kept], rank[rank < CLUSTERS]] = middle[kept]
    found[1, event[kept], gap[kept], rank[rank < CLUSTERS]] = size[kept]
    return found[0], found[1]


def errors(events: Events) -> Array:
    """The error in strips of clusters of 1 to SIZES strips, from events whose muons are known.

    Half the interval of the middle 68.27 %, so that noise hits on the road do not count.
    """
    middle, size = clusters(events.hits)
    slope = np.tan(events.angle / 1e3 + np.arctan(events.position / ORIGIN_MM))
    crossing = events.position[:, None] + slope[:, None] * Z_MM
    off = (middle - crossing[:, :, None]) / PITCH_MM[:, None]
    near = np.abs(off) < NEAR
    widths = []
    for strips in range(1, SIZES + 1):
        mine = off[near & (np.minimum(size, SIZES) == strips)]
        low, high = np.quantile(mine, [0.15866, 0.84134])
        widths.append((high - low) / 2)
    return np.array(widths)


def fit(hits: Bits, error: Array, chunk: int = 250) -> Array:
    """The angle of each event in mrad; NaN where there are no two groups with a cluster."""
    parts = [_fit(hits[i : i + chunk], error) for i in range(0, len(hits), chunk)]
    return np.concatenate(parts)


def _fit(hits: Bits, error: Array) -> Array:
    middle, size = clusters(hits)
    strips = np.nan_to_num(np.minimum(size, SIZES), nan=1).astype(int)
    weight = 1 / (error[strips - 1] * PITCH_MM[:, None]) ** 2
    seeds = []
    for i, j in PAIRS:
        a, b = middle[:, i, :, None], middle[:, j, None, :]
        slope = ((b - a) / (Z_MM[j] - Z_MM[i])).reshape(len(hits), -1)
        offset = np.repeat(middle[:, i], CLUSTERS, axis=1) - slope * Z_MM[i]
        seeds.append(np.stack([offset, slope]))
    lines = np.concatenate(seeds, axis=2)
    for _ in range(2):
        lines, cost = _refit(lines, middle, weight)
    best = np.argmin(np.where(np.isnan(cost), np.inf, cost), axis=1)
    line = np.take_along_axis(lines, best[None, :, None], axis=2)
    for _ in range(3):
        line, _ = _refit(line, middle, weight)
    offset, slope = line[:, :, 0]
    return np.asarray(np.arctan(slope) - np.arctan(offset / ORIGIN_MM)) * 1e3


def _refit(lines: Array, middle: Array, weight: Array) -> tuple[Array, Array]:
    """The lines of least squares through the clusters next to given lines, and their costs."""
    events, many = lines.shape[1:]
    x, w = np.zeros((events, many, GAPS)), np.zeros((events, many, GAPS))
    for gap in range(GAPS):
        at = lines[0] + lines[1] * Z_MM[gap]
        far = np.abs(middle[:, gap, None, :] - at[:, :, None])
        far = np.where(np.isnan(far), np.inf, far)
        nearest = np.argmin(far, axis=2)
        taken = np.take_along_axis(far, nearest[:, :, None], 2)[:, :, 0] < ROAD * PITCH_MM[gap]
        x[:, :, gap] = np.where(taken, np.take_along_axis(middle[:, gap], nearest, 1), 0)
        w[:, :, gap] = np.where(taken, np.take_along_axis(weight[:, gap], nearest, 1), 0)
    s, sz, szz = w.sum(2), w @ Z_MM, w @ Z_MM**2
    sx, szx = (w * x).sum(2), (w * x) @ Z_MM
    root = s * szz - sz * sz
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (s * szx - sz * sx) / np.where(root > 1e-9 * s * szz, root, np.nan)
        offset = (sx - slope * sz) / s
    residual = x - offset[:, :, None] - slope[:, :, None] * Z_MM
    cost = (w * residual**2).sum(2) + MISSING * (w == 0).sum(2)
    return np.stack([offset, slope]), cost


def main() -> None:
    """Print the resolution of the fit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--events", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=2024)
    given = parser.parse_args()
    error = errors(simulate(20000, given.seed + 1))
    made = simulate(given.events, given.seed)
    found = resolution(fit(made.hits, error), made.angle)
    print("errors in strips, by size: " + ", ".join(f"{x:.3f}" for x in error))
    print(f"RMS within 30 mrad {found.rms:.3f} mrad, 68 % half width {found.core:.3f} mrad, "
          f"beyond 30 mrad {found.beyond:.2%}")  # fmt: skip


if __name__ == "__main__":
    main()
