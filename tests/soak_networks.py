"""Random networks for the soak: every layer, 1 to 16 bits, ties, zeros and single neurons, by seed.

Only numpy's generator draws, so that a seed means the same network in every version of the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from flow.ir import layers as ly
from flow.ir.network import Network
from flow.ir.rounding import ROUNDINGS
from flow.ir.tensor import TensorType, fractions, tensor_type

SHAPES = ((1,), (2,), (3,), (5,), (8,), (1, 2), (2, 3), (3, 2), (2, 2, 2), (3, 3, 1), (4, 1))
WIDEST = 16
"""Bits of an input, and of a value that was requantised."""
LARGEST = 1 << 22
"""Values that grow above are requantised before anything else is made of them."""
SCALE = fractions(Fraction(1, 4), ())
Rng = np.random.Generator
Head = tuple[str, tuple[str, ...], str]


def network(seed: int, max_layers: int = 6, widest: int = WIDEST) -> Network:
    """The network of a seed: one or two inputs, layers of any kind, one to three outputs."""
    rng = np.random.default_rng([11, seed])
    made: list[ly.Layer] = [_input(rng, f"x{i}", widest) for i in range(_int(rng, 1, 2))]
    tensors = {layer.name: layer.infer_type() for layer in made}
    for i in range(_int(rng, 1, max_layers)):
        # Mostly on top of what came last, as in a real network.
        source = made[-1].name if rng.random() < 0.7 else _pick(rng, sorted(tensors))
        layer = _layer(rng, f"layer_{i}", source, tensors)
        tensors[layer.name] = layer.infer_type(*(tensors[s] for s in layer.sources))
        made.append(layer)
    names = [made[-1].name, *(_pick(rng, sorted(tensors)) for _ in range(_int(rng, 0, 2)))]
    return Network("net", tuple(made), tuple(dict.fromkeys(names)))


def perceptron(seed: int) -> Network:
    """One or two hidden layers of at most 10 neurons on at most 16 inputs of at most 4 bits."""
    rng = np.random.default_rng([19, seed])
    size, (lo, hi) = _int(rng, 1, 16), interval(rng, _int(rng, 1, 4))
    tensor = tensor_type((size,), lo, hi, Fraction(1))
    made: list[ly.Layer] = [ly.Input("x", (), "", tensor, fractions(0, (size,)))]
    x = tensor
    for k in range(_int(rng, 1, 2)):
        weights = _weights(rng, (x.size, _int(rng, 1, 10)))
        bias = rng.integers(-40, 41, weights.shape[1])
        made.append(ly.Dense(f"dense{k}", (made[-1].name,), "", weights, bias, fractions(1, ())))
        x = made[-1].infer_type(x)
        made.append(ly.Relu(f"relu{k}", (made[-1].name,), ""))
        x = made[-1].infer_type(x)
        shift = max(0, x.hull.hi.bit_length() - _int(rng, 2, 6))
        bounds = np.array(0, dtype=object), np.array(max(1, x.hull.hi >> shift), dtype=object)
        ratio = fractions(Fraction(1, 1 << shift), ())
        head = (f"act{k}", (made[-1].name,), "")
        rounding = _pick(rng, ["floor", "half_up", "half_even"])
        rest = (rounding, "saturate", *bounds, fractions(1, ()))
        made.append(ly.Requantize(*head, ratio, fractions(0, ()), *rest))
        x = made[-1].infer_type(x)
    weights = _weights(rng, (x.size, _int(rng, 1, 10)))
    made.append(ly.Dense("scores", (made[-1].name,), "", weights,
                         rng.integers(-40, 41, weights.shape[1]), fractions(1, ())))  # fmt: skip
    if rng.random() < 0.7:
        made.append(ly.ArgMax("decision", ("scores",), ""))
    return Network("net", tuple(made), (made[-1].name,))


def bits_of(network: Network) -> set[int]:
    """The widths of the lanes of all inputs."""
    return {r.width for layer in network.inputs for r in layer.tensor.ranges()}


def _input(rng: Rng, name: str, widest: int) -> ly.Input:
    width = _int(rng, 1, widest)
    shape = _pick(rng, SHAPES[:6] if width > 8 else SHAPES)
    lo, hi = interval(rng, width)
    size = int(np.prod(shape))
    low, high = np.full(size, lo, dtype=object), np.full(size, hi, dtype=object)
    if rng.random() < 0.2:  # Each element has an interval of its own, a single value maybe.
        low += rng.integers(0, (hi - lo) // 2 + 1, size)
        high -= rng.integers(0, (hi - lo) // 2 + 1, size)
    tensor = tensor_type(shape, low.reshape(shape), high.reshape(shape), Fraction(1, 4))
    return ly.Input(name, (), f"file: {name}", tensor, fractions(0, shape))


def interval(rng: Rng, width: int) -> tuple[int, int]:
    """Of that many bits: unsigned, signed, symmetric, or somewhere about zero."""
    half = 1 << (width - 1)
    match _int(rng, 0, 3):
        case 0:
            return 0, 2 * half - 1
        case 1:
            return -half, half - 1
        case 2:
            return (1 - half, half - 1) if width > 1 else (-1, 0)
        case _:
            return -_int(rng, 0, half), _int(rng, 0, half - 1)


def _layer(rng: Rng, name: str, source: str, tensors: dict[str, TensorType]) -> ly.Layer:
    x = tensors[source]
    head = (name, (source,), f"file: {name}")
    hull = x.hull
    if max(abs(hull.lo), abs(hull.hi)) > LARGEST:
        return _requantize(rng, head, x)
    kinds: list[Callable[[], ly.Layer]] = [
        lambda: _dense(rng, head, x),
        lambda: _dense(rng, head, x),
        lambda: _requantize(rng, head, x),
        lambda: _requantize(rng, head, x),
        lambda: ly.Relu(*head),
        lambda: ly.Affine(*head, _some(rng, x.shape, 9), _some(rng, x.shape, 99), SCALE),
        lambda: ly.Reshape(*head, _pick(rng, [(x.size,), (1, x.size), (x.size, 1)])),
        lambda: ly.AtLeast(*head, _bounds(rng, x)),
        lambda: _gather(rng, head, x),
    ]
    if hull.count <= 1 << 10:
        kinds += [lambda: _lookup(rng, head, x)]
        if hull.count <= 64:
            kinds += [lambda: _table_sum(rng, head, x)]
    same = [n for n, t in sorted(tensors.items()) if t.shape == x.shape]
    other = _pick(rng, same)
    if (
        max(abs(hull.lo), abs(hull.hi), abs(tensors[other].hull.lo), tensors[other].hull.hi)
        < 1 << 9
    ):
        kinds.append(lambda: ly.Multiply(name, (source, other), head[2], SCALE))
    if len(x.shape) in (2, 3):
        kinds += [lambda: _conv(rng, head, x)] * 2
    if hull.lo >= 0 and x.size <= 12 and hull.hi < 1 << 8:
        kinds += [lambda: _masked(rng, head, x)] * 3
    if sum(r.width for r in x.ranges()) < 40:
        kinds.append(lambda: _gates(rng, head, x))
    if (tensors[other].scale == x.scale).all():
        kinds.append(lambda: ly.Add(name, (source, other), head[2]))
    axis = _pick(rng, [0, -1])
    kinds.append(lambda: ly.Concat(name, (source, other), head[2], axis))
    if (x.scale == x.scale.ravel()[0]).all():
        kinds += [lambda: ly.ArgMax(*head), lambda: _tournament(rng, head, x)]
        if len(x.shape) in (2, 3):
            kinds += [lambda: _pool(rng, head, x)] * 2
    return kinds[_int(rng, 0, len(kinds) - 1)]()


def _dense(rng: Rng, head: Head, x: TensorType) -> ly.Dense:
    """Weights of 1 to 8 bits; rows and columns of zeros, and equal neurons, which tie."""
    inputs, outputs = x.shape[-1], _int(rng, 1, 5)
    weights = _weights(rng, (inputs, outputs))
    bias = rng.integers(-40, 41, outputs) * int(rng.integers(0, 2))
    if rng.random() < 0.3:
        weights[:, _int(rng, 0, outputs - 1)] = 0
    if rng.random() < 0.3:
        weights[_int(rng, 0, inputs - 1)] = 0
    if rng.random() < 0.3:
        a, b = _int(rng, 0, outputs - 1), _int(rng, 0, outputs - 1)
        weights[:, a], bias[a] = weights[:, b], bias[b]
    return ly.Dense(*head, weights, bias, SCALE)


def _weights(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
    largest = (1 << _int(rng, 0, 7)) - 1 or 1
    weights = rng.integers(-largest - 1, largest + 1, shape)
    if rng.random() < 0.3:
        weights = np.sign(weights) << rng.integers(0, 6, shape)
    return np.where(rng.random(shape) < rng.choice([0, 0.2, 0.7]), 0, weights)


def _requantize(rng: Rng, head: Head, x: TensorType) -> ly.Requantize:
    """Into 1 to 16 bits, by a power of two or any ratio, such that some values saturate or wrap."""
    lo, hi = interval(rng, _int(rng, 1, WIDEST))
    span = max(1, x.hull.hi - x.hull.lo)
    ratio = Fraction(hi - lo + 1, span)
    # Other ratios of wide values take seconds to find an integer arithmetic for.
    if rng.random() < (0.5 if span < 1 << 11 else 0.97):  # The next power of two, either way.
        shift = max(0, (ratio.denominator // max(1, ratio.numerator)).bit_length() - 1)
        ratio = Fraction(1, 1 << shift) * _pick(rng, [1, 1, 2, Fraction(1, 2)])
    else:
        ratio = ratio.limit_denominator(50) or Fraction(1, 50)
        ratio *= _pick(rng, [1, -1, Fraction(5, 3), Fraction(3, 7)])
    offset = Fraction(_int(rng, -9, 9), _pick(rng, [1, 2, 8, 3]))
    bounds = np.array(lo, dtype=object), np.array(hi, dtype=object)
    overflow = _pick(rng, ["saturate", "saturate", "wrap"])
    one, two = fractions(ratio, ()), fractions(offset, ())
    return ly.Requantize(*head, one, two, _pick(rng, ROUNDINGS), overflow, *bounds, SCALE)


def _bounds(rng: Rng, x: TensorType) -> np.ndarray:
    """Inside the interval, at its ends, or outside."""
    lo, hi = x.hull.lo, x.hull.hi
    ends = [lo - 1, lo, lo + 1, 0, hi, hi + 1, int(rng.integers(lo, hi + 1))]
    values = np.array([_pick(rng, ends) for _ in range(x.size)], dtype=object)
    return values.reshape(x.shape)


def _gather(rng: Rng, head: Head, x: TensorType) -> ly.Gather:
    return ly.Gather(*head, rng.integers(-1, x.size, _int(rng, 1, 8)), _int(rng, -9, 9))


def _lookup(rng: Rng, head: Head, x: TensorType) -> ly.Lookup:
    count = _int(rng, 1, 2)
    lo, hi = interval(rng, _int(rng, 1, 8))
    tables = tuple(tuple(rng.integers(lo, hi + 1, x.hull.count).tolist()) for _ in range(count))
    choice = rng.integers(0, count, x.shape)
    return ly.Lookup(*head, (x.hull.lo,) * count, tables, choice, SCALE)


def _table_sum(rng: Rng, head: Head, x: TensorType) -> ly.TableSum:
    inputs, outputs = x.shape[-1], _int(rng, 1, 3)
    lo, hi = interval(rng, _int(rng, 1, 6))

    def table() -> tuple[int, ...] | None:
        values = rng.integers(lo, hi + 1, x.hull.count)
        return None if rng.random() < 0.2 else tuple(values.tolist())

    tables = tuple(tuple(table() for _ in range(outputs)) for _ in range(inputs))
    bias = rng.integers(-9, 10, outputs)
    return ly.TableSum(*head, (x.hull.lo,) * inputs, tables, bias, SCALE)


def _slides(rng: Rng, positions: tuple[int, ...]) -> list[list]:
    found: list[list] = [[], [], [], []]
    for n in positions:
        pads = _int(rng, 0, 1), _int(rng, 0, 1)
        k = _int(rng, 1, min(3, n + sum(pads)))
        most = (n + sum(pads) - 1) // (k - 1) if k > 1 else 1
        for row, value in zip(
            found, (k, _int(rng, 1, 2), pads, _int(rng, 1, min(2, most))), strict=True
        ):
            row.append(value)
    return found


def _conv(rng: Rng, head: Head, x: TensorType) -> ly.Conv:
    window, strides, padding, dilation = _slides(rng, x.shape[:-1])
    groups = _pick(rng, [1, x.shape[-1]])
    filters = groups * _int(rng, 1, 2)
    weights = _weights(rng, (*window, x.shape[-1] // groups, filters))
    slides = tuple(strides), tuple(padding), tuple(dilation)
    return ly.Conv(*head, weights, rng.integers(-20, 21, filters), *slides, groups, SCALE)


def _pool(rng: Rng, head: Head, x: TensorType) -> ly.Pool:
    window, strides, padding, _ = _slides(rng, x.shape[:-1])
    inside = tuple(
        (min(a, k - 1), min(b, k - 1)) for (a, b), k in zip(padding, window, strict=True)
    )
    return ly.Pool(*head, _pick(rng, ["max", "sum"]), tuple(window), tuple(strides), inside)


def _masked(rng: Rng, head: Head, x: TensorType) -> ly.MaskedDense:
    shape = (x.shape[-1], _int(rng, 1, 3))
    masks = rng.integers(0, 2 * max(1, x.hull.hi), shape)
    keep = np.where(rng.random(shape) < 0.6, -1, rng.integers(0, 256, shape))
    bias = rng.integers(-20, 21, shape[1])
    return ly.MaskedDense(*head, _weights(rng, shape), masks, keep, bias, SCALE)


def _gates(rng: Rng, head: Head, x: TensorType) -> ly.Gates:
    widths = tuple(r.width + _int(rng, 0, 1) for r in x.ranges())
    last = 2 * sum(widths) + 1
    pairs = []
    for _ in range(_int(rng, 0, 12)):
        pairs.append((_int(rng, 0, last), _int(rng, 0, last)))
        last += 2
    words = tuple(
        tuple(_int(rng, 0, last) for _ in range(_int(rng, 1, 4))) for _ in range(_int(rng, 1, 3))
    )
    return ly.Gates(*head, widths, tuple(pairs), words, SCALE)


def _tournament(rng: Rng, head: Head, x: TensorType) -> ly.Tournament:
    count, made = x.shape[-1], []
    for c in range(_int(rng, 1, 5) if count > 1 else 0):
        mask = _pick(rng, [-1, -1, -2, -4, 0, _int(rng, -63, 63)])
        made.append((_int(rng, 0, count + c - 1), _int(rng, 0, count + c - 1), mask))
    return ly.Tournament(*head, tuple(made))


def _some(rng: Rng, shape: tuple[int, ...], most: int) -> np.ndarray:
    """One number for all, for each of the last axis, or for each element."""
    shape = _pick(rng, [(), shape[-1:], shape])
    return np.array(rng.integers(-most, most + 1, shape), dtype=object)


def _int(rng: Rng, lo: int, hi: int) -> int:
    return int(rng.integers(lo, hi + 1))


def _pick(rng: Rng, values):
    return values[int(rng.integers(0, len(values)))]
