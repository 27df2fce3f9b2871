"""The real functions of one element, against values worked out by hand."""

import math

import numpy as np
import pytest

from flow.frontend.functions import apply_function

E = math.e
SOFT = math.log(1 + E)


@pytest.mark.parametrize(
    ("function", "parameters", "x", "y"),
    [
        ("relu", (), [-1.0, 2.0], [0.0, 2.0]),
        ("relu", (6.0,), [-1.0, 7.0], [0.0, 6.0]),
        ("leaky_relu", (0.5,), [-1.0, 2.0], [-0.5, 2.0]),
        ("leaky_relu", (), [-1.0, 2.0], [-0.3, 2.0]),
        ("hard_sigmoid", (0.25, 0.5), [-3.0, 1.0, 3.0], [0.0, 0.75, 1.0]),
        ("hard_tanh", (-2.0, 0.5), [-3.0, 0.25, 9.0], [-2.0, 0.25, 0.5]),
        ("abs", (), [-1.5, 1.5], [1.5, 1.5]),
        ("square", (), [-1.5], [2.25]),
        ("elu", (2.0,), [-1.0, 3.0], [2 / E - 2, 3.0]),
        ("celu", (2.0,), [-2.0, 3.0], [2 / E - 2, 3.0]),
        ("selu", (), [-1.0, 1.0], [1.7580993408473766 * (1 / E - 1), 1.0507009873554805]),
        ("softplus", (), [1.0, 1000.0], [SOFT, 1000.0]),
        ("log_sigmoid", (), [-1.0, -1000.0], [-SOFT, -1000.0]),
        ("softsign", (), [-3.0, 1.0], [-0.75, 0.5]),
        ("silu", (), [0.0, 1.0], [0.0, E / (1 + E)]),
        ("gelu", (), [0.0, 1.0], [0.0, 0.8413447460685429]),
        ("gelu_tanh", (), [1.0], [0.8411919906082768]),
        ("mish", (), [1.0], [math.tanh(SOFT)]),
        ("hard_swish", (), [-4.0, 1.0, 5.0], [0.0, 2 / 3, 5.0]),
        ("exponential", (), [1.0], [E]),
        ("sqrt", (), [4.0, -1.0], [2.0, np.nan]),
        ("reciprocal", (), [4.0, 0.0], [0.25, np.inf]),
        ("log", (), [E, 0.0], [1.0, -np.inf]),
        ("sin", (), [math.pi / 2], [1.0]),
        ("cos", (), [math.pi], [-1.0]),
        ("arctan", (), [1.0], [math.pi / 4]),
        ("erf", (), [0.5], [math.erf(0.5)]),
        ("soft_shrink", (), [-2.0, 0.25, 1.0], [-1.5, 0.0, 0.5]),
        ("hard_shrink", (1.0,), [-2.0, 0.25, 1.0], [-2.0, 0.0, 0.0]),
        ("tanh_shrink", (), [1.0], [1 - math.tanh(1)]),
        ("squareplus", (), [0.0, 1.5], [1.0, 2.0]),
        ("sparse_plus", (), [-2.0, 0.0, 3.0], [0.0, 0.25, 3.0]),
        ("log_softmax", (), [1.0, 1.0], [-math.log(2), -math.log(2)]),
        ("sigmoid", (), [0.0, -800.0], [0.5, 0.0]),
        ("tanh", (), [0.0, 800.0], [0.0, 1.0]),
        ("softmax", (), [1000.0, 1000.0], [0.5, 0.5]),
        ("argmax", (), [1.0, 3.0, 3.0], [1.0]),
    ],
)
def test_a_function_has_its_value(function, parameters, x, y):
    found = apply_function(function, np.array([x]), *parameters)
    assert found[0].tolist() == pytest.approx(y, rel=1e-14, nan_ok=True)
