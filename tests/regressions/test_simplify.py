"""Circuits that the soak found, reduced: what `simplify` left behind once."""

from __future__ import annotations

import numpy as np

from flow.backends.verilog import emit_verilog
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.nodes import Add, Const, Input, Linear, Lookup, Mul
from flow.passes.simplify import Simplify


def test_a_table_that_turns_out_affine_behind_the_expansion_becomes_adders():
    """It became a linear row, which no backend writes, and no pass was left to expand it."""
    x = Input("x", 0, 0, 7)
    table = Lookup(x, 0, tuple(3 * i - 5 for i in range(8)))
    product = Mul(Add(x, x), Const(5))
    circuit = Circuit("net", (Port("x", (x,)),), (Port("y", (table, product)),))
    better = Simplify().run(circuit)
    assert not any(isinstance(node, (Linear, Lookup, Mul)) for node in better.walk())
    values = {"x": np.arange(8).reshape(-1, 1)}
    assert evaluate(better, values)["y"].tolist() == [[3 * i - 5, 10 * i] for i in range(8)]
    assert emit_verilog(better).latency == 0


def test_a_product_stays_a_row_where_rows_are_still_to_be_solved():
    x = Input("x", 0, 0, 7)
    row = Linear((x,), (11,), 1)
    circuit = Circuit("net", (Port("x", (x,)),), (Port("y", (row, Mul(x, Const(5)))),))
    better = Simplify().run(circuit)
    assert [type(lane) for lane in better.outputs[0].lanes] == [Linear, Linear]
