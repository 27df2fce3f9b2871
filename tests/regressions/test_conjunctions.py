"""Networks that the soak found, reduced: where `conjunctions` broke once."""

from __future__ import annotations

from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Compare, Const, Input, Linear
from flow.passes.base import check_exact, run_passes
from flow.passes.conjunctions import Conjunctions


def test_a_row_whose_only_term_has_no_weight_stays():
    """Its bound was divided by the weight; `simplify` had not removed the term before."""
    x = Input("x", 0, -7, 7)
    lane = Compare(Const(1), Linear((x,), (0,), 0), "le")
    circuit = Circuit("row", (Port("x", (x,)),), (Port("y", (lane,)),))
    assert run_passes(circuit, [Conjunctions()], check_exact()) == circuit
