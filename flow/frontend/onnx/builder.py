"""The layers made so far of an ONNX graph, and how the next one is made."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import (
    MAX_ELEMENTS,
    Constant,
    Exhausted,
    Obstacle,
    Variable,
    along,
    checked_size,
    folded_axes,
    indices,
    is_onto,
    is_plain,
    natural_order,
    seen,
    without_batch,
)
from flow.frontend.source import (
    FloatArray,
    Function,
    SourceActivation,
    SourceAffine,
    SourceConv,
    SourceDense,
    SourceGather,
    SourceLayer,
    SourceReshape,
    Weights,
)
from flow.ir.tensor import IntArray

MAX_MOVED = 1 << 27
"""Elements that all shape operators together may move while the file is read."""


@dataclass(slots=True)
class Builder:
    """The layers made so far, in order; `classes` are labels met on the way."""

    batch: int | None
    opset: int
    uses: Counter[str]
    layers: dict[str, SourceLayer] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    classes: tuple[Any, ...] | None = None
    tries: Counter[str] = field(default_factory=Counter)
    taken: set[str] = field(default_factory=set)
    elements: int = 0
    moved: int = 0

    def add(self, layer: SourceLayer) -> None:
        """Append a layer whose name is new."""
        self.layers[layer.name] = layer

    def note(self, text: str) -> None:
        """Tell the user something once."""
        if text not in self.notes:
            self.notes.append(text)

    def fresh(self, base: str) -> str:
        """A name that no tensor and no layer has."""
        name = base
        while name in self.layers or name in self.uses or name in self.taken:
            self.tries[base] += 1
            name = f"{base}_{self.tries[base] + 1}"
        self.taken.add(name)
        return name

    def count(self, array: NDArray[Any]) -> NDArray[np.float64]:
        """The array as finite float64 weights of the model."""
        self.elements += array.size
        if self.elements > MAX_ELEMENTS:
            raise Obstacle(f"the model has more than {MAX_ELEMENTS} weights")
        bad = ~np.isfinite(array)
        if bad.any():
            index = [int(i) for i in np.argwhere(bad)[0]]
            raise Obstacle(f"a weight computed from the constants is not finite, at {index}")
        return array.astype(np.float64)

    def moves(self, elements: int) -> None:
        """Exhausted where the file moves more elements than any network that becomes a circuit."""
        self.moved += elements
        if self.moved > MAX_MOVED:
            raise Exhausted(f"the shape operators move more than {MAX_MOVED} elements")

    def laid(self, x: Variable, arrangement: IntArray, place: str) -> str:
        """The layer of shape arrangement.shape whose elements are those of x.layer named there."""
        self.moves(arrangement.size)
        shape = arrangement.shape or (1,)
        if is_plain(arrangement, x.built):
            if x.built == shape:
                return x.layer
            name = self.fresh(f"{x.layer}_reshaped")
            self.add(SourceReshape(name, (x.layer,), place, shape))
            return name
        source, fill, indices = x.layer, x.fill, arrangement.reshape(shape)
        before = self.layers[source]
        while isinstance(before, SourceReshape):
            source, before = before.sources[0], self.layers[before.sources[0]]
        if isinstance(before, SourceGather):
            holes = before.indices.size == 0 or (before.indices < 0).any()
            if not holes or not (indices < 0).any() or before.fill == fill:
                fill = before.fill if holes else fill
                below = before.indices.reshape(-1)[indices]
                indices = np.where(indices < 0, -1, below)
                source = before.sources[0]
        name = self.fresh(f"{x.layer}_moved")
        self.add(SourceGather(name, (source,), place, indices, fill))
        return name

    def activation(
        self,
        node: OnnxNode,
        x: Variable,
        function: Function,
        *parameters: float,
        name: str | None = None,
    ) -> Variable:
        """function(x, *parameters), element by element."""
        x, name = self.settled(x, node.place), name or node.outputs[0]
        self.add(SourceActivation(name, (x.layer,), node.place, function, parameters))
        return Variable(name, x.built, x.shape, view=x.view)

    def widened(self, x: Variable, *shapes: tuple[int, ...]) -> Variable:
        """x broadcast with tensors of the given shapes (without the batch)."""
        joint = checked_size(np.broadcast_shapes(x.shape, *shapes))
        if joint == x.shape:
            return x
        self.moves(math.prod(joint))
        return seen(x, np.broadcast_to(indices(x), joint))

    def settled(self, x: Variable, place: str) -> Variable:
        """x on a layer that holds each of its elements once, in any order."""
        self.moves(0 if x.view is None else x.size)
        if is_onto(x):
            return x
        order = natural_order(x)
        arrangement = indices(x).transpose(order)
        layer = self.laid(x, arrangement, place)
        built = arrangement.shape or (1,)
        view = np.arange(x.size).reshape(arrangement.shape).transpose(np.argsort(order))
        return seen(Variable(layer, built, x.shape, x.integer, code=x.code), view)

    def affine(
        self,
        node: OnnxNode,
        x: Variable,
        multiplier: NDArray[Any],
        offset: NDArray[Any],
        name: str | None = None,
    ) -> Variable:
        """x * multiplier + offset, where the arrays broadcast with (batch, *x.shape).

        With no `name` it is the result of the node, and takes up an affine map before it that
        nothing else reads.
        """
        last, name = name is None, name or node.outputs[0]
        m, b = (without_batch(a, x.shape, self.batch) for a in (multiplier, offset))
        x = self.settled(self.widened(x, m.shape, b.shape), node.place)
        m, b = along(m, x), along(b, x)
        shape = np.broadcast_shapes(m.shape, b.shape, x.built[-1:])
        m, b = (self.count(np.broadcast_to(a, shape)) for a in (m, b))
        before = self.layers[x.layer]
        alone = last and x.layer in node.inputs and self.uses[x.layer] == 1
        if isinstance(before, SourceAffine) and before.multiplier.shape == m.shape and alone:
            both = _composed(before.multiplier, before.offset, m, b)
            if both is not None:
                place = f"{before.place} with {node.place}"
                self.replace(x.layer, SourceAffine(name, before.sources, place, *both))
                return Variable(name, x.built, x.shape, view=x.view)
        self.add(SourceAffine(name, (x.layer,), node.place, m, b))
        return Variable(name, x.built, x.shape, view=x.view)

    def weights(self, constant: Constant) -> Weights:
        """A constant as weights, with its step in as few axes as hold it."""
        if constant.values.dtype.kind != "f":
            raise Obstacle("its weights are not floats")
        step = None if constant.step is None else folded_axes(constant.step)
        return Weights(self.count(constant.values), step)

    def unbiased(self, tensor: str) -> SourceDense | SourceConv | None:
        """The layer without bias that made this tensor for one reader only."""
        layer = self.layers.get(tensor)
        if not isinstance(layer, SourceDense | SourceConv):
            return None
        return layer if layer.bias is None and self.uses[tensor] == 1 else None

    def replace(self, old: str, new: SourceLayer) -> None:
        """Drop a layer that only the new one stands for."""
        del self.layers[old]
        self.add(new)


def _composed(
    m: FloatArray, b: FloatArray, m2: FloatArray, b2: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """(x * m + b) * m2 + b2 as one affine map, where its numbers are exact in float64."""
    if m.size > 1024:
        return None
    shape = m.shape
    numbers = [[Fraction(float(v)) for v in a.reshape(-1)] for a in (m, b, m2, b2)]
    multiplier = [p * r for p, _, r, _ in zip(*numbers, strict=True)]
    offset = [q * r + s for _, q, r, s in zip(*numbers, strict=True)]
    try:
        arrays = (
            np.array([float(v) for v in multiplier]),
            np.array([float(v) for v in offset]),
        )
    except OverflowError:
        return None
    exact = all(
        Fraction(float(got)) == want
        for array, wanted in zip(arrays, (multiplier, offset), strict=True)
        for got, want in zip(array, wanted, strict=True)
    )
    return (arrays[0].reshape(shape), arrays[1].reshape(shape)) if exact else None
