"""Curvature of the loss: products with the Hessian, and its trace by Hutchinson's estimator.

A product with the Hessian is the derivative of the gradient in a direction (Pearlmutter, "Fast
Exact Multiplication by the Hessian", Neural Computation 6(1), 1994); one complex step gives it to
rounding. The trace is the mean of v'Hv over random signs v (Hutchinson, Communications in
Statistics 19(2), 1990), which Dong et al., "HAWQ-V2", NeurIPS 2020, take as the sensitivity of a
layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from flow.train.float_graph import Array, FloatGraph, Parameters
from flow.train.losses import LossKind, gradient

STEP = 1e-30
"""Of the imaginary part: its square is below every rounding."""
TOLERANCE = 1e-3
"""Relative change of the running mean at which the estimate ends."""
FEWEST, MOST = 10, 300
STILL = 3
"""As many vectors in a row have to change the mean less than that."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The mean of v'Hv, and how many vectors it took; `settled` before the most were tried."""

    value: float
    vectors: int
    settled: bool


def hutchinson(
    product: Callable[[Array], Array],
    shape: tuple[int, ...],
    random: np.random.Generator,
    tolerance: float = TOLERANCE,
    most: int = MOST,
) -> Trace:
    """The trace of a symmetric linear map on arrays of `shape`, estimated by random signs."""
    total, still = 0.0, 0
    for count in range(1, most + 1):
        v = random.integers(0, 2, shape) * 2.0 - 1.0
        before = total / (count - 1) if count > 1 else 0.0
        total += float((v * product(v)).sum())
        mean = total / count
        still = still + 1 if abs(mean - before) <= tolerance * abs(mean) else 0
        if count >= FEWEST and still >= STILL:
            return Trace(mean, count, True)
    return Trace(total / most, most, False)


@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """The loss of a graph on some samples, as a function of its kernels and its results."""

    graph: FloatGraph
    weights: Parameters
    inputs: Mapping[str, Array]
    kind: LossKind
    wanted: Array

    def by_kernel(self, layer: str, v: Array) -> Array:
        """The Hessian of the mean loss by a layer's kernel, times v of the kernel's shape."""
        kernel, bias = self.weights[layer]
        moved = {**self.weights, layer: (kernel + 1j * STEP * v, bias)}
        found, _ = self._gradients(moved, {})
        return np.asarray(found[layer][0].imag / STEP)

    def by_result(self, name: str, v: Array) -> Array:
        """The Hessian of the mean loss by the values of one tensor, times v of their shape."""
        _, results = self._gradients(self.weights, {name: 1j * STEP * v})
        return np.asarray(results[name].imag / STEP)

    def trace_by_kernel(self, layer: str, random: np.random.Generator, most: int = MOST) -> Trace:
        """The trace of the Hessian by a layer's kernel."""
        shape = self.weights[layer][0].shape
        return hutchinson(lambda v: self.by_kernel(layer, v), shape, random, most=most)

    def trace_by_result(self, name: str, random: np.random.Generator, most: int = MOST) -> Trace:
        """The trace of the Hessian by all values of one tensor, those of all samples together."""
        shape = self.graph.values(self.inputs, self.weights)[name].shape
        return hutchinson(lambda v: self.by_result(name, v), shape, random, most=most)

    def _gradients(
        self, weights: Parameters, add: Mapping[str, Array]
    ) -> tuple[dict[str, tuple[Array, Array]], dict[str, Array]]:
        known = self.graph.values(self.inputs, weights, add)
        g = gradient(self.kind, known[self.graph.output], self.wanted)
        return self.graph.gradients(known, weights, g)
