"""The narrowest widths of a float model that keep its accuracy within a loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.data import encode
from flow.frontend.float_model import evaluate_source
from flow.frontend.options import QuantiseOptions
from flow.frontend.quantise import to_network
from flow.frontend.source import SourceActivation, SourceInput, SourceModel
from flow.ir.layers import Dense, Requantize
from flow.ir.network import Network, evaluate_network

START_BITS = 8
WIDEST = 16
SAMPLES = 8192
"""Most samples that are looked at: the first ones."""

Widths = tuple[int, int, int | None]
"""Bits of inputs, weights and activations (None: full width)."""


@dataclass(frozen=True, slots=True)
class Try:
    """One point of the search: widths, accuracy on the held-out samples in [0, 1], and cost."""

    input_bits: int
    weight_bits: int
    activation_bits: int | None
    accuracy: float
    cost: int


@dataclass(frozen=True, slots=True)
class FoundWidths:
    """The widths found, every point that was tried, in order, and notes for the report."""

    options: QuantiseOptions
    tries: tuple[Try, ...]
    notes: tuple[str, ...]


def search_widths(
    model: SourceModel,
    options: QuantiseOptions,
    inputs: Mapping[str, Any],
    labels: Any,
    loss: float,
) -> FoundWidths:
    """The cheapest widths whose accuracy is at most `loss` (of 1) below the float model's.

    Samples with even numbers calibrate, the others are held out and decide. Each width is
    bisected while the others stand, the one that saves most is taken, and so on until none saves;
    widths of `options` are where it starts. Deterministic. UsageError where labels are no classes.
    """
    search = _Search(model, options, inputs, labels)
    goal = search.reference - loss
    best = search.start(goal)
    while best.accuracy >= goal:
        found = min(search.narrower(best, goal), key=lambda t: t.cost, default=best)
        if found.cost >= best.cost:
            break
        best = found
    chosen = replace(
        options,
        input_bits=best.input_bits,
        weight_bits=best.weight_bits,
        activation_bits=best.activation_bits,
    )
    return FoundWidths(chosen, tuple(search.tried.values()), (_note(best, search, goal),))


def cost(network: Network) -> int:
    """Bits of the adders of a bespoke circuit, roughly: non-zero signed digits of each weight
    times the bits of its input, and the bits that requantisations hand on."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, Dense):
            x = network.types[layer.sources[0]]
            widths = np.array([r.width for r in x.ranges()]).reshape(-1, x.shape[-1])
            total += int(widths.sum(axis=0) @ _digits(layer.weights).sum(axis=1))
        elif isinstance(layer, Requantize):
            total += sum(r.width for r in network.types[layer.name].ranges())
    return total


def _digits(weights: NDArray[Any]) -> NDArray[Any]:
    """Non-zero digits of the canonical signed form: the bits in which w and 3w differ."""
    w = np.abs(weights.astype(np.int64))
    digits: NDArray[Any] = np.bitwise_count(w ^ (3 * w)).astype(np.int64)
    return digits


@dataclass
class _Search:
    model: SourceModel
    options: QuantiseOptions
    inputs: Mapping[str, Any]
    labels: Any
    tried: dict[Widths, Try] = field(default_factory=dict)

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)[:SAMPLES]
        if labels.dtype.kind not in "iub" and not (
            labels.dtype.kind == "f" and (labels == np.floor(labels)).all()
        ):
            raise UsageError(
                "a loss of accuracy needs labels that are classes",
                hint="give the number of the class of every sample, from 0",
            )
        if len(labels) < 2:
            raise UsageError("a loss of accuracy needs at least two samples with labels")
        names = [x.name for x in self.model.layers if isinstance(x, SourceInput)]
        data = {n: np.asarray(self.inputs[n], dtype=np.float64)[:SAMPLES] for n in names}
        self.calibration = {n: x[::2] for n, x in data.items()}
        self.held_out = {n: x[1::2] for n, x in data.items()}
        self.wanted = labels[1::2].reshape(len(labels[1::2]), -1)
        self.reference = self._share(_decide(self.model, self.held_out))

    def start(self, goal: float) -> Try:
        """The first of ever wider points that reaches the goal, else the most accurate."""
        o = self.options
        first = o.input_bits or START_BITS, o.weight_bits, o.activation_bits
        tries = []
        for more in (0, 2, 4, 8):
            bits = [None if b is None else max(b, min(b + more, WIDEST)) for b in first]
            tries.append(self.attempt((bits[0] or START_BITS, bits[1] or START_BITS, bits[2])))
            if tries[-1].accuracy >= goal:
                return tries[-1]
        return max(tries, key=lambda t: t.accuracy)

    def narrower(self, at: Try, goal: float) -> Iterator[Try]:
        """The narrowest point in each direction that reaches the goal, by bisection."""
        yield from self._bisect(1, at.input_bits, goal, lambda b: _widths(at, input_bits=b))
        yield from self._bisect(2, at.weight_bits, goal, lambda b: _widths(at, weight_bits=b))
        top = at.activation_bits or WIDEST
        yield from self._bisect(1, top, goal, lambda b: _widths(at, activation_bits=b))

    def _bisect(self, low: int, high: int, goal: float, at: Any) -> Iterator[Try]:
        while low < high:
            middle = (low + high) // 2
            point = self.attempt(at(middle))
            if point.accuracy >= goal:
                yield point
                high = middle
            else:
                low = middle + 1

    def attempt(self, widths: Widths) -> Try:
        """Accuracy and cost of the model at these widths."""
        if widths not in self.tried:
            options = replace(
                self.options,
                input_bits=widths[0],
                weight_bits=widths[1],
                activation_bits=widths[2],
                head="decision",
            )
            network = to_network(self.model, options, self.calibration).network
            held_out = self.held_out.values()
            coded = {
                x.name: encode(x, data) for x, data in zip(network.inputs, held_out, strict=True)
            }
            answer = evaluate_network(network, coded)[network.outputs[0]]
            self.tried[widths] = Try(*widths, self._share(answer), cost(network))
        return self.tried[widths]

    def _share(self, answer: NDArray[Any]) -> float:
        return float((answer.reshape(len(answer), -1) == self.wanted).all(axis=1).mean())


def _widths(at: Try, **changed: int) -> Widths:
    new = replace(at, **changed)
    return new.input_bits, new.weight_bits, new.activation_bits


def _decide(model: SourceModel, inputs: Mapping[str, Any]) -> NDArray[Any]:
    """The classes that the float model answers, (samples, 1), or (samples, labels)."""
    name = model.outputs[0]
    answer = evaluate_source(model, inputs)[name]
    last = next(x for x in model.layers if x.name == name)
    head = last.function if isinstance(last, SourceActivation) else None
    if head == "argmax":
        return answer
    if head == "sigmoid" or answer.shape[-1] == 1:
        return (answer >= (0.5 if head == "sigmoid" else 0.0)).astype(np.int64)
    index: NDArray[Any] = np.argmax(answer, axis=-1)
    return index.reshape(len(answer), -1)


def _note(best: Try, search: _Search, goal: float) -> str:
    activations = "full width" if best.activation_bits is None else f"{best.activation_bits} bits"
    text = (
        f"widths: inputs {best.input_bits} bits, weights {best.weight_bits} bits, "
        f"activations {activations}; accuracy {best.accuracy:.4f} on held-out samples, "
        f"float {search.reference:.4f}, {len(search.tried)} points tried"
    )
    return text if best.accuracy >= goal else f"{text}; no point reached {goal:.4f}"
