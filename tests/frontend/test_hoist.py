"""The quantiser of an input goes before the layers that only rearrange its elements."""

from fractions import Fraction

import numpy as np
import pytest
from frontend.source_models import exact_dense, model, quantiser

from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.hoist import hoist
from flow.frontend.source import (
    Quantiser,
    SourceAffine,
    SourceGather,
    SourceInput,
    SourceQuantise,
    SourceReshape,
    step_array,
)

X = SourceInput("x", (), "x", (2, 3))
PERMUTED = SourceGather("g", ("x",), "g", np.arange(6).reshape(2, 3).T)
STEPS = np.array([Fraction(1, 4), Fraction(1, 2)], dtype=object)
COARSE = SourceQuantise("q", ("g",), "q", quantiser(1, -8, 7))


def hoisted(*layers):
    """Names in order after hoisting, the function checked to be the same."""
    net = model(layers)
    after = hoist(net)
    x = {"x": np.random.default_rng(0).normal(0, 3, (20, *layers[0].shape))}
    old, new = (evaluate_source(m, x)[m.outputs[0]] for m in (net, after))
    assert new.tolist() == old.tolist()
    return [layer.name for layer in after.layers]


def test_it_passes_a_permutation_with_the_numbers_of_every_element():
    q = SourceQuantise("q", ("g",), "q", Quantiser(STEPS, -8, np.array([7, 3])))
    assert hoisted(X, PERMUTED, q, exact_dense("d", "q", [[1], [2]])) == ["x", "q", "g", "d"]


def test_it_passes_several_moves_and_takes_a_scaler_along():
    layers = [
        X,
        PERMUTED,
        SourceReshape("r", ("g",), "r", (6,)),
        SourceAffine("s", ("r",), "s", np.arange(1.0, 7.0), np.array(0.5)),
        SourceQuantise("q", ("s",), "q", quantiser(1, -8, 7)),
    ]
    assert hoisted(*layers) == ["x", "s", "q", "g", "r"]


@pytest.mark.parametrize(("lo", "names"), [(-8, ["x", "q", "g"]), (1, ["x", "g", "q"])])
def test_zeros_that_are_filled_in_must_stay_zeros(lo, names):
    padded = SourceGather("g", ("x",), "g", np.array([[-1, 0, 1], [5, -1, 2]]))
    assert hoisted(X, padded, SourceQuantise("q", ("g",), "q", quantiser(1, lo, 7))) == names


def test_one_element_cannot_have_two_steps():
    twice = SourceGather("g", ("x",), "g", np.array([[0, 0], [1, 1], [2, 2]]))
    q = SourceQuantise("q", ("g",), "q", Quantiser(STEPS, -8, 7))
    assert hoisted(X, twice, q) == ["x", "g", "q"]
    same = SourceQuantise("q", ("g",), "q", Quantiser(step_array(Fraction(1, 4)), -8, 7))
    assert hoisted(X, twice, same) == ["x", "q", "g"]


def test_a_tensor_that_others_read_too_keeps_its_place():
    other = exact_dense("d", "g", [[1], [2]])
    assert hoisted(X, PERMUTED, COARSE, other) == ["x", "g", "q", "d"]
