"""Tells threshold functions from others, and finds their smallest weights.

Exact up to EXACT_INPUTS inputs: inputs that act in one direction alone (unateness), in an order of
strength (2-monotony, by Chow parameters), then an integer program over the minimal true and the
maximal false points (Muroga, "Threshold Logic and its Applications", 1971; Zhang, Gupta, Zhong,
Jha, "Synthesis and Optimization of Threshold Logic Networks", 2004). Inputs of equal Chow
parameter have equal weights. Every answer is compared with the whole truth table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.ir.threshold import TABLE_INPUTS, ThresholdGate

EXACT_INPUTS = 10
"""Up to so many inputs a function is called no threshold function only where it is none."""

TRIES = 4000
"""Corrections of the weights that the heuristic makes before it gives up."""

Flags = NDArray[np.bool_]
"""A truth table; the index of an entry has input i as its bit i."""


@dataclass(frozen=True, slots=True)
class Canonical:
    """A unate function with positive inputs, the strongest first, and how it became one.

    `places[k]` is the input of the function that is input k here, `flips[k]` whether it comes
    inverted; inputs that do not matter are left out. `groups[k]` numbers the sets of inputs of
    equal strength.
    """

    table: bytes
    places: tuple[int, ...]
    flips: tuple[bool, ...]
    groups: tuple[int, ...]


@lru_cache(maxsize=1 << 15)
def recognise(table: int, inputs: int) -> ThresholdGate | None:
    """A gate of that truth table, its weights and threshold smallest in sum; None where none is.

    Bit m of the table is the answer to the bits of m, input 0 the lowest. Beyond EXACT_INPUTS
    inputs a heuristic looks, and None says that it has found nothing. UsageError beyond
    TABLE_INPUTS.
    """
    if inputs > TABLE_INPUTS:
        raise UsageError(
            f"a table of {inputs} inputs is not looked at",
            hint=f"threshold functions are recognised up to {TABLE_INPUTS} inputs",
        )
    form = canonical(_flags(table, inputs))
    if form is None:
        return None
    found = _weights(form.table, form.groups)
    if found is None:
        return None
    strengths, threshold = found
    weights = [0] * inputs
    for weight, place, flip in zip(strengths, form.places, form.flips, strict=True):
        weights[place] = -weight if flip else weight
        threshold -= weight if flip else 0
    return ThresholdGate(tuple(weights), threshold)


def canonical(flags: Flags) -> Canonical | None:
    """The form that functions share which differ in order and inversion of inputs alone.

    None where an input acts in both directions, or two cannot be ordered by strength: such a
    function is no threshold function. Threshold functions are of one class exactly where their
    forms have equal tables.
    """
    count = flags.size.bit_length() - 1
    cube = flags.reshape((2,) * count).transpose(tuple(range(count - 1, -1, -1)))
    places, flips = [], []
    for i in range(count):
        low, high = cube.take(0, axis=i), cube.take(1, axis=i)
        rises, falls = bool((high & ~low).any()), bool((low & ~high).any())
        if rises and falls:
            return None
        if rises or falls:
            places.append(i)
            flips.append(falls)
    for i in range(count):
        if i not in places:
            cube = cube.take([0], axis=i)
    cube = cube.reshape((2,) * len(places))
    cube = cube[tuple(slice(None, None, -1) if flip else slice(None) for flip in flips)]
    chow = [int(cube.take(1, axis=i).sum()) for i in range(len(places))]
    order = sorted(range(len(places)), key=lambda i: -chow[i])
    cube = cube.transpose(order)
    for k in range(len(order) - 1):
        strong = cube.take(1, axis=k).take(0, axis=k)
        weak = cube.take(0, axis=k).take(1, axis=k)
        if (weak & ~strong).any():
            return None
    groups = [0] * len(order)
    for k in range(1, len(order)):
        groups[k] = groups[k - 1] + (chow[order[k]] != chow[order[k - 1]])
    flat = np.ascontiguousarray(cube.transpose(tuple(range(len(order) - 1, -1, -1)))).reshape(-1)
    return Canonical(
        np.packbits(flat, bitorder="little").tobytes(),
        tuple(places[i] for i in order),
        tuple(flips[i] for i in order),
        tuple(groups),
    )


def _flags(table: int, inputs: int) -> Flags:
    size = max(1, (1 << inputs) // 8)
    raw = np.frombuffer((table & (1 << (1 << inputs)) - 1).to_bytes(size, "little"), dtype=np.uint8)
    return np.unpackbits(raw, bitorder="little")[: 1 << inputs].astype(np.bool_)


@lru_cache(maxsize=1 << 16)
def _weights(table: bytes, groups: tuple[int, ...]) -> tuple[tuple[int, ...], int] | None:
    """The weight of each input and the threshold of a canonical table; None where none is found."""
    count = len(groups)
    flags = np.unpackbits(np.frombuffer(table, dtype=np.uint8), bitorder="little")
    wanted: Flags = flags[: 1 << count].astype(np.bool_)
    if not count:
        return (), 0 if wanted[0] else 1
    true, false = _corners(wanted, count)
    members = np.zeros((count, groups[-1] + 1), dtype=np.int64)
    members[np.arange(count), groups] = 1
    found = _program(true @ members, false @ members, members.sum(axis=0), count)
    if found is None:
        return None
    weights = tuple(int(found[group]) for group in groups)
    sums = np.zeros(1, dtype=np.int64)
    for weight in weights:
        sums = np.concatenate([sums, sums + weight])
    on, off = int(sums[wanted].min()), int(sums[~wanted].max())
    return (weights, off + 1) if on > off else None


def _corners(flags: Flags, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The minimal true and the maximal false points of a positive function, a row each."""
    index = np.arange(flags.size)
    minimal, maximal = flags.copy(), ~flags
    for i in range(count):
        bit = 1 << i
        has = index & bit != 0
        minimal &= ~has | ~flags[index & ~bit]
        maximal &= has | flags[index | bit]
    places = np.arange(count)
    rows = [(np.flatnonzero(kind)[:, None] >> places & 1) for kind in (minimal, maximal)]
    return rows[0], rows[1]


def _program(
    true: NDArray[np.int64], false: NDArray[np.int64], sizes: NDArray[np.int64], count: int
) -> NDArray[np.int64] | None:
    """A weight for each group of inputs; rows say how many inputs of each group are set."""
    true, false = np.unique(true, axis=0), np.unique(false, axis=0)
    if count > EXACT_INPUTS:
        return corrected(true, false)
    return _smallest(true, false, sizes)


def _smallest(
    true: NDArray[np.int64], false: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """The integer program: least sum of weights and threshold."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    groups = len(sizes)
    rows = np.concatenate(
        [
            np.concatenate([true, -np.ones((len(true), 1))], axis=1),
            np.concatenate([-false, np.ones((len(false), 1))], axis=1),
        ]
    )
    low = np.concatenate([np.zeros(len(true)), np.ones(len(false))])
    # The groups come the strongest first.
    order = np.zeros((groups - 1, groups + 1))
    order[np.arange(groups - 1), np.arange(groups - 1)] = 1
    order[np.arange(groups - 1), np.arange(1, groups)] = -1
    constraints = [LinearConstraint(rows, low, np.inf)]
    if groups > 1:
        constraints.append(LinearConstraint(order, np.ones(groups - 1), np.inf))
    answer: Any = milp(
        np.concatenate([sizes, [1]]),
        constraints=constraints,
        integrality=np.ones(groups + 1),
        bounds=Bounds(np.ones(groups + 1), np.inf),
    )
    if answer.x is None:
        return None
    weights: NDArray[np.int64] = np.rint(answer.x[:groups]).astype(np.int64)
    return weights


def corrected(true: NDArray[np.int64], false: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Weights that part two sets of points, by corrections of the worst pair; None after TRIES.

    The rule of the perceptron (Rosenblatt, 1958) on differences of points: it ends whenever
    weights exist, but may need more steps than it is given.
    """
    groups = true.shape[1]
    weights = np.arange(groups, 0, -1, dtype=np.int64)
    for _ in range(TRIES):
        on, off = true @ weights, false @ weights
        low, high = int(on.argmin()), int(off.argmax())
        if on[low] > off[high]:
            return np.array(weights // np.gcd.reduce(weights), dtype=np.int64)
        weights = np.maximum(weights + true[low] - false[high], 1)
    return None
