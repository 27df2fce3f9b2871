"""A quantised model as one of real numbers: the same values but for rounding and saturation."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from frontend.source_models import exact_dense, model, perceptron, quantiser

from flow.errors import UnsupportedModel
from flow.frontend.float_model import evaluate_source
from flow.frontend.source import (
    SourceActivation,
    SourceAffine,
    SourceDense,
    SourceInput,
    SourceQuantise,
)
from flow.frontend.unquantised import unquantised

RNG = np.random.default_rng(4)
FIRST, SECOND = RNG.integers(-7, 8, (4, 6)), RNG.integers(-7, 8, (6, 3))
X = {"x": RNG.normal(size=(50, 4))}


def tagger(act, entry=None):
    """Two dense layers of weights on steps, with a quantiser between them and one in front."""
    first = entry or quantiser(Fraction(1, 1024), -(1 << 14), (1 << 14) - 1)
    return model(
        (
            SourceInput("x", (), "file: x", (4,)),
            SourceQuantise("q", ("x",), "file: q", first),
            exact_dense("a", "q", FIRST, bias=np.linspace(-1, 1, 6)),
            SourceQuantise("act", ("a",), "file: act", act),
            exact_dense("b", "act", SECOND, bias=(0.5, 0, -1)),
        )
    )


def test_a_quantiser_of_positive_values_becomes_a_relu_with_an_upper_end():
    given = tagger(quantiser(Fraction(1, 1024), 0, 2047))
    plain = unquantised(given)
    kinds = [type(layer) for layer in plain.layers]
    assert kinds == [SourceInput, SourceDense, SourceActivation, SourceDense]
    assert not plain.quantised
    relu = plain.layers[2]
    assert (relu.name, relu.function, relu.parameters) == ("act", "relu", (2047 / 1024,))
    before, after = (evaluate_source(m, X)["b"] for m in (given, plain))
    # Each of four inputs and six activations was rounded by half a step at most.
    most = (4 * 7 / 4 * 6 + 6) * 7 / 4 / 2048
    assert np.abs(before - after).max() <= most
    assert not (before == after).all()


def test_values_that_wrapped_go_on_and_elements_that_were_zero_stay_zero():
    ends = quantiser(Fraction(1, 4), -8, 7, overflow="wrap")
    dead = replace(ends, lo=np.array([-8, 0, -8, 0]), hi=np.array([7, 0, 7, 0]))
    plain = unquantised(tagger(ends, dead))
    masks = [layer for layer in plain.layers if isinstance(layer, SourceAffine)]
    assert [mask.multiplier.tolist() for mask in masks] == [[1, 0, 1, 0]]
    assert [layer.name for layer in plain.layers] == ["x", "q", "a", "b"]
    assert plain.layers[-1].sources == ("a",)
    changed = {"x": X["x"] + np.array([0, 9, 0, -9])}
    assert (evaluate_source(plain, X)["b"] == evaluate_source(plain, changed)["b"]).all()


def test_an_output_that_was_quantised_is_the_layer_in_front_of_it():
    given = tagger(quantiser(Fraction(1, 4), 0, 7))
    last = SourceQuantise("out", ("b",), "file: out", quantiser(Fraction(1, 2), -9, 9))
    given = replace(given, layers=(*given.layers, last), outputs=("out",))
    assert unquantised(given).outputs == ("b",)


def test_a_quantiser_that_is_the_activation_is_named():
    with pytest.raises(UnsupportedModel) as caught:
        unquantised(tagger(quantiser(1, -1, 1)))
    assert caught.value.message == "Small Net is not the same network without its quantisers"
    assert caught.value.obstacles == ("file: act: its quantiser of 3 values is an activation",)


@pytest.mark.parametrize("head", ["softmax", ""])
def test_a_float_model_is_returned_as_it_is(head):
    given = perceptron(np.random.default_rng(0), head=head)
    assert unquantised(given) is given
