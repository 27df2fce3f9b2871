"""Einsums of an activation with a kernel, against numpy's."""

from fractions import Fraction

import numpy as np
import pytest

from flow.frontend.einsum import lay_einsum, read_equation
from flow.frontend.float_model import evaluate_layer
from flow.frontend.keras.steps import Obstacle
from flow.frontend.source import SourceConv, SourceDense, Weights

CASES = (
    ("ab,bc->ac", (3,), (3, 4), (4,), "Dense"),
    ("abc,cd->abd", (3, 4), (4, 5), (5,), "Dense"),
    ("abc,cd->abd", (3, 4), (4, 5), (3, 1), "Dense Affine"),
    ("abc,bd->adc", (3, 4), (3, 5), (5, 1), "Gather Dense Gather"),
    ("abc,bcd->abd", (3, 4), (3, 4, 5), (3, 5), "Reshape Conv Reshape"),
    ("abc,bcd->adb", (3, 4), (3, 4, 5), (5, 3), "Reshape Conv Gather"),
    ("abc,bc->ac", (3, 4), (3, 4), (4,), "Gather Conv Reshape"),
    ("...c,cd->...d", (3, 4), (4, 5), (5,), "Dense"),
    ("...c,c->...c", (3, 4), (4,), (4,), "Conv"),
    ("abcd,cdeb->aeb", (3, 4, 5), (4, 5, 2, 3), (2, 3), "Reshape Conv Gather"),
    ("abcd,bcd->abcd", (3, 4, 5), (3, 4, 5), None, "Reshape Conv Reshape"),
    ("abcd,df->acfb", (3, 4, 5), (5, 3), (4, 3, 1), "Gather Dense Gather Affine"),
    ("abcd,bdf->acfb", (3, 4, 5), (3, 5, 3), (4, 1, 3), "Gather Conv Gather Affine"),
    ("abcd,d->a", (3, 4, 5), (5,), None, "Reshape Dense Reshape"),
    ("abc,de->abcde", (3, 4), (5, 2), (5, 2), "Reshape Dense Reshape"),
    ("a b c, c d -> a b d", (3, 4), (4, 5), None, "Dense"),
)


def evaluate(layers, x):
    values = {"x": x}
    for layer in layers:
        values[layer.name] = evaluate_layer(layer, *(values[s] for s in layer.sources))
    return values[layers[-1].name]


@pytest.mark.parametrize(("equation", "inputs", "kernel", "bias", "kinds"), CASES)
def test_the_layers_of_an_einsum_answer_as_numpy_does(equation, inputs, kernel, bias, kinds):
    rng = np.random.default_rng(len(equation))
    # Every second weight has half the step, so that the steps must follow their weights.
    step = np.full(kernel, Fraction(1), dtype=object)
    step.reshape(-1)[::2] = Fraction(1, 2)
    weights = Weights(rng.integers(-4, 5, kernel) * step.astype(float), step)
    shift = None if bias is None else Weights(rng.normal(size=bias))
    x = rng.normal(size=(2, *inputs))
    layers, shape = lay_einsum(equation, inputs, weights, shift, "y", ("x",), "here")
    expected = np.einsum(equation.replace(" ", ""), x, weights.values)
    expected = expected + (0 if shift is None else shift.values)
    assert (2, *shape) == expected.shape
    np.testing.assert_allclose(evaluate(layers, x), expected, rtol=0, atol=1e-12)
    assert " ".join(type(layer).__name__.removeprefix("Source") for layer in layers) == kinds
    assert layers[-1].name == "y"
    for layer in layers:
        if isinstance(layer, SourceDense | SourceConv):
            values = layer.kernel.values
            ratio = values / np.broadcast_to(layer.kernel.step, values.shape).astype(float)
            assert (ratio == np.rint(ratio)).all()


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        ("abc->ab", "the equation 'abc->ab'; write it as 'ab,bc->ac'"),
        ("abc,cd", "the equation 'abc,cd'; write it as 'ab,bc->ac'"),
        ("abb,bd->ad", "an axis twice in one part of the equation 'abb,bd->ad'; use it once"),
        ("ab,bd->ad", "the equation 'ab,bd->ad' does not fit a tensor of 3 axes"),
        ("a1c,cd->abd", "the equation 'a1c,cd->abd' does not fit the tensor, or is none"),
        ("abcde,cd->abe", "the equation 'abcde,cd->abe' does not fit the tensor, or is none"),
        ("abc,cd->bad", "the equation 'abc,cd->bad' moves or sums the batch; keep it in front"),
        ("abc,cd->bd", "the equation 'abc,cd->bd' moves or sums the batch; keep it in front"),
        ("abc,...d->abd", "the equation 'abc,...d->abd' has '...' in the kernel; name its axes"),
        ("abc,cd->abx", "the axis 'x' of the equation 'abc,cd->abx' is in one part only"),
    ],
)
def test_an_equation_of_another_form_is_refused(equation, message):
    with pytest.raises(Obstacle) as error:
        read_equation(equation, 2)
    assert error.value.message == message


def test_a_kernel_of_another_shape_is_refused():
    with pytest.raises(Obstacle) as error:
        lay_einsum("abc,cd->abd", (3, 4), Weights(np.ones((5, 6))), None, "y", ("x",), "here")
    assert error.value.message == (
        "a kernel of shape [5, 6] does not fit a tensor of shape [3, 4] in the equation "
        "'abc,cd->abd'"
    )
    with pytest.raises(Obstacle) as error:
        lay_einsum("abc,cd->abd", (3, 4), Weights(np.ones(4)), None, "y", ("x",), "here")
    assert error.value.message == ("a kernel of shape [4] does not fit the equation 'abc,cd->abd'")
