"""Small mapped designs for the tests of synthesis, proofs and analysis."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from flow.backends.emission import Emission
from flow.backends.verilog import emit_verilog
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Origin, Port, lane_width
from flow.ir.nodes import Add, Clamp, Compare, Const, Input, Node, Relu, Select, Shl, Shr, Sub
from flow.pipeline.synthesis import Synthesis, synthesise
from flow.tech.registry import load

EGFET = load("egfet", 1.0)


def network(inputs: int = 4, hidden: int = 2, outputs: int = 3, seed: int = 1) -> Circuit:
    """A multilayer perceptron with power-of-two weights, saturated activations and argmax."""
    chance, intern = random.Random(seed), Builder()
    origins: dict[Node, Origin] = {}
    xs = tuple(intern(Input("x", i, 0, 15)) for i in range(inputs))

    def row(terms: tuple[Node, ...], layer: str) -> Node:
        total: Node = intern(Const(chance.randint(-9, 9)))
        for x in terms:
            kind = chance.choice((Add, Sub))
            total = intern(kind(total, Shl(x, chance.randint(0, 3))))
        origins[total] = Origin(layer, "acc", len(origins))
        return total

    first = tuple(intern(Clamp(Shr(row(xs, "dense_1"), 2), 0, 15)) for _ in range(hidden))
    scores = [intern(Relu(row(first, "dense_2"))) for _ in range(outputs)]
    best, index = scores[0], intern(Const(0))
    for i, score in enumerate(scores[1:], 1):
        better = intern(Compare(best, score, "lt"))
        best = intern(Select(better, score, best))
        index = intern(Select(better, Const(i), index))
    origins[index] = Origin("argmax", "index")
    return Circuit("tiny", (Port("x", xs),), (Port("y", (index,)),), origins)


def mapped(
    circuit: Circuit, folder: Path, handshake: bool = False, effort: str = "fast"
) -> tuple[Emission, Synthesis]:
    """The Verilog and the EGFET netlist of a circuit."""
    emission = emit_verilog(circuit, handshake=handshake)
    return emission, synthesise(circuit, EGFET, folder, emission=emission, effort=effort)


def sample_bits(ports: tuple[Port, ...], values: dict[str, np.ndarray]) -> np.ndarray:
    """0/1 samples of all bits of some ports, (samples, bits)."""
    columns = [
        [(int(v) >> bit) & 1 for v in values[port.name][:, i]]
        for port in ports
        for i, lane in enumerate(port.lanes)
        for bit in range(lane_width(lane))
    ]
    return np.array(columns, dtype=np.uint8).T
