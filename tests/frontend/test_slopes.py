"""Slopes below zero such as 0.2 and 0.3: the integers that float32 gives, ties included."""

from fractions import Fraction

import numpy as np
import pytest
from frontend.source_models import model, quantiser

from flow.frontend.float_model import round_float
from flow.frontend.functions import written
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.source import SourceActivation, SourceInput, SourceQuantise
from flow.ir.network import evaluate_network


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        (0.2, Fraction(1, 5)), (float(np.float32(0.3)), Fraction(3, 10)), (0.25, Fraction(1, 4)),
        (0.01, Fraction(1, 100)), (0.2517351, Fraction(float(np.float32(0.2517351)))),
    ],
)  # fmt: skip
def test_a_number_is_read_as_it_was_written(number, wanted):
    assert written(number) == wanted


@pytest.mark.parametrize("rounding", ["half_even", "half_up", "half_away", "floor"])
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize(("slope", "table"), [(0.2, False), (0.01, False), (0.25, False),
                                              (0.3, True), (0.15, True)])  # fmt: skip
def test_every_integer_is_that_of_float32(slope, table, rounding, overflow):
    bits, step = 12, Fraction(1, 4)
    n = np.arange(-(1 << bits - 1), 1 << bits - 1)
    net = model(
        [
            SourceInput("x", (), "p", (1,)),
            SourceQuantise("q", ("x",), "p", quantiser("1/8", int(n[0]), int(n[-1]))),
            SourceActivation("a", ("q",), "p", "leaky_relu", (slope,)),
            SourceQuantise("o", ("a",), "p", quantiser(step, -64, 63, rounding, overflow)),
        ]
    )
    network = to_network(net).network
    found = evaluate_network(network, {"x": n[:, None]})[network.outputs[0]][:, 0]
    x = (n / 8).astype(np.float32)
    y = np.where(x >= 0, x, np.float32(slope) * x).astype(np.float64) / float(step)
    whole = round_float(y, rounding)
    wanted = np.clip(whole, -64, 63) if overflow == "saturate" else (whole + 64) % 128 - 64
    assert found.tolist() == wanted.tolist()
    if rounding in ("half_even", "half_up"):
        assert any(layer.kind == "lookup" for layer in network.layers) == table
