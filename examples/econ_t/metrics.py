"""How much an encoded image differs from the true one: telescope loss, energy mover's distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from showers import positions

Floats = NDArray[np.float64]


def telescope(
    true: Floats, found: Floats, weights: tuple[float, float, float] = (4, 2, 1)
) -> float:
    """The weighted sum of the losses of cells, overlapping 2 x 2 super-cells, and coarse sums.

    A loss is the mean of (t - p)^2 * max(t, p), as in the public training code of the encoder; its
    weights are our choice. Arrays are (samples, 48), normalised. In super-cells each cell counts
    once in all; coarse sums are 12 separate squares and 3 whole rhombi.
    """
    fine = _loss(true, found)
    windows = _loss(*(_super_cells(x) for x in (true, found)))
    coarse = _loss(*(_coarse(x) for x in (true, found)))
    return float(np.dot(weights, (fine, windows, coarse)))


def _loss(t: Floats, p: Floats) -> float:
    return float(np.mean((t - p) ** 2 * np.maximum(t, p)))


def _windows() -> NDArray[np.int64]:
    """The 36 squares of 2 x 2 neighbours: 9 in each rhombus, and 3 across each edge of two.

    Cell (0, v) of a rhombus lies beside cell (v, 0) of the next.
    """
    found = []
    for k in range(3):
        first, second = 16 * k, 16 * ((k + 1) % 3)
        for u in range(3):
            found += [[first + 4 * (u + i) + v + j for i in (0, 1) for j in (0, 1)]
                      for v in range(3)]  # fmt: skip
            found.append([first + u, first + u + 1, second + 4 * u, second + 4 * (u + 1)])
    return np.array(found)


def _super_cells(x: Floats) -> Floats:
    """The sums of 36 squares, each cell divided by how many of them it is part of."""
    windows = _windows()
    parts = np.bincount(windows.ravel(), minlength=x.shape[1])
    result: Floats = (x / parts)[:, windows].sum(axis=2)
    return result


def _coarse(x: Floats) -> Floats:
    squares = x.reshape(-1, 3, 2, 2, 2, 2).sum(axis=(3, 5)).reshape(len(x), -1)
    return np.concatenate([squares, x.reshape(-1, 3, 16).sum(axis=2)], axis=1)


def mover_distance(true: Floats, found: Floats) -> float:
    """Energy mover's distance of two images (48,) in cell widths: both are normalised to 1.

    Komiske, Metodiev and Thaler, "Metric Space of Collider Events", Phys. Rev. Lett. 123 (2019);
    solved exactly as a linear program. Negative charges count as 0; an empty image is even.
    """
    from scipy.optimize import linprog

    a, b = (_normal(x) for x in (true, found))
    here = positions()
    i, j = np.flatnonzero(a), np.flatnonzero(b)
    cost = np.linalg.norm(here[i][:, None] - here[j][None], axis=2)
    rows = np.kron(np.eye(len(i)), np.ones(len(j)))
    columns = np.kron(np.ones(len(i)), np.eye(len(j)))
    equal = np.concatenate([rows, columns])[:-1]  # The last one follows from the others.
    done = linprog(cost.ravel(), A_eq=equal, b_eq=np.concatenate([a[i], b[j]])[:-1])
    return float(done.fun)


def _normal(x: Floats) -> Floats:
    kept = np.maximum(x, 0)
    total = kept.sum()
    return kept / total if total > 0 else np.full(len(kept), 1 / len(kept))
