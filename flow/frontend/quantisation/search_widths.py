"""The narrowest widths of a float model, layer by layer, that keep its accuracy within a loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from flow.errors import UsageError
from flow.frontend.exact.decisions import decided, share
from flow.frontend.files.data import encode
from flow.frontend.float_model import evaluate_source
from flow.frontend.network_cost import cost
from flow.frontend.quantisation.options import LayerBits, QuantiseOptions, print_layer_bits
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.source import SourceInput, SourceModel
from flow.frontend.unrolled import unrolled
from flow.ir.network import Network, evaluate_network
from flow.progress import Progress, silent

START_BITS = 8
WIDEST = 16
SAMPLES = 8192
"""Most samples that are looked at: the first ones."""
FEW = 100
"""With fewer samples none are held out."""
MOST_TRIES = 250


@dataclass(frozen=True, slots=True)
class Widths:
    """Bits of inputs, weights and activations (None: full width), and of single layers."""

    input_bits: int
    weight_bits: int
    activation_bits: int | None
    layers: tuple[LayerBits, ...] = ()


@dataclass(frozen=True, slots=True)
class Try:
    """One point of the search: accuracy on the samples that the search looks at, and cost."""

    widths: Widths
    accuracy: float
    cost: int


@dataclass(frozen=True, slots=True)
class FoundWidths:
    """The widths found, every point that was tried, in order, and notes for the report.

    `held_out` is the accuracy on the samples held out; `reference` that of the float model there.
    """

    options: QuantiseOptions
    tries: tuple[Try, ...]
    held_out: float
    reference: float
    notes: tuple[str, ...]


def search_widths(
    model: SourceModel,
    options: QuantiseOptions,
    inputs: Mapping[str, Any],
    labels: Any,
    loss: float,
    seed: int = 0,
    progress: Progress = silent,
) -> FoundWidths:
    """The cheapest widths whose accuracy is at most `loss` (of 1) below the float model's.

    One half of the samples, by the seed, calibrates and is searched on; the other half is held
    out. First one width serves all layers: each is bisected while the others stand, the one that
    saves most is taken, and so on until none saves. Then the layers, the largest first, get their
    own. Of all points tried the cheapest is taken that keeps the bound on both halves.
    Deterministic. UsageError where labels are no classes.
    """
    search = _Search(model, options, inputs, labels, seed, progress)
    goal = search.reference - loss
    best = search.start(goal)
    if best.accuracy >= goal:
        search.descend_layers(search.descend(best, goal), goal)
    return search.chosen(loss)


@dataclass
class _Search:
    model: SourceModel
    options: QuantiseOptions
    inputs: Mapping[str, Any]
    labels: Any
    seed: int
    progress: Progress
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
        if len(self.model.outputs) != 1:
            raise UsageError(
                f"a loss of accuracy needs one output, and {self.model.name} has "
                f"{len(self.model.outputs)}",
                hint="give the widths with --weight-bits and --activation-bits",
            )
        order = np.random.default_rng(self.seed).permutation(len(labels))
        half = len(labels) // 2
        self.few = len(labels) < FEW
        self.rows = (order, order) if self.few else (order[:half], order[half:])
        names = [x.name for x in self.model.layers if isinstance(x, SourceInput)]
        data = {n: np.asarray(self.inputs[n], dtype=np.float64)[:SAMPLES] for n in names}
        self.parts = tuple({n: x[rows] for n, x in data.items()} for rows in self.rows)
        self.wanted = tuple(labels[rows] for rows in self.rows)
        self.reference, self.held_reference = (
            share(decided(self.model, evaluate_source(self.model, part)), wanted)
            for part, wanted in zip(self.parts, self.wanted, strict=True)
        )

    def start(self, goal: float) -> Try:
        """The first of ever wider points that reaches the goal, else the most accurate."""
        o = self.options
        tries = []
        for more in (0, 2, 4, 8):
            first, second, third = (
                None if b is None else max(b, min(b + more, WIDEST))
                for b in (o.input_bits or START_BITS, o.weight_bits, o.activation_bits)
            )
            tries.append(self.attempt(Widths(first or START_BITS, second or START_BITS, third)))
            if tries[-1].accuracy >= goal:
                return tries[-1]
        return max(tries, key=lambda t: t.accuracy)

    def descend(self, at: Try, goal: float) -> Try:
        """The cheapest point with one width for all layers, step by step."""
        while True:
            found = min(self._narrower(at.widths, goal), key=lambda t: t.cost, default=at)
            if found.cost >= at.cost:
                return at
            at = found

    def _narrower(self, at: Widths, goal: float) -> Iterator[Try]:
        """The narrowest points in each direction that reach the goal, by bisection."""
        yield from self._bisect(1, at.input_bits, goal, lambda b: replace(at, input_bits=b))
        yield from self._bisect(2, at.weight_bits, goal, lambda b: replace(at, weight_bits=b))
        top = at.activation_bits or WIDEST
        yield from self._bisect(1, top, goal, lambda b: replace(at, activation_bits=b))

    def descend_layers(self, at: Try, goal: float) -> Try:
        """The cheapest point in which layers have their own widths, the largest layer first."""
        rows = sorted(unrolled(self.model), key=lambda r: -r.multiplications)
        names = [row.layer.name for row in rows]
        if len(names) < 2:
            return at
        for _ in range(2):
            before = at.cost
            for name in names:
                for low, bits_of, changed in (
                    (2, _weight_bits, _with_weights),
                    (1, _read_bits, _with_reads),
                ):
                    top = bits_of(at.widths, name)
                    points = self._bisect(low, top, goal, partial(changed, at.widths, name))
                    found = min(points, key=lambda t: t.cost, default=at)
                    at = found if found.cost < at.cost else at
            if at.cost == before:
                break
        return at

    def _bisect(
        self, low: int, high: int, goal: float, at: Callable[[int], Widths]
    ) -> Iterator[Try]:
        while low < high and len(self.tried) < MOST_TRIES:
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
            self.progress("widths tried", len(self.tried))
            network = self._network(widths)
            self.tried[widths] = Try(widths, self._accuracy(network, 0), cost(network))
        return self.tried[widths]

    def _network(self, widths: Widths) -> Network:
        options = replace(_with(self.options, widths), head="decision")
        return to_network(self.model, options, self.parts[0]).network

    def _accuracy(self, network: Network, part: int) -> float:
        coded = {
            x.name: encode(x, data)
            for x, data in zip(network.inputs, self.parts[part].values(), strict=True)
        }
        answer = evaluate_network(network, coded)[network.outputs[0]]
        return share(answer.reshape(len(answer), -1), self.wanted[part])

    def chosen(self, loss: float) -> FoundWidths:
        """The cheapest point that both parts of the samples bear out, else the most accurate."""
        bound, goal = self.reference - loss, self.held_reference - loss
        good = [t for t in self.tried.values() if t.accuracy >= bound]
        best = max(self.tried.values(), key=lambda t: t.accuracy)
        accuracy = self._accuracy(self._network(best.widths), 1)
        for point in sorted(good, key=lambda t: t.cost):
            held = self._accuracy(self._network(point.widths), 1)
            if held >= goal:
                best, accuracy = point, held
                break
        options = _with(self.options, best.widths)
        notes = self._notes(best, accuracy, goal)
        tries = tuple(self.tried.values())
        return FoundWidths(options, tries, accuracy, self.held_reference, notes)

    def _notes(self, best: Try, accuracy: float, goal: float) -> tuple[str, ...]:
        w = best.widths
        activations = "full width" if w.activation_bits is None else f"{w.activation_bits} bits"
        text = (
            f"widths: inputs {w.input_bits} bits, weights {w.weight_bits} bits, activations "
            f"{activations}"
        )
        if w.layers:
            text += f", single layers {print_layer_bits(w.layers)}"
        searched, held = (len(rows) for rows in self.rows)
        result = [
            f"{text}; {len(self.tried)} points tried",
            f"accuracy on {held} samples {'searched on' if self.few else 'held out'}: "
            f"{accuracy:.4f}, float {self.held_reference:.4f}",
        ]
        if self.few:
            result.append(
                f"{held} samples are too few to hold some out: they calibrate, search and check"
            )
        else:
            result.append(
                f"accuracy on the {searched} samples of the search: {best.accuracy:.4f}, "
                f"float {self.reference:.4f}"
            )
        if accuracy < goal:
            result.append(f"no widths of the search reached {goal:.4f} on the samples held out")
        return tuple(result)


def _with(options: QuantiseOptions, widths: Widths) -> QuantiseOptions:
    return replace(
        options,
        input_bits=widths.input_bits,
        weight_bits=widths.weight_bits,
        activation_bits=widths.activation_bits,
        layers=widths.layers,
    )


def _own(at: Widths, layer: str) -> LayerBits:
    return next((x for x in at.layers if x.layer == layer), LayerBits(layer))


def _weight_bits(at: Widths, layer: str) -> int:
    return _own(at, layer).weight_bits or at.weight_bits


def _read_bits(at: Widths, layer: str) -> int:
    return _own(at, layer).activation_bits or at.activation_bits or WIDEST


def _with_weights(at: Widths, layer: str, bits: int) -> Widths:
    return _changed(at, replace(_own(at, layer), weight_bits=bits))


def _with_reads(at: Widths, layer: str, bits: int) -> Widths:
    return _changed(at, replace(_own(at, layer), activation_bits=bits))


def _changed(at: Widths, new: LayerBits) -> Widths:
    layers = {x.layer: x for x in (*at.layers, new)}
    return replace(at, layers=tuple(layers[name] for name in sorted(layers)))
