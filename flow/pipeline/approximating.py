"""Approximations applied to a network: those of numbers, then those of its gates.

What gates were changed is a Network of one layer of gates afterwards, so that it is built, proved
and measured like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flow.backends.bitblast import bitblast
from flow.errors import UsageError
from flow.ir.aig import Aig
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import IntArray
from flow.passes.approximate.base import Facts
from flow.passes.approximate.coefficients import ReplaceCoefficients
from flow.passes.approximate.gates import (
    GateFacts,
    answers,
    gate_facts,
    gate_network,
    with_scores,
)
from flow.passes.approximate.registry import (
    GATE_APPROXIMATIONS,
    NETWORK_APPROXIMATIONS,
    AnyApproximation,
    parse_approximations,
)
from flow.passes.approximate.trim_gates import trimmings
from flow.passes.base import run_passes
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipelines import COMPRESSED, HEAPS
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import Imported, encode_samples
from flow.pipeline.multiplier_areas import multiplier_areas
from flow.tech.technology import Technology


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A network of gates, how many they are, and how many training samples it classifies right."""

    network: Network
    gates: int
    correct: int


@dataclass(frozen=True, slots=True)
class MeasuredAreas:
    """Areas (um2) of bespoke multipliers by input bits, then by the magnitude of the weight."""

    areas: Mapping[int, Mapping[int, float]]

    def area(self, weight: int, input_bits: int) -> float:
        """The cell area (um2) of x * weight; a power of two is a wire."""
        size = abs(weight)
        return self.areas[input_bits][size] if size & (size - 1) else 0.0


def approximated(
    network: Network,
    items: Sequence[AnyApproximation],
    x: IntArray,
    labels: IntArray | None = None,
    technology: Technology | None = None,
) -> Network:
    """The network after some approximations, in order, with training data for its one input.

    Areas of multipliers are measured under the technology where one is needed. UsageError where
    a numeric approximation comes after one of gates.
    """
    gates = False
    for item in items:
        if isinstance(item, NETWORK_APPROXIMATIONS):
            if gates:
                raise UsageError(
                    f"{item.name} comes after an approximation of gates",
                    hint="put approximations of gates last",
                )
            areas = None
            if isinstance(item, ReplaceCoefficients) and technology is not None:
                widths = _input_bits(network)
                areas = MeasuredAreas({b: multiplier_areas(technology, b) for b in widths})
            network = item.run_with(network, Facts({network.inputs[0].name: x}, areas))
        elif isinstance(item, GATE_APPROXIMATIONS):
            gates = True
            graph, facts = graph_of(network, x, labels)
            network = gate_network(network, item.run_with(graph, facts), facts.lanes)
    return network


def approximated_import(
    imported: Imported, network: Network, config: BuildConfig, technology: object
) -> tuple[Network, tuple[str, ...]]:
    """The network of an import after the approximations of a configuration, and notes of them.

    What they look at are the samples of --calibrate, or those that the search of a point has seen.
    """
    if config.approximate is None:
        return network, ()
    items = parse_approximations(config.approximate)
    samples = imported.calibration
    if samples is None or (config.calibrate is None and config.pick is None):
        raise UsageError(
            "--approximate looks at training samples, and none are given",
            hint="give them with --calibrate; those of --data are for the test",
        )
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise UsageError("--approximate needs a network of one input and one output")
    x = encode_samples(network, samples)[network.inputs[0].name]
    labels = None if samples.labels is None else np.asarray(samples.labels)
    known = technology if isinstance(technology, Technology) else None
    found = approximated(network, items, x, labels, known)
    told = f"approximated, by {len(samples)} training samples: {config.approximate}"
    if labels is not None and network.types[network.outputs[0]].shape == (1,):
        before, after = (_right(one, x, labels) for one in (network, found))
        told += f"; {after} of them are right, {before} were before"
    return found, (told,)


def _right(network: Network, x: IntArray, labels: IntArray) -> int:
    answers = evaluate_network(network, {network.inputs[0].name: x})[network.outputs[0]]
    return int((answers.ravel() == labels).sum())


def trimmed(
    network: Network, x: IntArray, labels: IntArray, lost: int, gently: bool = False
) -> Iterator[Trimmed]:
    """Ever smaller networks of gates, from the network itself on, down to `lost` right answers
    fewer on the training data. Choose among them by other data: they learn these by heart;
    see `trimmings` for `gently`."""
    graph, facts = graph_of(network, x, labels)
    for found in _each(graph, facts, lost, gently):
        new = gate_network(network, found, facts.lanes)
        right = evaluate_network(new, {new.inputs[0].name: x})[new.outputs[0]].ravel() == labels
        yield Trimmed(new, found.size, int(right.sum()))


def graph_of(
    network: Network, x: IntArray, labels: IntArray | None = None
) -> tuple[Aig, GateFacts]:
    """The gates of a network and its scores, the fewer of two ways; the training data for them."""
    lowered = LowerLayers().run(with_scores(network))
    tried = [run_passes(lowered, passes) for passes in (HEAPS, COMPRESSED)]
    graphs = [bitblast(circuit) for circuit in tried]
    best = min((0, 1), key=lambda k: graphs[k].size)
    circuit = tried[best]
    scores = circuit.outputs[-1].name if len(circuit.outputs) > len(network.outputs) else ""
    if len(circuit.inputs) != 1:
        raise UsageError("gates can be approximated in a network of one input only")
    facts = gate_facts(circuit, {circuit.inputs[0].name: np.asarray(x)}, scores, labels)
    return graphs[best], facts


def _each(graph: Aig, facts: GateFacts, lost: int, gently: bool) -> Iterator[Aig]:
    yield answers(graph, facts)
    yield from trimmings(graph, facts, lost, gently)


def _input_bits(network: Network) -> tuple[int, ...]:
    """The widths of all unsigned tensors that a layer reads."""
    found = {
        hi.bit_length()
        for layer in network.layers
        for source in layer.sources
        for hi in network.types[source].hi.ravel().tolist()
        if network.types[source].hull.lo >= 0
    }
    return tuple(sorted(found))
