"""What is left to do with the layers of an ONNX graph: dead ends, spelled-out functions, grids."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np

from flow.frontend.float_model import evaluate_layer
from flow.frontend.functions import apply_function
from flow.frontend.source import (
    HEADS,
    FloatArray,
    Function,
    SourceActivation,
    SourceAdd,
    SourceAffine,
    SourceConv,
    SourceDense,
    SourceInput,
    SourceLayer,
    SourceMultiply,
    SourceQuantise,
    Weights,
    step_array,
)

Layers = dict[str, SourceLayer]

_WRITTEN: tuple[Function, ...] = (
    "silu", "gelu", "gelu_tanh", "mish", "hard_swish", "softplus", "log_sigmoid", "softsign",
)  # fmt: skip
"""Functions that exporters write as several operators."""

_POINTS = np.concatenate([np.linspace(-12.0, 8.0, 321), [10.0, 16.0, 21.0, 32.0, 64.0, 100.0]])
_DEPTH = 12
_GRID_BITS = 16


def finished(layers: Layers, outputs: list[str]) -> tuple[SourceLayer, ...]:
    """The layers that the outputs need, with known functions by name and integer weights as such.

    In a model with quantisers, a kernel of few bits gets the grid on which it lies; its values
    stay as they are.
    """
    kept = _alive(layers, outputs)
    uses = Counter(s for x in kept.values() for s in x.sources) + Counter(outputs)
    place = {name: i for i, name in enumerate(kept)}
    for name in reversed(list(kept)):
        if name in kept:
            _name(kept, name, uses, place)
    if any(isinstance(x, SourceQuantise) for x in kept.values()):
        kept = {name: _on_grid(x) for name, x in kept.items()}
    return tuple(kept.values())


def _alive(layers: Layers, outputs: list[str]) -> Layers:
    wanted = set(outputs)
    for layer in reversed(list(layers.values())):
        if layer.name in wanted:
            wanted.update(layer.sources)
    return {n: x for n, x in layers.items() if n in wanted or isinstance(x, SourceInput)}


def _name(layers: Layers, end: str, uses: Counter[str], place: dict[str, int]) -> None:
    """Put one known function for `end` and the layers that only it reads, where they are one."""
    last = layers[end]
    log = isinstance(last, SourceActivation) and last.function == "log"
    if not log and not isinstance(last, SourceMultiply) and not _scales_product(layers, last):
        return
    region, frontier = [end], {*last.sources}
    for _ in range(_DEPTH):
        if len(frontier) == 1:
            (x,) = frontier
            function = _recognised(layers, sorted(region, key=place.__getitem__), x)
            if function is not None:
                uses[x] += 1 - sum(s == x for n in region for s in layers[n].sources)
                for name in region[1:]:
                    del layers[name]
                layers[end] = SourceActivation(end, (x,), last.place, function)
                return
        latest = max(frontier, key=place.__getitem__)
        within = sum(s == latest for n in region for s in layers[n].sources)
        if not _pointwise(layers[latest]) or uses[latest] != within:
            return
        region.append(latest)
        frontier = (frontier - {latest}) | {*layers[latest].sources}


def _scales_product(layers: Layers, layer: SourceLayer) -> bool:
    below = any(isinstance(layers[s], SourceMultiply) for s in layer.sources)
    return below and isinstance(layer, SourceAffine | SourceAdd)


def _pointwise(layer: SourceLayer) -> bool:
    if isinstance(layer, SourceAffine):
        return all((a == a.reshape(-1)[0]).all() for a in (layer.multiplier, layer.offset))
    if isinstance(layer, SourceActivation):
        return layer.function not in HEADS
    if isinstance(layer, SourceQuantise):
        q = layer.quantiser
        return q.step.ndim == 0 and isinstance(q.lo, int) and isinstance(q.hi, int)
    return isinstance(layer, SourceAdd | SourceMultiply)


def _recognised(layers: Layers, region: list[str], x: str) -> Function | None:
    """The known function of x that the region computes, its last layer the result."""
    values: dict[str, FloatArray] = {x: _POINTS[:, None]}
    with np.errstate(all="ignore"):
        for name in region:
            layer = layers[name]
            if isinstance(layer, SourceAffine):
                if not _pointwise(layer):
                    return None
                first = (a.reshape(-1)[:1] for a in (layer.multiplier, layer.offset))
                layer = SourceAffine(layer.name, layer.sources, layer.place, *first)
            values[name] = evaluate_layer(layer, *(values[s] for s in layer.sources))
        got = values[region[-1]][:, 0]
        for function in _WRITTEN:
            if np.allclose(got, apply_function(function, _POINTS), rtol=1e-5, atol=1e-6):
                return function
    return None


def _on_grid(layer: SourceLayer) -> SourceLayer:
    if not isinstance(layer, SourceDense | SourceConv) or layer.kernel.step is not None:
        return layer
    values = layer.kernel.values
    for bits in range(_GRID_BITS + 1):
        whole = values * 2.0**bits
        if (whole == np.rint(whole)).all():
            if np.abs(whole).max(initial=0) >= 1 << _GRID_BITS:
                return layer
            return replace(layer, kernel=Weights(values, step_array(Fraction(1, 1 << bits))))
    return layer
