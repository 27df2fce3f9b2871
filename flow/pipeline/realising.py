"""A design of a codesign made real: widths to a calibrated model, retrained, as integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flow.frontend.exact.decisions import share
from flow.frontend.files.data import Samples, encode
from flow.frontend.network_cost import cost
from flow.frontend.quantisation.calibrate import with_coded_inputs
from flow.frontend.quantisation.options import LayerBits, QuantiseOptions
from flow.frontend.quantisation.quantise import Calibrated, calibrated, to_integers
from flow.frontend.source import SourceConv, SourceDense, SourceLayer, SourceModel, Weights
from flow.ir.network import Network, evaluate_network
from flow.pipeline.differentiable import Differentiable, differentiable
from flow.progress import Progress, silent
from flow.train.float_graph import Array
from flow.train.losses import answer
from flow.train.retrain import Grid, Lesson, RetrainOptions, retrain

Widths = Mapping[str, tuple[int, int]]
"""Bits of the weights of each layer, and of what it reads."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Samples to fit on, to choose the best epoch on, and to measure on."""

    fit: Samples
    choose: Samples
    held: Samples


@dataclass(frozen=True, slots=True, eq=False)
class Realised:
    """A calibrated model with its accuracy on samples held out, before and after retraining.

    `chosen` is the accuracy on the samples that choose.
    """

    ready: Calibrated
    network: Network
    rounded: float
    accuracy: float
    chosen: float

    @property
    def area(self) -> float:
        """Bits of adders of its bespoke circuit."""
        return float(cost(self.network))


@dataclass(frozen=True, slots=True, eq=False)
class Realiser:
    """Makes designs of one float model; `distil` is the part of the answers of its teacher, itself
    if none is named, among what is wanted.

    With no epochs a design is rounded only.
    """

    source: SourceModel
    options: QuantiseOptions
    parts: Parts
    retraining: RetrainOptions
    distil: float = 0.0
    teacher: SourceModel | None = None

    @property
    def given(self) -> SourceModel:
        """What designs are compared with."""
        return self.teacher or self.source

    def realise(self, widths: Widths, progress: Progress = silent) -> Realised:
        """The design of these widths. Inputs keep those of the options."""
        ready = self.calibrate(widths)
        before = to_integers(ready).network
        rounded, chosen = self._accuracies(before)
        if self.retraining.epochs:
            taught = self._retrained(ready, progress)
            network = to_integers(taught).network
            accuracy, better = self._accuracies(network)
            # The loss has chosen the epoch; what the integers decide has the last word.
            if better >= chosen:
                return Realised(taught, network, rounded, accuracy, better)
        return Realised(ready, before, rounded, rounded, chosen)

    def _accuracies(self, network: Network) -> tuple[float, float]:
        """On the samples held out, and on those that choose."""
        held, choose = self.parts.held, self.parts.choose
        return self.accuracy(network, held), self.accuracy(network, choose)

    def calibrate(self, widths: Widths) -> Calibrated:
        """The float model rounded to these widths."""
        layers = tuple(LayerBits(name, w, a) for name, (w, a) in widths.items())
        widest = max((a for _, a in widths.values()), default=None)
        options = replace(self.options, layers=layers, activation_bits=widest)
        return calibrated(self.source, options, self.parts.fit.inputs)

    def accuracy(self, network: Network, samples: Samples) -> float:
        """The share of samples that the integers decide as labelled."""
        coded = {
            x.name: encode(x, np.asarray(data))
            for x, data in zip(network.inputs, samples.inputs.values(), strict=True)
        }
        answers = evaluate_network(network, coded)[network.outputs[0]]
        return share(answers.reshape(len(answers), -1), np.asarray(samples.labels))

    def _retrained(self, ready: Calibrated, progress: Progress) -> Calibrated:
        found = differentiable(ready.model, True)
        # Rounding starts from the float weights, not from rounded ones.
        plain = calibrated_floats(self.source, ready, self.parts.fit.inputs)
        weights = {
            name: (plain.get(name, kernel), bias)
            for name, (kernel, bias) in found.weights.items()
        }  # fmt: skip
        taught = retrain(
            found.graph, weights, grids(ready), found.kind,
            self._lesson(found, self.parts.fit),
            self._lesson(found, self.parts.choose), self.retraining, progress,
        )  # fmt: skip
        return replace(ready, model=with_weights(ready.model, taught.weights))

    def _lesson(self, found: Differentiable, samples: Samples) -> Lesson:
        wanted = found.wanted(samples.inputs, samples.labels)
        if self.distil:
            floats = differentiable(self.given, True)
            sums = floats.graph.values(samples.inputs, floats.weights)[floats.graph.output]
            wanted = (1 - self.distil) * wanted + self.distil * answer(floats.kind, sums)
        return Lesson(samples.inputs, wanted)


def calibrated_floats(
    source: SourceModel, ready: Calibrated, inputs: Mapping[str, Any]
) -> dict[str, Array]:
    """The float kernels that a calibrated model was rounded from, by layer."""
    plain, _ = with_coded_inputs(source, ready.options, inputs)
    return {
        x.name: x.kernel.values for x in plain.layers if isinstance(x, SourceDense | SourceConv)
    }


def grids(ready: Calibrated) -> dict[str, Grid]:
    """The grid of every kernel of a calibrated model."""
    found = {}
    for layer in ready.model.layers:
        if isinstance(layer, SourceDense | SourceConv) and layer.kernel.step is not None:
            step = np.asarray(layer.kernel.step).astype(np.float64)
            top = (1 << (ready.options.weight_bits_of(layer.name) - 1)) - 1
            found[layer.name] = Grid(step, top)
    return found


def with_weights(model: SourceModel, weights: Mapping[str, tuple[Array, Array]]) -> SourceModel:
    """The model with other kernels, on the same steps, and other biases."""
    layers: list[SourceLayer] = []
    for layer in model.layers:
        if isinstance(layer, SourceDense | SourceConv) and layer.name in weights:
            kernel, bias = weights[layer.name]
            layer = replace(layer, kernel=Weights(kernel, layer.kernel.step), bias=Weights(bias))
        layers.append(layer)
    return replace(model, layers=tuple(layers))
