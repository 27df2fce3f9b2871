"""Inputs that hit what random ones miss: ends of intervals, ties, thresholds, saturation."""

from __future__ import annotations

import numpy as np

from flow.ir.layers import ArgMax, AtLeast, Relu, Requantize, Tournament
from flow.ir.network import Network, evaluate_network

TRIED = 2000
"""Random samples among which ties and thresholds are looked for."""


def stimuli(network: Network, count: int, seed: int = 0, each: int = 2) -> dict[str, np.ndarray]:
    """`count` samples for every input, plainest first: fewest nonzero lanes, then small ones.

    All inputs at their minimum and maximum, every input alone at either, `each` samples for
    every tie and every distance -1, 0, +1 to a threshold that chance finds, then random ones.
    The first sample that shows a mistake is therefore also the smallest one that does.
    """
    lo, hi = (_bounds(network, which) for which in ("lo", "hi"))
    rest = np.clip(0, lo, hi)
    rows = [lo, hi, rest]
    for i in range(len(lo)):
        for end in (lo, hi):
            row = rest.copy()
            row[i] = end[i]
            rows.append(row)
    rng = np.random.default_rng(seed)
    tried = rng.integers(lo, hi + 1, size=(TRIED, len(lo)))
    for hits in interesting(network, split(network, tried)):
        rows += list(tried[np.flatnonzero(hits)[:each]])
    rows = list(np.unique(np.array(rows), axis=0))
    chosen = rows if len(rows) <= count else [rows[i] for i in _spread(len(rows), count)]
    chosen += list(tried[: count - len(chosen)])
    chosen.sort(key=lambda row: (np.count_nonzero(row), int(abs(row).sum()), row.tolist()))
    return split(network, np.array(chosen))


def interesting(network: Network, inputs):
    """For each tie and each distance to a threshold, which samples have it."""
    names = tuple(layer.name for layer in network.layers)
    values = evaluate_network(network, inputs, keep=names)
    found = []
    for layer in network.layers:
        if not layer.sources:
            continue
        x = values[layer.sources[0]]
        x = x.reshape(len(x), -1)
        bound = {
            Relu: 0,
            AtLeast: getattr(layer, "bound", 0),
        }.get(type(layer))
        if bound is not None:
            shape = network.types[layer.sources[0]].shape
            bound = np.broadcast_to(bound, shape).ravel()
            found += [(x == bound + d)[:, i] for d in (-1, 0, 1) for i in range(x.shape[1])]
        if isinstance(layer, ArgMax | Tournament) and network_last(network, layer) > 1:
            row = values[layer.sources[0]].reshape(len(x), -1, network_last(network, layer))
            top = np.sort(row, axis=2)
            found += [(top[:, j, -1] == top[:, j, -2]) for j in range(row.shape[1])]
        if isinstance(layer, Requantize):
            y = values[layer.name].reshape(len(x), -1)
            ends = (network.types[layer.name].lo.ravel(), network.types[layer.name].hi.ravel())
            found += [(y == end)[:, i] for end in ends for i in range(y.shape[1])]
    return found


def network_last(network: Network, layer) -> int:
    """The length of the axis that a layer reduces."""
    return network.types[layer.sources[0]].shape[-1]


def split(network: Network, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of all lanes as an array for each input."""
    result, at = {}, 0
    for layer in network.inputs:
        size = layer.tensor.size
        result[layer.name] = rows[:, at : at + size].reshape(-1, *layer.tensor.shape)
        at += size
    return result


def _bounds(network: Network, which: str) -> np.ndarray:
    ends = [getattr(layer.tensor, which).ravel() for layer in network.inputs]
    return np.concatenate(ends).astype(np.int64)


def _spread(total: int, count: int) -> list[int]:
    return np.unique(np.linspace(0, total - 1, count).astype(int)).tolist()
