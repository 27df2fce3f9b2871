"""What the tensors of an ONNX graph are while it is read, and the layers made so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx_file import OnnxNode
from flow.frontend.source import (
    FloatArray,
    SourceActivation,
    SourceAffine,
    SourceDense,
    SourceLayer,
    SourceReshape,
)
from flow.frontend.source import Function as SourceFunction
from flow.ir.tensor import FractionArray

BATCH = -(1 << 40)
"""Stands for the unknown batch in the result of Shape."""

MAX_ELEMENTS = 1 << 24
"""Of one constant, of one tensor, and of all weights together."""


class Obstacle(Exception):
    """One thing of the model that cannot be represented; collected, then told all at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A known array; `step` where a quantiser has made it, broadcast from the last axis."""

    values: NDArray[Any]
    step: FractionArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A tensor that depends on the inputs.

    `shape` is that of the ONNX tensor without the batch, `built` that of the layer which holds
    the same elements in row-major order: reshapes cost nothing until a layer needs them.
    """

    layer: str
    built: tuple[int, ...]
    shape: tuple[int, ...]
    integer: bool = False

    @property
    def size(self) -> int:
        """Number of elements of one sample."""
        return math.prod(self.shape)


class Unknown:
    """A tensor that could not be represented; its obstacle has been noted."""


Value = Constant | Variable | Unknown


@dataclass(slots=True)
class Builder:
    """The layers made so far, in order."""

    batch: int | None
    opset: int
    uses: Mapping[str, int]
    layers: dict[str, SourceLayer] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    elements: int = 0

    def add(self, layer: SourceLayer) -> None:
        """Append a layer whose name is new."""
        self.layers[layer.name] = layer

    def fresh(self, base: str) -> str:
        """A name that no tensor and no layer has."""
        name, count = base, 2
        while name in self.layers or name in self.uses:
            name, count = f"{base}_{count}", count + 1
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

    def shaped(self, x: Variable, shape: tuple[int, ...], place: str) -> str:
        """The layer that holds x in the given shape."""
        if x.built == shape:
            return x.layer
        name = self.fresh(f"{x.layer}_reshaped")
        self.add(SourceReshape(name, (x.layer,), place, shape))
        return name

    def activation(self, node: OnnxNode, x: Variable, function: SourceFunction) -> Variable:
        """function(x), element by element."""
        self.add(SourceActivation(node.outputs[0], (x.layer,), node.place, function))
        return Variable(node.outputs[0], x.built, x.shape)

    def affine(
        self,
        node: OnnxNode,
        x: Variable,
        multiplier: NDArray[Any],
        offset: NDArray[Any],
        name: str | None = None,
    ) -> Variable:
        """x * multiplier + offset, where the arrays broadcast to (batch, *x.shape)."""
        name = name or node.outputs[0]
        m, b = (_without_batch(a, x.shape) for a in (multiplier, offset))
        last_only = m.size == m.shape[-1] and b.size == b.shape[-1]
        if (last_only and x.built[-1] == x.shape[-1]) or m.size == b.size == 1:
            built, size = x.built, x.built[-1]
            m, b = (np.broadcast_to(a.reshape(-1), (size,)) for a in (m, b))
        else:
            built = (x.size,)
            m, b = (np.broadcast_to(a, x.shape).reshape(-1) for a in (m, b))
        m, b = self.count(m), self.count(b)
        before = self.layers[x.layer]
        alone = x.layer in node.inputs and self.uses[x.layer] == 1
        if isinstance(before, SourceAffine) and x.built == built and alone:
            both = _composed(before.multiplier, before.offset, m, b)
            if both is not None:
                place = f"{before.place} with {node.place}"
                self.replace(x.layer, SourceAffine(name, before.sources, place, *both))
                return Variable(name, built, x.shape)
        source = self.shaped(x, built, node.place)
        self.add(SourceAffine(name, (source,), node.place, m, b))
        return Variable(name, built, x.shape)

    def unbiased(self, tensor: str) -> SourceDense | None:
        """The dense layer without bias that made this tensor for one reader only."""
        layer = self.layers.get(tensor)
        if isinstance(layer, SourceDense) and layer.bias is None and self.uses[tensor] == 1:
            return layer
        return None

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
    numbers = [[Fraction(float(v)) for v in a] for a in (m, b, m2, b2)]
    multiplier = [p * r for p, _, r, _ in zip(*numbers, strict=True)]
    offset = [q * r + s for _, q, r, s in zip(*numbers, strict=True)]
    try:
        arrays = np.array([float(v) for v in multiplier]), np.array([float(v) for v in offset])
    except OverflowError:
        return None
    exact = all(
        Fraction(float(got)) == want
        for array, wanted in zip(arrays, (multiplier, offset), strict=True)
        for got, want in zip(array, wanted, strict=True)
    )
    return arrays if exact else None


def checked_size(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape, if a tensor of that shape may be held."""
    if math.prod(shape) > MAX_ELEMENTS:
        raise Obstacle(f"a tensor of the shape {list(shape)} is too large")
    return shape


def _without_batch(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The array with as many axes as the shape, to which it must broadcast."""
    full = array
    if array.ndim == len(shape) + 1 and array.shape[0] == 1:
        full = array[0]
    full = full.reshape((1,) * (len(shape) - full.ndim) + full.shape)
    if (
        full.ndim != len(shape)
        or not shape
        or any(a not in (1, s) for a, s in zip(full.shape, shape, strict=True))
    ):
        raise Obstacle(
            f"a constant of the shape {list(array.shape)} meets a tensor of the shape "
            f"{['batch', *shape]}"
        )
    return full
