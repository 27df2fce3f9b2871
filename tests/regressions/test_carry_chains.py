"""Circuits that the proofs of small networks found, reduced: what carry chains got wrong once."""

from __future__ import annotations

import itertools

import numpy as np

from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.nodes import Input, Linear
from flow.passes.carry_chains import CarryChains
from flow.verify.prove import prove_circuits


def test_a_shared_row_that_needs_all_values_of_its_word_has_no_room_for_an_offset():
    x = tuple(Input("x", i, -2, 1) for i in range(3))
    shared = Linear(x, (-4, 9, 8), 38)  # [0, 63]
    rows = (Linear((shared,), (1,), -39), Linear((x[0], shared), (2, 2), -114))
    circuit = Circuit("rows", (Port("x", x),), (Port("y", rows),))
    after = CarryChains().run(circuit)
    every = {"x": np.array(list(itertools.product(range(-2, 2), repeat=3)))}
    assert np.array_equal(evaluate(after, every)["y"], evaluate(circuit, every)["y"])
    assert prove_circuits(circuit, after).status == "proved"
