"""Sums of bits: the linear layers that make them, as signs, fan-ins and constants."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from flow.analysis.binary_forms import Form, Linear, Sum
from flow.errors import UnsupportedModel
from flow.ir.binary import ABSENT
from flow.ir.layers import Affine, Conv, Dense, Layer
from flow.ir.spatial import Pool
from flow.ir.tensor import IntArray, exact
from flow.ir.windows import exact_product, windows

MOST_REPEATS = 4
"""How often one bit may be wired to a neuron, for a weight that is a multiple of the smallest."""


def refuse(layer: Layer, message: str, hint: str) -> UnsupportedModel:
    """The error for a layer that is not binary."""
    return UnsupportedModel(f"{layer.name}: {message}", where=layer.place, hint=hint)


def linear(layer: Dense | Conv | Pool, form: Form) -> Linear:
    """A linear layer, or the sum of windows, over a tensor of bits or of integers."""
    axes = len(form.shape) - 1
    weights = _full_weights(layer, form.shape[-1])
    found = Linear(
        layer, form.terms[0].index, weights, layer.evaluate(form.constant[None])[0],
        (1,) * axes, ((0, 0),) * axes, (1,) * axes, form.integer,
    )  # fmt: skip
    if isinstance(layer, Dense):
        found = replace(found, weights=weights.reshape((1,) * axes + weights.shape))
    elif isinstance(layer, Pool):
        found = replace(found, strides=layer.strides, padding=layer.padding)
    else:
        found = replace(
            found, strides=layer.strides, padding=layer.padding, dilation=layer.dilation
        )
    parts = [_counted(layer, term.coefficient) for term in form.terms]
    return replace(
        found,
        indices=np.concatenate(
            [np.where(t.coefficient != 0, t.index, ABSENT) for t in form.terms], axis=-1
        ),
        weights=np.concatenate([found.weights * part[:, None] for part in parts], axis=-2),
    )


def identity(layer: Layer, form: Form) -> Sum:
    """A tensor of bits or integers, the result of `layer`, as sums of its own terms alone."""
    size = form.constant.size
    indices = [np.where(t.coefficient != 0, t.index, ABSENT).ravel() for t in form.terms]
    weights = [np.diag(t.coefficient.ravel()) for t in form.terms]
    found = Linear(
        layer, np.concatenate(indices), np.concatenate(weights), form.constant.ravel(),
        (), (), (), form.integer,
    )  # fmt: skip
    return Sum(found, (), np.arange(size).reshape(form.shape))


def shifted(tail: Sum, layer: Affine) -> Sum | None:
    """Sums of which those of one filter are moved by more in one place than in another, as sums of
    their own: a frontend corrects padded borders so. None where all places are moved alike."""
    base = tail.linear
    shape = base.constant.shape
    factor, offset = (exact(v, shape) for v in (layer.multiplier, layer.offset))
    places = factor.reshape(-1, shape[-1])
    alike = (offset.reshape(-1, shape[-1]) == offset.reshape(-1, shape[-1])[0]).all()
    if alike or (places != places[0]).any():
        return None
    moved = replace(
        base, layer=layer, weights=base.weights * places[0],
        constant=base.constant * factor + offset,
    )  # fmt: skip
    return replace(tail, linear=moved)


def _counted(layer: Layer, coefficient: IntArray) -> IntArray:
    """By how much the bits of each channel count; UnsupportedModel where places differ."""
    flat = coefficient.reshape(-1, coefficient.shape[-1])
    present = flat != 0
    first = _light(flat[present.argmax(axis=0), np.arange(flat.shape[1])])
    if (present & (flat != first)).any():
        raise refuse(
            layer, "bits of one channel count differently from place to place",
            "give every channel one scale",
        )  # fmt: skip
    return first


def _light(values: IntArray) -> IntArray:
    """The integers as int64 where products of two of them fit well, else as Python integers."""
    if values.size and abs(values).max() >= 1 << 30:
        return exact(values, values.shape)
    return values.astype(np.int64)


def _full_weights(layer: Dense | Conv | Pool, channels: int) -> IntArray:
    """The weights (*window, channels, filters) without groups."""
    if isinstance(layer, Pool):
        one = np.eye(channels, dtype=np.int64).astype(object)
        return np.broadcast_to(one, (*layer.window, channels, channels)).copy()
    weights = _light(layer.weights)
    if isinstance(layer, Dense) or layer.groups == 1:
        return weights
    *window, each, filters = weights.shape
    full = np.zeros((*window, channels, filters), dtype=weights.dtype)
    many = filters // layer.groups
    for g in range(layer.groups):
        mine = slice(g * many, (g + 1) * many)
        full[..., g * each : (g + 1) * each, mine] = weights[..., mine]
    return full


@dataclass(frozen=True, slots=True, eq=False)
class Counting:
    """Sums as counts: sum = constant + size * (p - negative), p as of `flow.ir.binary.Neurons`.

    `signs` are (*window, channels, filters), `size` (filters,), `fan_in` and `negative` (the taps
    of sign -1) of the shape of the result. A bit that counts twice is there twice.
    """

    indices: IntArray
    signs: IntArray
    size: IntArray
    fan_in: IntArray
    negative: IntArray


def counting(base: Linear) -> Counting:
    """Sums of bits as counts; UnsupportedModel where weights are no small multiples."""
    flat = abs(base.weights.reshape(-1, base.weights.shape[-1]))
    size = np.gcd.reduce(flat, axis=0)
    size = np.where(size == 0, 1, size)
    multiples = abs(base.weights) // size
    repeats = max(1, int(multiples.max()))
    if repeats > MOST_REPEATS:
        column = np.unravel_index(int(multiples.argmax()), multiples.shape)[-1]
        values = sorted(set(flat[:, column].tolist()) - {0})
        raise refuse(
            base.layer,
            f"the weights of output {column} have the magnitudes "
            f"{', '.join(map(str, values[:6]))}{', ...' if len(values) > 6 else ''} over bits",
            f"weights of binary layers are -1, 0 and 1, or up to {MOST_REPEATS} times the smallest",
        )
    signs = np.sign(base.weights).astype(np.int64)
    planes = [signs * (multiples > k) for k in range(repeats)]
    signs = np.concatenate(planes, axis=-2).astype(np.int64)
    indices = np.concatenate([base.indices] * repeats, axis=-1)
    present = (indices != ABSENT).astype(np.int64)
    fan_in, negative = (_summed(base, present, w) for w in (signs != 0, signs < 0))
    return Counting(indices, signs, size, fan_in, negative)


def fan_in_of_integers(base: Linear) -> IntArray:
    """How many integers each sum reads."""
    return _summed(base, (base.indices != ABSENT).astype(np.int64), base.weights != 0)


def _summed(base: Linear, x: IntArray, weights: IntArray) -> IntArray:
    window = weights.shape[:-2]
    flat = weights.reshape(-1, weights.shape[-1]).astype(np.int64)
    if not window:
        sums: IntArray = exact_product(x[None], flat)[0]
        return sums
    seen = windows(x[None], window, base.strides, base.padding, base.dilation, 0)[0]
    return exact_product(seen.reshape(*seen.shape[: len(window)], -1), flat)
