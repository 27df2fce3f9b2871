"""Random SourceModels: quantised ones that float64 computes exactly, and float perceptrons."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np

from flow.frontend.source import (
    Quantiser,
    SourceActivation,
    SourceAdd,
    SourceAffine,
    SourceConcat,
    SourceDense,
    SourceInput,
    SourceLayer,
    SourceModel,
    SourceQuantise,
    SourceReshape,
    Weights,
    step_array,
)
from flow.ir.rounding import ROUNDINGS

PERCEPTRON_SIZES = (4, 6, 3)


def model(layers, outputs=None, name="Small Net"):
    """A SourceModel of the layers whose last one is the output."""
    return SourceModel(name, "test", tuple(layers), tuple(outputs or (layers[-1].name,)), "")


def quantiser(step, lo, hi, rounding="half_even", overflow="saturate"):
    return Quantiser(step_array(Fraction(step)), lo, hi, rounding, overflow)


def exact_dense(name, source, integers, step=Fraction(1, 4), bias=None):
    """A dense layer of integers times a step; the bias is given as floats without a step."""
    step = Fraction(step)
    kernel = Weights(np.asarray(integers, dtype=float) * float(step), step_array(step))
    offset = None if bias is None else Weights(np.asarray(bias, dtype=float))
    return SourceDense(name, (source,), f"file: {name}", kernel, offset)


def perceptron(rng, sizes=PERCEPTRON_SIZES, hidden="relu", head="softmax", scaler=False):
    """A float perceptron with normal weights."""
    layers: list[SourceLayer] = [SourceInput("x", (), "file: x", (sizes[0],))]
    if scaler:
        scale, offset = rng.uniform(0.1, 2, sizes[0]), rng.normal(size=sizes[0])
        layers.append(SourceAffine("scaler", ("x",), "file: scaler", scale, offset))
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        kernel, bias = rng.normal(size=(a, b)) / a**0.5, 0.1 * rng.normal(size=b)
        source = layers[-1].name
        dense = SourceDense(
            f"dense_{i}", (source,), f"file: dense_{i}", Weights(kernel), Weights(bias)
        )
        layers.append(dense)
        function = hidden if i < len(sizes) - 2 else head
        if function:
            act = SourceActivation(f"act_{i}", (dense.name,), f"file: act_{i}", function)
            layers.append(act)
    return model(layers)


def random_exact_model(rng, depth=6):
    """A random quantised model; every number is a multiple of 2**-20 below 2**20."""
    shape = tuple(rng.choice([[4, 1], [2, 2], [2, 3]])) if rng.random() < 0.4 else (4,)
    shape = tuple(int(n) for n in shape)
    layers: list[SourceLayer] = [SourceInput("x", (), "file: x", shape)]
    shapes = {"x": shape}
    narrow: list[str] = []
    first = _quantise(rng, "q", "x", shape)
    layers.append(first)
    shapes["q"] = shape
    narrow.append("q")
    for i in range(depth):
        name, source = f"l{i}", str(rng.choice(list(shapes)[1:]))
        made = _layer(rng, name, source, shapes, narrow)
        if isinstance(made, SourceDense) and source not in narrow:
            extra = _quantise(rng, f"{name}_in", source, shapes[source])
            layers.append(extra)
            shapes[extra.name] = shapes[source]
            narrow.append(extra.name)
            made = SourceDense(name, (extra.name,), made.place, made.kernel, made.bias)
        if isinstance(made, SourceQuantise):
            narrow.append(name)
        layers.append(made)
        shapes[name] = _shape(made, shapes)
    return model(layers)


def float_twin(net, rng):
    """The model without its steps: weights a little off, functions instead of quantisers."""
    functions = ["relu", "tanh", "sigmoid", "hard_tanh", "hard_sigmoid"]
    layers: list[SourceLayer] = []
    for x in net.layers:
        if isinstance(x, SourceQuantise):
            x = SourceActivation(x.name, x.sources, x.place, functions[rng.integers(5)])
        elif isinstance(x, SourceDense):
            kernel = Weights(x.kernel.values * 1.01 + 0.003)
            bias = None if x.bias is None else Weights(x.bias.values)
            x = SourceDense(x.name, x.sources, x.place, kernel, bias)
        layers.append(x)
    return model(layers, net.outputs)


def _layer(rng, name, source, shapes, narrow):
    shape = shapes[source]
    last = shape[-1]
    place = f"file: {name}"
    alike = [n for n, s in shapes.items() if s == shape and n != "x"]
    match rng.integers(7):
        case 0 | 1:
            outputs = int(rng.integers(1, 4))
            whole = rng.integers(-7, 8, (last, outputs))
            steps = [step_array(Fraction(1, 4)), _steps(rng, outputs), _steps(rng, (last, outputs))]
            step = steps[rng.integers(3)]
            kernel = Weights(whole * np.broadcast_to(step.astype(float), whole.shape), step)
            fine = _steps(rng, outputs)
            bias = Weights(rng.integers(-7, 8, outputs) * fine.astype(float), fine)
            chosen = [None, bias, Weights(rng.integers(-99, 99, outputs) / 64.0)][rng.integers(3)]
            return SourceDense(name, (source,), place, kernel, chosen)
        case 2:
            size = () if rng.random() < 0.3 else (last,)
            factor = np.asarray(rng.integers(-3, 4, size) / 2.0)
            return SourceAffine(
                name, (source,), place, factor, np.asarray(rng.integers(-9, 9, size) / 8.0)
            )
        case 3:
            functions = ["relu", "relu", "hard_tanh"]
            return SourceActivation(name, (source,), place, functions[rng.integers(3)])
        case 4:
            other = str(rng.choice(alike))
            return SourceAdd(name, (source, other), place)
        case 5:
            if rng.random() < 0.5:
                return SourceConcat(name, (source, str(rng.choice(alike))), place)
            return SourceReshape(name, (source,), place, (int(np.prod(shape)),))
        case _:
            return _quantise(rng, name, source, shape)


def _steps(rng, shape):
    array = np.array(
        [Fraction(1, 1 << int(k)) for k in rng.integers(0, 4, int(np.prod(shape)))] + [0]
    )
    return array[:-1].reshape(shape)


def _quantise(rng, name, source, shape):
    lo, hi = [(-8, 7), (0, 15), (-7, 7), (0, 1)][rng.integers(4)]
    step = step_array(Fraction(1, 4)) if rng.random() < 0.6 else _steps(rng, shape[-1])
    rounding = ROUNDINGS[rng.integers(len(ROUNDINGS))]
    overflow = ["saturate", "saturate", "wrap"][rng.integers(3)]
    chosen = Quantiser(step, lo, hi, rounding, overflow)
    return SourceQuantise(name, (source,), f"file: {name}", chosen)


def _shape(layer, shapes):
    shape = shapes[layer.sources[0]]
    match layer:
        case SourceDense(kernel=kernel):
            return (*shape[:-1], kernel.values.shape[1])
        case SourceConcat():
            return (*shape[:-1], 2 * shape[-1])
        case SourceReshape(shape=new):
            return new
        case _:
            return shape
