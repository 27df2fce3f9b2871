"""Approximations of gates: what they look at, and the way back from gates to a Network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.ir.aig import Aig, AigBuilder, Words, pack
from flow.ir.circuit import Circuit, lane_width
from flow.ir.gate_layer import bits_of_values, gates_layer
from flow.ir.layers import ArgMax, AtLeast, Tournament
from flow.ir.network import Network
from flow.ir.tensor import IntArray


@dataclass(frozen=True, slots=True)
class GateFacts:
    """Training data as packed words for the inputs of a graph, of `count` samples.

    `places[k]` is the significance of output k where it is a bit of a score, or None where it is
    an answer. Scores are outputs for this only: an approximation drops them. `lanes` are the bits
    of each answer, `labels` the right ones, where there is one answer.
    """

    words: Words
    count: int
    places: tuple[int | None, ...]
    lanes: tuple[int, ...] = ()
    labels: IntArray | None = None


def gate_facts(
    circuit: Circuit,
    samples: Mapping[str, IntArray],
    scores: str = "",
    labels: IntArray | None = None,
) -> GateFacts:
    """The facts of a circuit's graph for samples of its input ports (samples, lanes).

    `scores` names the output port whose bits count as scores, if one does.
    """
    bits = np.concatenate(
        [
            bits_of_values(
                np.asarray(samples[port.name]).reshape(-1, len(port.lanes)),
                tuple(lane_width(lane) for lane in port.lanes),
            )
            for port in circuit.inputs
        ],
        axis=1,
    )
    places: list[int | None] = []
    lanes = []
    for port in circuit.outputs:
        for lane in port.lanes:
            width = lane_width(lane)
            if port.name == scores:
                places += range(width)
            else:
                places += [None] * width
                lanes.append(width)
    return GateFacts(pack(bits), len(bits), tuple(places), tuple(lanes), labels)


def simulated(graph: Aig, facts: GateFacts) -> Words:
    """The values of every variable on the training data, zeros behind the last sample."""
    values = graph.simulate_all(facts.words)
    rest = facts.count % 64
    if rest:
        values[:, -1] &= np.uint64((1 << rest) - 1)
    return values


def answers(graph: Aig, facts: GateFacts) -> Aig:
    """The graph without the scores."""
    kept = [k for k, place in enumerate(facts.places) if place is None]
    return remade(graph, {}, kept)


def remade(graph: Aig, instead: Mapping[int, int], kept: Sequence[int]) -> Aig:
    """The graph with literals of earlier variables in place of some, and some of its outputs."""
    g = AigBuilder(graph.name, graph.inputs)
    new = [2 * v for v in range(graph.first_gate)] + [0] * graph.size
    for variable, literal in instead.items():
        if variable < graph.first_gate:
            new[variable] = literal
    for k, (a, b) in enumerate(zip(graph.left, graph.right, strict=True), graph.first_gate):
        other = instead.get(k)
        if other is not None:
            new[k] = new[other >> 1] ^ other & 1
        else:
            new[k] = g.conj(new[a >> 1] ^ a & 1, new[b >> 1] ^ b & 1)
    return g.finish(
        [(graph.outputs[k], new[graph.literals[k] >> 1] ^ graph.literals[k] & 1) for k in kept]
    )


def with_scores(network: Network) -> Network:
    """The network with what its decision reads as a last output, if a decision is its output."""
    last = network.layer(network.outputs[-1])
    if isinstance(last, ArgMax | Tournament | AtLeast):
        return replace(network, outputs=(*network.outputs, *last.sources))
    return network


def gate_network(network: Network, graph: Aig, lanes: Sequence[int]) -> Network:
    """The network of one input and one output with a graph of gates for all its layers.

    The graph has the bits of the output only; `lanes` says how many each element has. Raises
    UsageError where there are more ports.
    """
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise UsageError(
            "gates can be approximated in a network of one input and one output only",
            hint=f"{network.name} has {len(network.inputs)} and {len(network.outputs)}",
        )
    (source,), (name,) = network.inputs, network.outputs
    widths = tuple(max(1, r.width) for r in source.tensor.ranges())
    if network.types[name].hull.signed:
        raise UsageError("gates can be approximated where no output is negative")
    place = network.layer(name).place
    layer = gates_layer(name, source.name, place, graph, widths, tuple(lanes))
    return replace(network, layers=(source, layer))


def reach(graph: Aig, places: Sequence[int | None]) -> NDArray[np.int64]:
    """For each variable the most significant output bit that it can change; -1 for none.

    What reaches an answer without a place, and no bit with one, has a place above all others.
    """
    above = 1 + max((place for place in places if place is not None), default=-1)
    ranked = any(place is not None for place in places)
    highest = [-1] * (graph.first_gate + graph.size)
    behind = [False] * (graph.first_gate + graph.size)
    for literal, place in zip(graph.literals, places, strict=True):
        variable = literal >> 1
        if place is None:
            behind[variable] = True
        elif place > highest[variable]:
            highest[variable] = place
    for k in range(graph.size - 1, -1, -1):
        v = graph.first_gate + k
        for x in (graph.left[k] >> 1, graph.right[k] >> 1):
            if highest[v] > highest[x]:
                highest[x] = highest[v]
            behind[x] = behind[x] or behind[v]
    found = [
        place if place >= 0 else above if open_ and ranked else place
        for place, open_ in zip(highest, behind, strict=True)
    ]
    return np.array(found, dtype=np.int64)
