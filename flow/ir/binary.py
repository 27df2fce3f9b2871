"""Binary layers: what a network of bits is to threshold logic, and what it means.

A bit is an input of the network that has two values, or the answer of a neuron. A neuron counts

    p = number of its taps whose bit agrees with the sign of the weight,

over the taps with a weight other than 0 that lie inside the input: `fan_in` of them. Its bit is
p >= threshold, with 0 <= threshold <= fan_in + 1: 0 is always true, fan_in + 1 never. A neuron of
the first layer may read integers instead, and compares the sum of weight * integer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from flow.errors import IRError
from flow.ir.tensor import IntArray
from flow.ir.windows import Padding, exact_product, window_shape, windows

INPUT = -1
"""In `sources`: the inputs of the network, flattened one after the other."""

ABSENT = -1
"""In `wiring`: no bit; the tap counts neither for the sum nor for the fan-in."""


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """Where a layer gets its bits: element e of its input is bit `indices.flat[e]` of the results
    of `sources` (numbers of earlier layers, or INPUT), flattened one after the other; ABSENT has
    none. `indices` has the shape of the input (*positions, channels)."""

    sources: tuple[int, ...]
    indices: IntArray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the layer's input."""
        return tuple(int(n) for n in self.indices.shape)

    @property
    def straight(self) -> bool:
        """Whether the input is the whole of one source in its own order."""
        flat = self.indices.ravel()
        return len(self.sources) == 1 and bool((flat == np.arange(flat.size)).all())

    def gather(self, results: Sequence[IntArray], fill: int = 0) -> IntArray:
        """The input (samples, *shape) from the flat results (samples, bits) of the sources."""
        joined = np.concatenate(list(results), axis=1)
        taken: IntArray = joined[:, self.indices]
        taken[:, self.indices == ABSENT] = fill
        return taken


@dataclass(frozen=True, slots=True, eq=False)
class Neurons:
    """Threshold neurons: a dense layer (an empty window) or a convolution.

    `weights` are (*window, channels, filters): -1, 0 or 1; any integers where `integer` is true,
    and then `threshold` is one of sums. `threshold` and `fan_in` have the shape of the result
    (*positions, filters): both differ at borders. Padding is absent, whatever the model pads with.
    """

    kind: ClassVar[str] = "neurons"

    name: str
    wiring: Wiring
    weights: IntArray
    threshold: IntArray
    fan_in: IntArray
    strides: tuple[int, ...] = ()
    padding: Padding = ()
    dilation: tuple[int, ...] = ()
    integer: bool = False

    def __post_init__(self) -> None:
        if self.threshold.shape != self.shape or self.fan_in.shape != self.shape:
            raise IRError(f"{self.name}: thresholds {self.threshold.shape} for {self.shape}")
        if self.integer:
            return
        if self.weights.size and abs(self.weights).max() > 1:
            raise IRError(f"{self.name}: a weight of bits is -1, 0 or 1")
        if ((self.threshold < 0) | (self.threshold > self.fan_in + 1)).any():
            raise IRError(f"{self.name}: a threshold lies outside 0 ... fan-in + 1")

    @property
    def window(self) -> tuple[int, ...]:
        """The window of positions; () of a dense layer."""
        return tuple(int(n) for n in self.weights.shape[:-2])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result (*positions, filters)."""
        here = self.wiring.shape
        if here[-1] != self.weights.shape[-2]:
            raise IRError(f"{self.name}: weights {self.weights.shape} meet an input {here}")
        filters = int(self.weights.shape[-1])
        if not self.window:
            return (filters,)
        counts = window_shape(here, self.window, self.strides, self.padding, self.dilation)
        return (*counts, filters)

    def taps(self, x: IntArray, fill: int) -> IntArray:
        """The operands (samples, *positions, taps) of every neuron, window first, channels last."""
        if not self.window:
            return x
        seen = windows(x, self.window, self.strides, self.padding, self.dilation, fill)
        return seen.reshape(*seen.shape[: 1 + len(self.window)], -1)

    def counts(self, x: IntArray) -> IntArray:
        """The sums (samples, *shape) that are compared: p, or of integers."""
        flat = self.weights.reshape(-1, self.weights.shape[-1]).astype(np.int64)
        if self.integer:
            return exact_product(self.taps(x, 0), flat)
        # Absent taps are 0; agreeing ones are +1, others -1: p = (sum + fan-in) / 2.
        here = (self.wiring.indices != ABSENT)[None]
        return (exact_product(self.taps(np.where(here, 2 * x - 1, 0), 0), flat) + self.fan_in) // 2

    def evaluate(self, x: IntArray) -> IntArray:
        """The bits (samples, *shape) of an input (samples, *wiring.shape) of bits or integers."""
        return np.asarray(self.counts(x) >= self.threshold, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class OrPool:
    """The OR of every window of each channel: max-pooling of bits. Padding is 0."""

    kind: ClassVar[str] = "pool"

    name: str
    wiring: Wiring
    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result (*positions, channels)."""
        ones = (1,) * len(self.window)
        here = self.wiring.shape
        return (*window_shape(here, self.window, self.strides, self.padding, ones), here[-1])

    def evaluate(self, x: IntArray) -> IntArray:
        """The bits (samples, *shape)."""
        axes, ones = len(self.window), (1,) * len(self.window)
        seen = windows(x, self.window, self.strides, self.padding, ones, 0)
        largest: IntArray = seen.max(axis=tuple(range(axes + 1, 2 * axes + 1)))
        return largest


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The last layer: score[j] = multiplier[j] * p[j] + offset[j], or its argmax.

    p counts as in Neurons; `weights` (inputs, classes) are -1, 0 or 1. With `argmax` the answer is
    the index of the largest score, the lowest of several. The answers have the shape `shape`.
    """

    kind: ClassVar[str] = "scores"

    name: str
    wiring: Wiring
    weights: IntArray
    fan_in: IntArray
    multiplier: IntArray
    offset: IntArray
    argmax: bool
    shape: tuple[int, ...]

    def counts(self, x: IntArray) -> IntArray:
        """p of every class (samples, classes)."""
        here = (self.wiring.indices != ABSENT)[None]
        signs = np.where(here, 2 * x - 1, 0)
        return (exact_product(signs, self.weights.astype(np.int64)) + self.fan_in) // 2

    def evaluate(self, x: IntArray) -> IntArray:
        """The scores, or the class (samples, *shape)."""
        scores: Any = self.counts(x).astype(object) * self.multiplier + self.offset
        if self.argmax:
            scores = np.argmax(scores, axis=-1)
        return np.asarray(scores).reshape(-1, *self.shape)


BinaryLayer = Neurons | OrPool | Scores


def evaluate_binary(
    layers: Sequence[BinaryLayer], inputs: Sequence[IntArray]
) -> tuple[IntArray, ...]:
    """The result (samples, *shape) of every layer: bits, and of the last one the answers.

    `inputs` are those of the network in order (samples, *shape): integers where the first layer
    reads integers, else bits.
    """
    flat = np.concatenate([np.asarray(x).reshape(len(x), -1) for x in inputs], axis=1)
    results: list[IntArray] = []
    for layer in layers:
        read = [
            flat if s == INPUT else results[s].reshape(len(flat), -1) for s in layer.wiring.sources
        ]
        results.append(layer.evaluate(layer.wiring.gather(read)))
    return tuple(results)
