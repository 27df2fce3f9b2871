"""Libraries with adder cells of odd pins, and circuits full of additions, for tests of mapping."""

from __future__ import annotations

import random
from dataclasses import replace

from designs_mapped import EGFET

from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Input, Linear, Node, Shl, Sub
from flow.tech.technology import Cell, Technology, Toggle


def adder(name: str, area: float, functions: dict[str, str], inputs: tuple[str, ...]) -> Cell:
    """A cell with two outputs, as slow at every pin as an exclusive or of EGFET."""
    gate = EGFET.cells["XOR2X1"]
    pin, output = gate.inputs[0], gate.outputs[0]
    arcs = [arc for arc in gate.arcs if arc.related == pin]
    return Cell(
        name=name,
        area=area,
        inputs=inputs,
        outputs=tuple(functions),
        functions=functions,
        leakage=tuple(0.5 + state for state in range(1 << len(inputs))),
        cell_leakage=2.0,
        capacitance=dict.fromkeys(inputs, gate.capacitance[pin]),
        energy=dict.fromkeys(functions, Toggle(1.0, 3.0)),
        arcs=tuple(
            replace(arc, related=related, output=out, sense="non_unate")
            for arc in arcs
            for related in inputs
            for out in functions
            if arc.output == output
        ),
    )


FULL = adder("ADD3", 600_000.0, {"CN": "!(Z & K | Z & !M | K & !M)", "SN": "Z ^ M ^ K"},
             ("Z", "M", "K"))  # fmt: skip
"""The pin M takes its bit inverted, and the outputs are the inverted carry and the inverted sum."""
HALF = adder("ADD2", 400_000.0, {"S": "P ^ Q", "C": "P & Q"}, ("P", "Q"))


def library(*cells: Cell) -> Technology:
    """EGFET with adder cells, much smaller than its gates."""
    return replace(EGFET, name="adding", cells=EGFET.cells | {cell.name: cell for cell in cells})


def sums(seed: int, inputs: int = 4, outputs: int = 3) -> Circuit:
    """Random sums, differences and a linear row of small signed and unsigned numbers."""
    chance, intern = random.Random(seed), Builder()
    xs = [
        intern(Input("x", i, *chance.choice([(0, 15), (-8, 7), (-3, 11)]))) for i in range(inputs)
    ]
    nodes: list[Node] = list(xs)
    for _ in range(5):
        a, b = chance.sample(nodes, 2)
        kind = chance.choice((Add, Sub))
        nodes.append(intern(kind(a, intern(Shl(b, chance.randint(0, 2))))))
    weights = tuple(chance.choice((-5, -1, 3, 7)) for _ in xs)
    nodes.append(intern(Linear(tuple(xs), weights, chance.randint(-9, 9))))
    return Circuit(f"sums{seed}", (Port("x", tuple(xs)),), (Port("y", tuple(nodes[-outputs:])),))
