"""Where a function of integers steps: every bound at which its value changes, by bisection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flow.ir.layers import Affine, AtLeast, Gather, Layer, Lookup, Relu, Requantize, Reshape
from flow.ir.tensor import IntArray, TensorType, exact

MOST_STEPS = 3
"""Values of at most two bits: more steps are no activation of a binary network."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """A function of s, element by element: base + sum over k of jumps[k] * [s >= bounds[k]].

    The bounds of an element rise with k; where it has fewer steps, the jump is 0.
    """

    base: IntArray
    bounds: tuple[IntArray, ...]
    jumps: tuple[IntArray, ...]


def find_steps(
    function: Callable[[IntArray], IntArray], lo: IntArray, hi: IntArray, most: int = MOST_STEPS
) -> Steps | None:
    """The steps of a monotone function on [lo, hi], for all elements at once.

    `function` takes and gives int64 or object arrays of one shape. None where some element has
    more than `most` steps. It is asked `most` * log2(hi - lo) times.
    """
    last, place, value = function(hi), lo, function(lo)
    base = value
    bounds: list[IntArray] = []
    jumps: list[IntArray] = []
    while (value != last).any():
        if len(bounds) == most:
            return None
        active = value != last
        low, high = place, hi
        while (high - low > 1).any():
            middle = (low + high) // 2
            changed = function(middle) != value
            low, high = np.where(changed, low, middle), np.where(changed, middle, high)
        place = np.where(active, high, hi)
        after = np.where(active, function(place), value)
        bounds.append(np.where(active, place, hi + 1))
        jumps.append(after - value)
        value = after
    return Steps(base, tuple(bounds), tuple(jumps))


def monotone(layer: Layer, x: TensorType) -> bool:
    """Whether each element of a layer of one source rises with its operand, or falls with it."""
    if isinstance(layer, Requantize) and layer.overflow == "wrap":
        return not _wraps(layer, x)
    if isinstance(layer, Lookup):
        return _lookup_moves(layer, x, 1) or _lookup_moves(layer, x, -1)
    return isinstance(layer, (Affine, Requantize, Relu, AtLeast, Reshape, Gather))


def rising(layer: Layer, x: TensorType) -> bool:
    """Whether no element of a layer of one source falls while its operand rises."""
    if isinstance(layer, (Affine, Requantize)):
        return monotone(layer, x) and bool((np.asarray(layer.multiplier) >= 0).all())
    if isinstance(layer, Lookup):
        return _lookup_moves(layer, x, 1)
    return monotone(layer, x)


def _wraps(layer: Requantize, x: TensorType) -> bool:
    """Whether a sum may leave the range: then it comes out elsewhere than at its end."""
    wide = 1 << 80
    free = Requantize(
        layer.name, layer.sources, layer.place, layer.multiplier, layer.offset, layer.rounding,
        "saturate", np.array(-wide, dtype=object), np.array(wide, dtype=object), layer.scale,
    ).infer_type(x)  # fmt: skip
    lo, hi = exact(layer.lo, x.shape), exact(layer.hi, x.shape)
    return bool(((free.lo < lo) | (free.hi > hi)).any())


def _lookup_moves(layer: Lookup, x: TensorType, sign: int) -> bool:
    """Whether every table, as far as it is reached, never moves against the sign."""
    choice = exact(layer.choice, x.shape).ravel().tolist()
    ends = sorted(set(zip(choice, x.lo.ravel().tolist(), x.hi.ravel().tolist(), strict=True)))
    for table, lo, hi in ends:
        base = layer.bases[table]
        reached = np.array(layer.tables[table][lo - base : hi - base + 1], dtype=object)
        if (sign * (reached[1:] - reached[:-1]) < 0).any():
            return False
    return True
