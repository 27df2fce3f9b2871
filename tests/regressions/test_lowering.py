"""Networks that the soak found, reduced: what lowering them got wrong once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import plain_network
import pytest

from flow.ir import layers as ly
from flow.ir.evaluate import evaluate
from flow.ir.network import Network
from flow.ir.rounding import ROUNDINGS
from flow.ir.tensor import fractions, tensor_type
from flow.passes.lower_layers import LowerLayers

ONE = fractions(1, ())


def test_a_table_on_a_value_whose_node_knows_a_wider_interval_than_its_tensor():
    """A comparator without a mask always passes the left index: only the network's type knows."""
    tensor = tensor_type((3,), -4, 3, Fraction(1))
    layers = (
        ly.Input("x", (), "", tensor, fractions(0, (3,))),
        ly.Tournament("index", ("x",), "", ((0, 1, -1), (2, 0, 0))),
        ly.Lookup("y", ("index",), "", (2,), ((7,),), np.array(0), ONE),
        ly.Affine("z", ("index",), "", np.array(-3), np.array(1), ONE),
        ly.TableSum("t", ("z",), "", (-5,), (((4,),),), np.array([1]), ONE),
    )
    network = Network("net", layers, ("y", "t"))
    x = np.array([[0, 0, 0], [3, -4, 1], [-4, 3, 3]])
    circuit = LowerLayers().run(network)
    found = evaluate(circuit, {"x": x})
    expected = plain_network.answers(network, {"x": x})
    assert [v.tolist() for v in found.values()] == [expected[n].tolist() for n in ("y", "t")]
    assert found["y0"].tolist() == [[7]] * 3


@pytest.mark.parametrize(
    ("multiplier", "offset"),
    [("1/8", "7/3"), ("1/8", "-7/3"), ("1/3", "1/8"), ("3/4", "-5/7"), ("1", "1/3"), ("2", "-2/3")],
)
def test_an_offset_of_another_denominator_than_the_multiplier_is_not_cut(multiplier, offset):
    """2 / 8 + 7 / 3 is above 5 / 2, so it is rounded up, also where ties go to zero."""
    tensor = tensor_type((1,), 0, 63, Fraction(1))
    scale, shift = fractions(Fraction(multiplier), ()), fractions(Fraction(offset), ())
    x = {"x": np.arange(64)[:, None]}
    for rounding in ROUNDINGS:
        layers = (
            ly.Input("x", (), "", tensor, fractions(0, (1,))),
            ly.Requantize(
                "y", ("x",), "", scale, shift, rounding, "wrap", np.array(0), np.array(7), ONE
            ),
        )
        network = Network("net", layers, ("y",))
        found = evaluate(LowerLayers().run(network), x)["y"]
        assert found.tolist() == plain_network.answers(network, x)["y"].tolist(), rounding
