"""From bits to sums and back: linear layers over bits, and sums that are compared."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from flow.analysis.binary_forms import Form, Linear, Numbering, Sum, Term, align
from flow.analysis.binary_steps import Steps, find_steps
from flow.errors import UnsupportedModel
from flow.ir.binary import ABSENT, BinaryLayer, Neurons, OrPool, Scores
from flow.ir.layers import Conv, Dense, Input, Layer
from flow.ir.network import Network, evaluate_network
from flow.ir.spatial import Pool
from flow.ir.tensor import IntArray, TensorType, exact, fractions
from flow.ir.windows import windows

MOST_REPEATS = 4
"""How often a bit may be counted for a weight that is a multiple of the smallest."""


def refuse(layer: Layer, message: str, hint: str) -> UnsupportedModel:
    """The error for a layer that is not binary."""
    return UnsupportedModel(f"{layer.name}: {message}", where=layer.place, hint=hint)


def linear(layer: Dense | Conv | Pool, form: Form) -> Linear:
    """A linear layer (or a sum of windows) over a tensor of bits or of integers."""
    constant = layer.evaluate(form.constant[None])[0]
    weights = _full_weights(layer, form.shape[-1])
    axes = len(form.shape) - 1
    strides, padding, dilation = (1,) * axes, ((0, 0),) * axes, (1,) * axes
    if isinstance(layer, Dense):
        weights = weights.reshape((1,) * axes + weights.shape)
    else:
        strides, padding = layer.strides, layer.padding
    if isinstance(layer, Conv):
        dilation = layer.dilation
    parts, indices = [], []
    for term in align([form])[0]:
        flat = term.coefficient.reshape(-1, form.shape[-1])
        present = flat != 0
        first = np.where(
            present.any(axis=0), flat[present.argmax(axis=0), np.arange(len(flat.T))], 1
        )
        if (present & (flat != first)).any():
            raise refuse(
                layer, "bits of one channel count differently from place to place",
                "give every channel one scale",
            )  # fmt: skip
        parts.append(weights * first[:, None])
        indices.append(np.where(term.coefficient != 0, term.index, ABSENT))
    return Linear(
        layer.name, layer.place, np.concatenate(indices, axis=-1), np.concatenate(parts, axis=-2),
        constant, strides, padding, dilation, form.integer,
    )  # fmt: skip


def _full_weights(layer: Dense | Conv | Pool, channels: int) -> IntArray:
    """The weights (*window, channels, filters) without groups."""
    if isinstance(layer, Pool):
        one = np.eye(channels, dtype=np.int64).astype(object)
        return np.broadcast_to(one, (*layer.window, channels, channels)).copy()
    weights = exact(layer.weights, layer.weights.shape)
    if isinstance(layer, Dense) or layer.groups == 1:
        return weights
    *window, each, filters = weights.shape
    full = np.zeros((*window, channels, filters), dtype=object)
    many = filters // layer.groups
    for g in range(layer.groups):
        into = (..., slice(g * each, (g + 1) * each), slice(g * many, (g + 1) * many))
        full[into] = weights[..., g * many : (g + 1) * many]
    return full


def settle(
    network: Network, tail: Sum, numbering: Numbering, name: str
) -> tuple[Form, tuple[BinaryLayer, ...]] | None:
    """A tensor of sums as bits, with the layers that make them; None where it has more than a few
    values."""
    steps, which = _steps(network, tail)
    if steps is None:
        return None
    base = tail.linear
    channels = base.constant.shape[-1]
    total = np.sum(steps.jumps, axis=0) if steps.jumps else 0 * steps.base
    falls = np.zeros(base.constant.shape, dtype=bool)
    if tail.pool is None and steps.jumps:
        down = (np.min(steps.jumps, axis=0) < 0).reshape(-1, channels)
        up = (np.max(steps.jumps, axis=0) > 0).reshape(-1, channels)
        falls[...] = down.any(axis=0) & ~up.any(axis=0)
    sums = which.reshape(base.constant.shape)
    neurons, bounds, terms = [], list(steps.bounds), []
    for bound in bounds or [steps.base * 0]:
        spread = bound[sums]
        neurons.append((np.where(falls, 1 - spread, spread), falls))
    if falls.any():  # What falls last is true first, then.
        neurons.reverse()
    layer = _neurons(base, neurons, numbering, name)
    levels = len(neurons)
    made: tuple[BinaryLayer, ...] = (layer,)
    start, count = numbering.next, base.constant.size
    places = np.arange(count)
    numbers = [
        start + places // channels * channels * levels + k * channels + places % channels
        for k in range(levels)
    ]
    variable = which
    if tail.pool is not None and tail.pooled is not None:
        after = Numbering(numbering.inputs, (*numbering.layers, layer))
        wiring = after.wiring(np.concatenate([n[tail.pooled] for n in numbers], axis=-1))
        pool = OrPool(
            tail.pool.name, wiring, tail.pool.window, tail.pool.strides, tail.pool.padding
        )
        made = (layer, pool)
        width = tail.pooled.shape[-1]
        variable = which[tail.pooled.reshape(-1, width)[0]]
        places = np.arange(prod(pool.shape[:-1]) * width)
        variable = variable[places % width]
        numbers = [
            after.next + places // width * width * levels + k * width + places % width
            for k in range(levels)
        ]
    flat = tail.origin.ravel()
    mine = variable[flat]
    flipped = falls.ravel()[flat] if tail.pool is None else np.zeros(len(flat), dtype=bool)
    constant = np.where(flipped, (steps.base + total)[mine], steps.base[mine])
    jumps = list(steps.jumps) or [steps.base * 0]
    if falls.any():
        jumps.reverse()
    for number, jump in zip(numbers, jumps, strict=True):
        each = np.where(flipped, -jump[mine], jump[mine])
        terms.append(Term(_shaped(each, tail), number[flat].reshape(tail.origin.shape)))
    return Form(_shaped(constant, tail), tuple(terms)), made


def _shaped(values: IntArray, tail: Sum) -> IntArray:
    return values.astype(object).reshape(tail.origin.shape)


def _steps(network: Network, tail: Sum) -> tuple[Steps | None, IntArray]:
    """The steps by variable, and the variable of every sum: the sum itself; of pooled ones, the
    filter, for a window decides by one bound."""
    base, kind = tail.linear, network.types[tail.linear.name]
    size, filters = base.constant.size, base.constant.shape[-1]
    lo, hi = kind.lo.ravel(), kind.hi.ravel()
    which = np.arange(size)
    reads = tail.origin.ravel()
    if tail.pooled is not None:
        which = np.arange(size) % filters
        width = tail.pooled.shape[-1]
        channel = which[tail.pooled.reshape(-1, width)]
        if (channel != channel[0]).any():
            raise refuse(tail.chain[-1], "pooling mixes filters", "pool each channel by itself")
        reads = channel[0][reads % width]
        lo = lo.reshape(-1, filters).min(axis=0)
        hi = hi.reshape(-1, filters).max(axis=0)
    elif len(np.unique(reads)) != len(reads):
        raise refuse(
            tail.chain[-1], "sums are repeated before they become bits", "repeat the bits instead"
        )
    chain = _chain_network(tail, kind, lo[which], hi[which])

    def function(values: IntArray) -> IntArray:
        x = {base.name: values[which].reshape(1, *kind.shape)}
        answer = evaluate_network(chain, x)[chain.outputs[0]].ravel()
        result = np.zeros(len(values), dtype=object)
        result[reads] = answer
        if (result[reads] != answer).any():
            raise refuse(
                tail.chain[-1], "a pooled channel is compared differently from place to place",
                "give every channel one scale",
            )  # fmt: skip
        return result

    return find_steps(function, lo, hi), which


def _chain_network(tail: Sum, kind: TensorType, lo: IntArray, hi: IntArray) -> Network:
    tensor = TensorType(kind.shape, lo.reshape(kind.shape), hi.reshape(kind.shape), kind.scale)
    entry = Input(tail.linear.name, (), tail.linear.place, tensor, fractions(0, kind.shape))
    return Network(
        "chain", (entry, *tail.chain), (tail.chain[-1].name if tail.chain else entry.name,)
    )


def _neurons(
    base: Linear, bounds: list[tuple[IntArray, IntArray]], numbering: Numbering, name: str
) -> Neurons:
    """One layer for the bounds of all levels: sum >= bound, of negated sums where a filter falls."""
    falls = bounds[0][1].reshape(-1, bounds[0][1].shape[-1])[0]
    sign = np.where(falls, -1, 1)
    wiring = numbering.wiring(base.indices)
    form = (base.strides, base.padding, base.dilation)
    if base.integer:
        weights = base.weights * sign
        rest = [bound - base.constant * sign for bound, _ in bounds]
        here = np.broadcast_to(np.count_nonzero(weights, axis=tuple(range(weights.ndim - 1))),
                               base.constant.shape)  # fmt: skip
        tall = [_clamp(name, weights, t) for t in rest]
        parts = ([weights] * len(rest), tall, [here] * len(rest))
        w, t, n = (np.concatenate(p, axis=-1).astype(np.int64) for p in parts)
        return Neurons(name, wiring, w, t, n, *form, integer=True)
    unit, size = units(base)
    signs = unit.signs * sign
    present = (unit.indices != ABSENT).astype(np.int64)
    fan_in, negative = (
        _summed(base, present, (part != 0) if part is signs else (part < 0))
        for part in (signs, np.minimum(signs, 0))
    )
    thresholds = []
    for bound, _ in bounds:
        gap = exact(bound, bound.shape) - base.constant * sign
        thresholds.append(np.clip(-(-gap // size) + negative, 0, fan_in + 1))
    repeated = len(bounds)
    return Neurons(
        name, numbering.wiring(unit.indices),
        np.concatenate([signs] * repeated, axis=-1).astype(np.int64),
        np.concatenate(thresholds, axis=-1).astype(np.int64),
        np.concatenate([fan_in] * repeated, axis=-1).astype(np.int64), *form,
    )  # fmt: skip


def _clamp(name: str, weights: IntArray, bound: IntArray) -> IntArray:
    """Bounds as int64: what does not fit is beyond every sum."""
    most = 1 << 62
    return np.clip(bound, -most, most)
