"""What the tensors of a binary network are: constants plus multiples of bits, or sums of those."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from flow.ir.binary import ABSENT, INPUT, BinaryLayer, Wiring
from flow.ir.layers import Layer
from flow.ir.spatial import Pool
from flow.ir.tensor import IntArray
from flow.ir.windows import Padding


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """A bit for every element of a tensor, and by how much it counts; 0 where there is none.
    Bits are numbered through: those of the input first, then of each layer."""

    coefficient: IntArray
    index: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A tensor: constant + sum of coefficient * bit over the terms, element by element.

    With `integer` the bits are integers of the input. With `ordered` no bit is true where that of
    an earlier term is false.
    """

    constant: IntArray
    terms: tuple[Term, ...]
    integer: bool = False
    ordered: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return tuple(int(n) for n in self.constant.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Sums of bits: constant + sum of weight * bit, before anything is compared.

    `indices` (*positions, channels) number the bits, `weights` are (*window, channels, filters) of
    any magnitude, `constant` has the shape (*positions, filters) of the result.
    """

    layer: Layer
    indices: IntArray
    weights: IntArray
    constant: IntArray
    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    integer: bool


@dataclass(frozen=True, slots=True, eq=False)
class Sum:
    """A tensor of sums, and what has happened to them since: `chain` are those layers.

    Element e is a function of sum `origin[e]`; after max-pooling, of the largest in window
    `origin[e]` of `pool` over the sums `pooled`.
    """

    linear: Linear
    chain: tuple[Layer, ...]
    origin: IntArray
    pool: Pool | None = None
    pooled: IntArray | None = None

    def then(self, layer: Layer, origin: IntArray | None = None) -> Sum:
        """The sums after one more layer."""
        moved = self.origin if origin is None else origin
        return replace(self, chain=(*self.chain, layer), origin=moved)


@dataclass(frozen=True, slots=True, eq=False)
class Numbering:
    """The number of the first bit of the input, and of every layer so far."""

    inputs: int
    layers: tuple[BinaryLayer, ...]

    @property
    def starts(self) -> list[int]:
        """Number of the first bit of the input and of each layer, and of the next layer."""
        sizes = [self.inputs, *(int(np.prod(layer.shape)) for layer in self.layers)]
        return [0, *np.cumsum(sizes).tolist()]

    @property
    def next(self) -> int:
        """Number of the first bit of the next layer."""
        return self.starts[-1]

    def wiring(self, indices: IntArray) -> Wiring:
        """Numbers of bits as a wiring to the layers that have them."""
        starts = np.array(self.starts)
        present = indices != ABSENT
        owner = np.searchsorted(starts, indices, side="right") - 1
        used = sorted(set(owner[present].tolist())) or [0]
        local = np.full(indices.shape, ABSENT, dtype=np.int64)
        begin = 0
        for k in used:
            mine = present & (owner == k)
            local[mine] = indices[mine] - starts[k] + begin
            begin += int(starts[k + 1] - starts[k])
        return Wiring(tuple(k - 1 if k else INPUT for k in used), local)
