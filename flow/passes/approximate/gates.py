"""Approximations of gates: what they look at, and the way back from gates to a Circuit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from flow.errors import IRError
from flow.ir.aig import Aig, AigBuilder, Words, pack
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port, lane_width
from flow.ir.nodes import And, Bits, Compare, Concat, Const, Input, Node, Signed
from flow.ir.tensor import IntArray


@dataclass(frozen=True, slots=True)
class GateFacts:
    """Training data as packed words for the inputs of a graph, of `count` samples.

    `places[k]` is the significance of output k where it is a bit of a score, or None where it is
    an answer. Scores are outputs for this only: an approximation drops them.
    """

    words: Words
    count: int
    places: tuple[int | None, ...]


class GateApproximation(Protocol):
    """Rewrites a graph of gates into a smaller one with other answers."""

    name: ClassVar[str]
    exact: ClassVar[bool]

    def run_with(self, graph: Aig, facts: GateFacts) -> Aig:
        """The approximate graph, without the scores."""
        ...


def gate_facts(circuit: Circuit, samples: Mapping[str, IntArray], scores: str = "") -> GateFacts:
    """The facts of a circuit's graph for samples of its input ports (samples, lanes).

    `scores` names the output port whose bits count as scores. Where it is the only port, or none
    is named, the bits of the answers have the significance themselves and stay.
    """
    columns = []
    for port in circuit.inputs:
        values = np.asarray(samples[port.name]).reshape(-1, len(port.lanes))
        for lane, node in zip(values.T, port.lanes, strict=True):
            columns += [(lane >> i) & 1 for i in range(lane_width(node))]
    bits = np.stack(columns, axis=1).astype(np.uint8)
    places = [
        i if port.name == scores else None
        for port in circuit.outputs
        for lane in port.lanes
        for i in range(lane_width(lane))
    ]
    return GateFacts(pack(bits), len(bits), tuple(places))


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


def gates_circuit(graph: Aig, circuit: Circuit) -> Circuit:
    """A circuit of single bits that computes a graph, with the input ports of another circuit.

    The outputs are those ports of that circuit whose bits the graph has, in their order.
    """
    intern = Builder()
    zero, one = intern(Const(0)), intern(Const(1))
    signals: list[Node] = [zero]
    for port in circuit.inputs:
        for lane in port.lanes:
            source = intern(lane)
            assert isinstance(source, Input)
            width = lane_width(lane)
            whole = width == 1 and not lane.range.signed
            signals += [source if whole else intern(Bits(source, i, 1)) for i in range(width)]
    if len(signals) != graph.first_gate:
        raise IRError(f"{len(signals) - 1} bits of ports meet {len(graph.inputs)} inputs")

    def signal(literal: int) -> Node:
        node = signals[literal >> 1]
        if not literal & 1:
            return node
        return one if node is zero else intern(Compare(node, zero, "eq"))

    for a, b in zip(graph.left, graph.right, strict=True):
        signals.append(intern(And(signal(a), signal(b))))
    bits = {name: signal(x) for name, x in zip(graph.outputs, graph.literals, strict=True)}
    ports = []
    for port in circuit.outputs:
        names = [port.name] if port.width == 1 else [f"{port.name}[{i}]" for i in range(port.width)]
        if names[0] not in bits:
            continue
        lanes, at = [], 0
        for lane in port.lanes:
            word = [bits[name] for name in names[at : at + lane_width(lane)]]
            at += len(word)
            lanes.append(_word(word, lane.range.signed, intern))
        ports.append(Port(port.name, tuple(lanes)))
    return replace(circuit, outputs=tuple(ports), origins={})


def _word(bits: Sequence[Node], signed: bool, intern: Builder) -> Node:
    word = bits[0] if len(bits) == 1 else intern(Concat(tuple(bits), (1,) * len(bits)))
    return intern(Signed(word, len(bits))) if signed else word


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
