"""Quantisation-aware retraining of a graph whose weights and tensors are on steps.

Kernels are kept real and brought to their step in every pass; gradients pass through the rounding
(straight-through estimator, Bengio et al. 2013, arXiv 1308.3432); Adam (Kingma and Ba 2015, arXiv
1412.6980) moves them, by parts of each kernel's spread. The answers of a float network may stand
beside the labels: distillation, Hinton et al. 2015, arXiv 1503.02531.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flow.progress import Progress, silent
from flow.train.float_graph import Array, FloatGraph, Parameters
from flow.train.losses import LossKind, gradient, loss

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-12
LEAST_SPREAD = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Integers of magnitude up to `top`, times a step that broadcasts from the last axis."""

    step: Array
    top: int

    def round(self, kernel: Array) -> Array:
        """The nearest values on the grid."""
        result: Array = np.clip(np.rint(kernel / self.step), -self.top, self.top) * self.step
        return result

    def clip(self, kernel: Array) -> Array:
        """The kernel within the ends of the grid."""
        return np.asarray(np.clip(kernel, -self.top * self.step, self.top * self.step))


@dataclass(frozen=True, slots=True)
class RetrainOptions:
    """How long and how fast: `rate` is the part of a kernel's spread that a step moves it by."""

    epochs: int = 40
    batch: int = 64
    rate: float = 0.02
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Inputs by name, and what is wanted of them: (samples, outputs)."""

    inputs: Mapping[str, Array]
    wanted: Array

    def rows(self, rows: Array) -> Lesson:
        """The same of some samples."""
        return Lesson({name: x[rows] for name, x in self.inputs.items()}, self.wanted[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Retrained:
    """Kernels on their grids and real biases; the loss on the lesson held out, before and after."""

    weights: Parameters
    before: float
    after: float


def retrain(
    graph: FloatGraph,
    weights: Parameters,
    grids: Mapping[str, Grid],
    kind: LossKind,
    lesson: Lesson,
    held: Lesson,
    options: RetrainOptions,
    progress: Progress = silent,
) -> Retrained:
    """The weights of the epoch whose loss on `held` is least; those given where none is lower.

    A layer without a grid keeps real weights. Equal seeds give equal weights on one machine.
    """
    real = {name: (kernel.copy(), bias.copy()) for name, (kernel, bias) in weights.items()}
    spreads = {
        name: max(float(np.std(kernel)), LEAST_SPREAD * float(np.abs(kernel).max(initial=0.0)))
        for name, (kernel, _) in real.items()
    }
    first = {name: tuple(np.zeros_like(a) for a in pair) for name, pair in real.items()}
    second = {name: tuple(np.zeros_like(a) for a in pair) for name, pair in real.items()}
    random = np.random.default_rng(options.seed)
    best = _on_grids(real, grids)
    before = least = _loss(graph, best, kind, held)
    count = len(lesson.wanted)
    steps, number = options.epochs * -(-count // options.batch), 0
    for epoch in range(options.epochs):
        progress("epochs of retraining", epoch, options.epochs)
        order = random.permutation(count)
        for start in range(0, count, options.batch):
            part = lesson.rows(order[start : start + options.batch])
            used = _on_grids(real, grids)
            known = graph.values(part.inputs, used)
            pulled = gradient(kind, known[graph.output], part.wanted)
            found, _ = graph.gradients(known, used, pulled)
            rate = options.rate * 0.5 * (1 + np.cos(np.pi * number / steps))
            number += 1
            for name, pair in found.items():
                for i, g in enumerate(pair):
                    m, v, w = first[name][i], second[name][i], real[name][i]
                    m += (1 - BETA1) * (g - m)
                    v += (1 - BETA2) * (g * g - v)
                    size = np.sqrt(v / (1 - BETA2**number)) + EPSILON
                    w -= rate * spreads[name] / (1 - BETA1**number) * m / size
                if name in grids:
                    real[name][0][...] = grids[name].clip(real[name][0])
        candidate = _on_grids(real, grids)
        now = _loss(graph, candidate, kind, held)
        if now < least:
            best, least = candidate, now
    return Retrained(best, before, least)


def _on_grids(weights: Parameters, grids: Mapping[str, Grid]) -> dict[str, tuple[Array, Array]]:
    return {
        name: (grids[name].round(kernel) if name in grids else kernel.copy(), bias.copy())
        for name, (kernel, bias) in weights.items()
    }


def _loss(graph: FloatGraph, weights: Parameters, kind: LossKind, lesson: Lesson) -> float:
    return loss(kind, graph.values(lesson.inputs, weights)[graph.output], lesson.wanted)
