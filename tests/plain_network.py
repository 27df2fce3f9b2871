"""What a Network means, once more: one sample at a time, Python integers and fractions only.

Written apart from `flow.ir.layers`, with loops in place of arrays, so that the two can disagree.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np

from flow.ir import layers as ly
from flow.ir.network import Network


def answers(network: Network, inputs) -> dict[str, np.ndarray]:
    """The outputs (samples, *shape) by name of the layer; inputs as for `evaluate_network`."""
    samples = len(next(iter(inputs.values())))
    rows = [run(network, {name: values[i] for name, values in inputs.items()})
            for i in range(samples)]  # fmt: skip
    return {name: np.array([row[name] for row in rows], dtype=object) for name in network.outputs}


def run(network: Network, sample):
    """The nested lists of every layer for one sample."""
    values = {}
    for layer in network.layers:
        if isinstance(layer, ly.Input):
            values[layer.name] = np.asarray(sample[layer.name]).astype(object).tolist()
        else:
            values[layer.name] = _layer(layer, *(values[s] for s in layer.sources))
    return values


def _layer(layer, *sources):
    x = sources[0]
    match layer:
        case ly.Dense():
            return _last_axis(x, lambda row: _dense(layer, row))
        case ly.Affine():
            m, b = _spread(layer.multiplier, x), _spread(layer.offset, x)
            return _each(lambda v, m, b: v * int(m) + int(b), x, m, b)
        case ly.Requantize():
            parts = [_spread(a, x) for a in (layer.multiplier, layer.offset, layer.lo, layer.hi)]
            return _each(lambda v, *rest: _requantize(layer, v, *rest), x, *parts)
        case ly.Relu():
            return _each(lambda v: v if v > 0 else 0, x)
        case ly.Lookup():
            return _each(lambda v, k: layer.tables[k][v - layer.bases[k]], x,
                         _spread(layer.choice, x))  # fmt: skip
        case ly.TableSum():
            return _last_axis(x, lambda row: _table_sum(layer, row))
        case ly.Conv():
            return _conv(layer, x)
        case ly.Pool():
            return _pool(layer, x)
        case ly.Multiply():
            return _each(lambda *v: math.prod(v), *sources)
        case ly.Gather():
            flat = _flat(x)
            taken = [layer.fill if i < 0 else flat[i] for i in layer.indices.ravel().tolist()]
            return _fill(layer.indices.shape, iter(taken))
        case ly.Add():
            return _each(lambda *v: sum(v), *sources)
        case ly.Concat():
            axis = layer.axis if layer.axis >= 0 else _depth(x) + layer.axis
            return _concat(sources, axis)
        case ly.Reshape():
            flat = iter(_flat(x))
            return _fill(layer.shape, flat)
        case ly.ArgMax():
            best = _last_axis(x, lambda row: row.index(max(row)))
            return best if isinstance(best, list) else [best]
        case ly.Gates():
            return _gates(layer, _flat(x) if isinstance(x, list) else [x])
        case ly.MaskedDense():
            return _last_axis(x, lambda row: _masked_dense(layer, row))
        case ly.Tournament():
            best = _last_axis(x, lambda row: _tournament(layer, row))
            return best if isinstance(best, list) else [best]
        case ly.AtLeast():
            return _each(lambda v, b: int(v >= b), x, _spread(layer.bound, x))
    raise AssertionError(f"no meaning is written down for {layer.kind}")


def _dense(layer, row):
    return [
        int(bias) + sum(v * int(w) for v, w in zip(row, column, strict=True))
        for bias, column in zip(layer.bias, layer.weights.T, strict=True)
    ]


def _masked_dense(layer, row):
    sums = [int(b) for b in layer.bias]
    for j, i in itertools.product(range(len(sums)), range(len(row))):
        w, mask, keep = (int(part[i, j]) for part in (layer.weights, layer.masks, layer.keep))
        product = (abs(w) * (row[i] & mask)) & keep
        sums[j] += product if w > 0 else -product
    return sums


def _gates(layer, flat):
    signals = [False]
    for v, width in zip(flat, layer.widths, strict=True):
        signals += [bool(v >> i & 1) for i in range(width)]

    def signal(literal):
        return signals[literal // 2] != bool(literal % 2)

    for a, b in layer.gates:
        signals.append(signal(a) and signal(b))
    return [sum(signal(v) << i for i, v in enumerate(word)) for word in layer.words]


def _tournament(layer, row):
    places = [*enumerate(row)]
    for left, right, mask in layer.rounds:
        a, b = places[left], places[right]
        places.append(b if (a[1] & mask) < (b[1] & mask) else a)
    return places[-1][0]


def _table_sum(layer, row):
    return [
        int(bias) + sum(
            tables[j][v - base]
            for v, base, tables in zip(row, layer.bases, layer.tables, strict=True)
            if tables[j] is not None
        )
        for j, bias in enumerate(layer.bias)
    ]  # fmt: skip


def _conv(layer, x):
    *window, channels, filters = layer.weights.shape
    each = filters // layer.groups

    def at(place):
        sums = [int(b) for b in layer.bias]
        for tap in itertools.product(*map(range, window)):
            parts = zip(place, layer.strides, tap, layer.dilation, layer.padding, strict=True)
            spot = _spot(x, [p * s + t * d - pad[0] for p, s, t, d, pad in parts])
            for c, f in itertools.product(range(channels), range(filters)) if spot else ():
                sums[f] += spot[f // each * channels + c] * int(layer.weights[(*tap, c, f)])
        return sums

    return _places(x, window, layer, layer.dilation, at)


def _pool(layer, x):
    def at(place):
        spots = []
        for tap in itertools.product(*map(range, layer.window)):
            parts = zip(place, layer.strides, tap, layer.padding, strict=True)
            spot = _spot(x, [p * s + t - pad[0] for p, s, t, pad in parts])
            spots += [spot] if spot else []
        return [
            (max if layer.pool == "max" else sum)(column) for column in zip(*spots, strict=True)
        ]

    return _places(x, layer.window, layer, [1] * len(layer.window), at)


def _spot(x, index):
    """The channels at a position, or None outside the tensor."""
    for i in index:
        if not 0 <= i < len(x):
            return None
        x = x[i]
    return x


def _places(x, window, layer, dilation, at):
    """The nested list of what is found at every place of a window."""
    counts, part = [], x
    for k, s, d, pad in zip(window, layer.strides, dilation, layer.padding, strict=True):
        counts.append((len(part) + sum(pad) - d * (k - 1) - 1) // s + 1)
        part = part[0]
    return _fill(counts, (at(place) for place in itertools.product(*map(range, counts))))


def _requantize(layer, v, m, b, lo, hi):
    y = _round(v * Fraction(m) + Fraction(b), layer.rounding)
    if layer.overflow == "saturate":
        return min(max(y, int(lo)), int(hi))
    while y < lo:
        y += int(hi) - int(lo) + 1
    while y > hi:
        y -= int(hi) - int(lo) + 1
    return y


def _round(y: Fraction, rounding: str) -> int:
    low, high = math.floor(y), math.ceil(y)
    nearest = low if y - low < high - y else high
    if rounding == "floor":
        return low
    if rounding == "ceil":
        return high
    if rounding == "zero":
        return high if y < 0 else low
    if y - low != high - y or low == high:
        return nearest
    return {
        "half_up": high,
        "half_down": low,
        "half_even": low if low % 2 == 0 else high,
        "half_away": high if y > 0 else low,
        "half_zero": low if y > 0 else high,
    }[rounding]


def _depth(x):
    return 1 + _depth(x[0]) if isinstance(x, list) else 0


def _last_axis(x, function):
    return [_last_axis(part, function) for part in x] if isinstance(x[0], list) else function(x)


def _each(function, x, *more):
    if not isinstance(x, list):
        return function(x, *more)
    return [_each(function, *parts) for parts in zip(x, *more, strict=True)]


def _spread(values, x):
    """The constants of a layer in the nested form of a tensor, broadcast from the last axis."""
    shape = np.asarray(np.array(x, dtype=object)).shape
    return np.broadcast_to(np.asarray(values, dtype=object), shape).tolist()


def _concat(sources, axis):
    if axis == 0:
        return list(itertools.chain(*sources))
    return [_concat(parts, axis - 1) for parts in zip(*sources, strict=True)]


def _flat(x):
    return [v for part in x for v in _flat(part)] if isinstance(x, list) else [x]


def _fill(shape, flat):
    return [_fill(shape[1:], flat) for _ in range(shape[0])] if shape else next(flat)
