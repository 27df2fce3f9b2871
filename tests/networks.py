"""Hypothesis strategies: random valid networks over every kind of layer, and their inputs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from flow.ir.layers import (
    Add,
    Affine,
    ArgMax,
    AtLeast,
    Concat,
    Conv,
    Dense,
    Gates,
    Gather,
    Input,
    Layer,
    Lookup,
    MaskedDense,
    Multiply,
    Pool,
    Relu,
    Requantize,
    Reshape,
    TableSum,
    Tournament,
)
from flow.ir.network import Network
from flow.ir.rounding import ROUNDINGS
from flow.ir.tensor import TensorType, fractions, tensor_type

SMALL = st.integers(-9, 9)
RATIOS = st.fractions(-3, 3, max_denominator=12)


def array(values, shape):
    """Python integers or fractions of a shape."""
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result.reshape(shape)


@st.composite
def arrays(draw: st.DrawFn, shape, elements=SMALL):
    """An object array of the shape, or one that broadcasts to it from the last axis."""
    shape = draw(st.sampled_from([(), shape[-1:], shape]))
    size = int(np.prod(shape, dtype=int))
    return array(draw(st.lists(elements, min_size=size, max_size=size)), shape)


@st.composite
def inputs(draw: st.DrawFn, name: str = "x") -> Input:
    """An input of up to 12 elements with an interval for each."""
    shape = draw(st.sampled_from([(1,), (3,), (4,), (2, 3), (4, 2), (2, 2, 2), (3, 4, 1)]))
    size = int(np.prod(shape))
    lo = draw(st.lists(st.integers(-20, 5), min_size=size, max_size=size))
    span = draw(st.lists(st.integers(0, 30), min_size=size, max_size=size))
    scale = draw(st.sampled_from([Fraction(1), Fraction(1, 8), Fraction(3, 7)]))
    hi = [a + b for a, b in zip(lo, span, strict=True)]
    tensor = tensor_type(shape, array(lo, shape), array(hi, shape), scale)
    return Input(name, (), "file: x", tensor, fractions(0, shape))


@st.composite
def layers(draw: st.DrawFn, name: str, tensors: dict[str, TensorType]) -> Layer:
    """A layer that fits on some of the tensors."""
    source = draw(st.sampled_from(sorted(tensors)))
    x = tensors[source]
    head = (name, (source,), f"file: {name}")
    scale = fractions(Fraction(1, 4), ())
    kinds = [Dense, Affine, Requantize, Relu, Reshape, AtLeast, Add, Concat, Gather]
    if x.hull.hi - x.hull.lo < 400:
        kinds += [Lookup, TableSum]
    if max(abs(x.hull.lo), abs(x.hull.hi)) < 1 << 20:
        kinds.append(Multiply)
    if len(x.shape) in (2, 3):
        kinds.append(Conv)
    if (x.lo >= 0).all():
        kinds.append(MaskedDense)
    if all(r.width < 62 for r in x.ranges()):
        kinds.append(Gates)
    if (x.scale == x.scale.ravel()[0]).all():
        kinds += [ArgMax, Tournament, *([Pool] if len(x.shape) in (2, 3) else [])]
    match draw(st.sampled_from(kinds)).kind:
        case "dense":
            outputs = draw(st.integers(1, 3))
            size = x.shape[-1] * outputs
            weights = draw(st.lists(SMALL, min_size=size, max_size=size))
            bias = draw(st.lists(SMALL, min_size=outputs, max_size=outputs))
            weights = array(weights, (x.shape[-1], outputs)).astype(np.int64)
            return Dense(*head, weights, array(bias, (outputs,)).astype(np.int64), scale)
        case "affine":
            factor, offset = draw(arrays(x.shape)), draw(arrays(x.shape))
            return Affine(*head, factor, offset, scale)
        case "requantize":
            factor, offset = draw(arrays(x.shape, RATIOS)), draw(arrays(x.shape, RATIOS))
            lo, span = draw(arrays(x.shape)), draw(st.integers(0, 12))
            hi = np.asarray(lo + span, dtype=object)
            rounding = draw(st.sampled_from(ROUNDINGS))
            overflow = draw(st.sampled_from(["saturate", "wrap"]))
            return Requantize(*head, factor, offset, rounding, overflow, lo, hi, scale)
        case "reshape":
            return Reshape(*head, draw(st.sampled_from([(x.size,), (1, x.size), (x.size, 1)])))
        case "at_least":
            return AtLeast(*head, draw(arrays(x.shape)))
        case "lookup":
            size, count = x.hull.hi - x.hull.lo + 1, draw(st.integers(1, 2))
            table = st.lists(SMALL, min_size=size, max_size=size).map(tuple)
            tables = draw(st.lists(table, min_size=count, max_size=count))
            choice = draw(arrays(x.shape, st.integers(0, count - 1)))
            return Lookup(*head, (x.hull.lo,) * count, tuple(tables), choice, scale)
        case "table_sum":
            size, outputs = x.hull.hi - x.hull.lo + 1, draw(st.integers(1, 2))
            table = st.none() | st.lists(SMALL, min_size=size, max_size=size).map(tuple)
            row = st.lists(table, min_size=outputs, max_size=outputs).map(tuple)
            tables = draw(st.lists(row, min_size=x.shape[-1], max_size=x.shape[-1]))
            bias = array(draw(st.lists(SMALL, min_size=outputs, max_size=outputs)), (outputs,))
            return TableSum(*head, (x.hull.lo,) * x.shape[-1], tuple(tables), bias, scale)
        case "conv":
            return draw(convolutions(head, x))
        case "pool":
            window, strides, padding, _ = draw(slides(x.shape[:-1]))
            inside = zip(padding, window, strict=True)
            padding = tuple((min(a, k - 1), min(b, k - 1)) for (a, b), k in inside)
            return Pool(*head, draw(st.sampled_from(["max", "sum"])), window, strides, padding)
        case "multiply":
            return Multiply(name, (source, source), f"file: {name}", scale)
        case "gather":
            indices = draw(st.lists(st.integers(-1, x.size - 1), min_size=1, max_size=6))
            return Gather(*head, np.array(indices), draw(SMALL))
        case "add":
            return Add(name, (source, source), f"file: {name}")
        case "concat":
            return Concat(name, (source, source), f"file: {name}", draw(st.sampled_from([0, -1])))
        case "argmax":
            return ArgMax(*head)
        case "masked_dense":
            return draw(masked_sums(head, x))
        case "gates":
            return draw(gates(head, x))
        case "tournament":
            return Tournament(*head, draw(rounds(x.shape[-1])))
        case _:
            return Relu(*head)


@st.composite
def masked_sums(draw: st.DrawFn, head, x: TensorType) -> MaskedDense:
    """Weights of either sign, many of them powers of two, with masks and truncated products."""
    shape = (x.shape[-1], draw(st.integers(1, 3)))
    powers = st.sampled_from([1, 2, 4, 16, -1, -2, -8])
    parts = []
    for elements in (SMALL | powers, st.integers(0, 63), st.just(-1) | st.integers(0, 255)):
        size = shape[0] * shape[1]
        drawn = draw(st.lists(elements, min_size=size, max_size=size))
        parts.append(array(drawn, shape).astype(np.int64))
    bias = array(draw(st.lists(SMALL, min_size=shape[1], max_size=shape[1])), shape[1:])
    return MaskedDense(*head, *parts, bias.astype(np.int64), fractions(Fraction(1, 4), ()))


@st.composite
def gates(draw: st.DrawFn, head, x: TensorType) -> Gates:
    """A few gates over the bits of a tensor, and words of any of the signals."""
    widths = tuple(r.width + draw(st.integers(0, 1)) for r in x.ranges())
    last = 2 * sum(widths) + 1
    pairs = []
    for _ in range(draw(st.integers(0, 12))):
        pairs.append((draw(st.integers(0, last)), draw(st.integers(0, last))))
        last += 2
    word = st.lists(st.integers(0, last), min_size=1, max_size=4).map(tuple)
    words = draw(st.lists(word, min_size=1, max_size=3))
    return Gates(*head, widths, tuple(pairs), tuple(words), fractions(Fraction(1, 4), ()))


@st.composite
def rounds(draw: st.DrawFn, count: int) -> tuple[tuple[int, int, int], ...]:
    """Comparators between any places so far; none where there is one element."""
    masks = st.sampled_from([-1, -2, -4, 0]) | st.integers(-63, 63)
    made = []
    for c in range(draw(st.integers(1, 5)) if count > 1 else 0):
        place = st.integers(0, count + c - 1)
        made.append((draw(place), draw(place), draw(masks)))
    return tuple(made)


@st.composite
def slides(draw: st.DrawFn, positions):
    """A window with its strides, padding and dilation that fits on some positions."""
    window, strides, padding, dilation = [], [], [], []
    for n in positions:
        pads = draw(st.integers(0, 1)), draw(st.integers(0, 1))
        k = draw(st.integers(1, min(3, n + sum(pads))))
        most = (n + sum(pads) - 1) // (k - 1) if k > 1 else 1
        window.append(k)
        strides.append(draw(st.integers(1, 2)))
        padding.append(pads)
        dilation.append(draw(st.integers(1, min(2, most))))
    return tuple(window), tuple(strides), tuple(padding), tuple(dilation)


@st.composite
def convolutions(draw: st.DrawFn, head, x: TensorType) -> Conv:
    """A convolution that fits on a tensor, in one group or with one group for each channel."""
    window, strides, padding, dilation = draw(slides(x.shape[:-1]))
    groups = draw(st.sampled_from([1, x.shape[-1]]))
    filters = groups * draw(st.integers(1, 2))
    shape = (*window, x.shape[-1] // groups, filters)
    size = int(np.prod(shape))
    weights = array(draw(st.lists(SMALL, min_size=size, max_size=size)), shape).astype(np.int64)
    bias = array(draw(st.lists(SMALL, min_size=filters, max_size=filters)), (filters,))
    scale = fractions(Fraction(1, 4), ())
    return Conv(
        *head, weights, bias.astype(np.int64), strides, padding, dilation, groups, scale
    )  # fmt: skip


@st.composite
def networks(draw: st.DrawFn, max_layers: int = 5) -> Network:
    """A valid network of one or two inputs; the last layer and maybe another are its outputs."""
    made: list[Layer] = [draw(inputs(f"x{i}")) for i in range(draw(st.integers(1, 2)))]
    tensors = {layer.name: layer.infer_type() for layer in made}
    for i in range(draw(st.integers(1, max_layers))):
        layer = draw(layers(f"layer_{i}", tensors))
        tensors[layer.name] = layer.infer_type(*(tensors[s] for s in layer.sources))
        made.append(layer)
    outputs = (made[-1].name, draw(st.sampled_from(sorted(tensors))))
    head = draw(st.sampled_from(["none", "softmax", "sigmoid"]))
    return Network("net", tuple(made), tuple(dict.fromkeys(outputs)), head)


def sample(network: Network, rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Integer inputs inside their intervals, the two ends first."""
    values = {}
    for layer in network.inputs:
        lo, hi = layer.tensor.lo.astype(np.int64), layer.tensor.hi.astype(np.int64)
        drawn = rng.integers(lo, hi + 1, (count, *layer.tensor.shape))
        drawn[:1], drawn[1:2] = lo, hi
        values[layer.name] = drawn
    return values
