"""The float meaning of source layers, against hand-worked values and exact rationals."""

from fractions import Fraction

import numpy as np
import pytest
from frontend.source_models import exact_dense, model, quantiser

from flow.errors import UsageError
from flow.frontend.float_model import (
    apply_quantiser,
    evaluate_source,
    round_float,
)
from flow.frontend.shapes import source_shapes
from flow.frontend.source import (
    SourceActivation,
    SourceAdd,
    SourceAffine,
    SourceConcat,
    SourceInput,
    SourceQuantise,
    SourceReshape,
)
from flow.ir.rounding import ROUNDINGS, round_fraction

X = SourceInput("x", (), "file: x", (2,))


def test_every_layer_has_its_float_value():
    net = model(
        [
            X,
            exact_dense("d", "x", [[1, 2], [3, 4]], bias=[0.5, -10]),
            SourceAffine("a", ("d",), "p", np.array([2.0, 1.0]), np.array([0.0, 1.0])),
            SourceActivation("r", ("a",), "p", "relu"),
            SourceAdd("s", ("r", "x"), "p"),
            SourceConcat("c", ("s", "x"), "p"),
            SourceReshape("v", ("c",), "p", (2, 2)),
            SourceQuantise("q", ("v",), "p", quantiser(1, 0, 7)),
        ]
    )
    values = evaluate_source(net, {"x": np.array([[1.0, 2.5]])})
    assert {name: value.tolist() for name, value in values.items()} == {
        "x": [[1.0, 2.5]],
        "d": [[2.625, -7.0]],
        "a": [[5.25, -6.0]],
        "r": [[5.25, 0.0]],
        "s": [[6.25, 2.5]],
        "c": [[6.25, 2.5, 1.0, 2.5]],
        "v": [[[6.25, 2.5], [1.0, 2.5]]],
        "q": [[[6.0, 2.0], [1.0, 2.0]]],
    }
    assert source_shapes(net)["v"] == (2, 2)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_rounding_of_floats_is_that_of_rationals(rounding):
    x = np.arange(-40, 41) / 8
    assert round_float(x, rounding).tolist() == [round_fraction(Fraction(v), rounding) for v in x]


def test_a_quantiser_saturates_or_wraps():
    x = np.array([-3.0, -0.6, 0.3, 2.0])
    assert apply_quantiser(quantiser("1/2", -2, 1), x).tolist() == [-1.0, -0.5, 0.5, 0.5]
    wrapped = apply_quantiser(quantiser("1/2", -2, 1, overflow="wrap"), x)
    assert wrapped.tolist() == [-1.0, -0.5, 0.5, 0.0]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "no values for the input 'x'"),
        ({"x": np.zeros((5, 3))}, "the values for the input 'x' have the shape (3,), not (2,)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs, message):
    with pytest.raises(UsageError) as caught:
        evaluate_source(model([X]), inputs)
    assert caught.value.message == message
