"""QONNX files: quantisers keep their steps, or are refused."""

import numpy as np
import pytest
from frontend.onnx_graphs import (
    QONNX,
    F,
    kinds,
    model,
    node,
    obstacles,
    quantiser,
    saved,
    weights,
)

from flow.frontend.float_model import evaluate_source
from flow.frontend.onnx.reader import read_onnx
from flow.frontend.source import (
    SourceDense,
    SourceQuantise,
)


def test_quantised_weights_keep_their_step_and_activations_their_quantiser(tmp_path):
    nodes = [
        quantiser("W s0 z b4", "Wq", signed=1, narrow=1, rounding_mode="ROUND"),
        node("Transpose", "Wq", "Wt", perm=[1, 0]),
        quantiser("B s z b4", "Bq", signed=1, narrow=0, rounding_mode="FLOOR"),
        node("MatMul", "x Wt", "h"),
        node("Add", "h Bq", "a"),
        quantiser("a s z b8", "y", signed=0, narrow=0, rounding_mode="CEIL"),
    ]
    constants = {
        "W": np.array([[0.3, -9.0, 0.125, 1.0], [1.5, 0.1, -0.1, 0.0]], F),
        "B": np.array([0.3, -0.3], F),
        "s0": np.array([[0.25], [0.1]], F), "s": F(0.25), "z": F(0), "b4": F(4), "b8": F(8),
    }  # fmt: skip
    source = read_onnx(saved(tmp_path, model(nodes, constants)))
    assert kinds(source) == ["Input", "Dense", "Quantise"]
    _, dense, last = source.layers
    assert isinstance(dense, SourceDense)
    assert isinstance(last, SourceQuantise)
    tenth = float(F(0.1))
    assert dense.kernel.values.tolist() == [
        [0.25, 7 * tenth], [-1.75, tenth], [0.0, -tenth], [1.0, 0.0]
    ]  # fmt: skip
    assert [float(s) for s in dense.kernel.step] == [0.25, tenth]
    assert dense.bias.values.tolist() == [0.25, -0.5]
    q = last.quantiser
    assert (float(q.step), q.lo, q.hi, q.rounding, q.overflow) == (0.25, 0, 255, "ceil", "saturate")
    assert (source.format, source.quantised) == ("qonnx", True)


def test_a_bipolar_quantiser_is_a_sign(tmp_path):
    nodes = [
        node("BipolarQuant", "W s", "Wq", domain=QONNX),
        node("BipolarQuant", "x s", "xq", domain=QONNX),
        node("MatMul", "xq Wq", "y"),
    ]
    source = read_onnx(
        saved(tmp_path, model(nodes, {"W": np.array([[0.1], [-2], [0], [3]], F), "s": F(0.5)}))
    )
    assert kinds(source) == ["Input", "Quantise", "Affine", "Dense"]
    values = evaluate_source(source, {"x": [[0.0, -1e-30, 7.5, -3.0]]})
    assert values["xq"].tolist() == [[0.5, -0.5, 0.5, -0.5]]
    assert source.layers[-1].kernel.values.tolist() == [[0.5], [-0.5], [0.5], [0.5]]


def test_a_scale_that_is_no_power_of_two_is_noted(tmp_path):
    constants = {"W": weights(4, 2), "s": F(0.3), "z": F(0), "b": F(8)}
    nodes = [node("MatMul", "x W", "h"), quantiser("h s z b", "y", signed=1)]
    source = read_onnx(saved(tmp_path, model(nodes, constants)))
    last = source.layers[-1]
    assert isinstance(last, SourceQuantise)
    assert float(last.quantiser.step[()]) == float(F(0.3))
    assert source.notes == (
        "Quant node 'y': its scale is no power of two; the division by it is taken as exact, "
        "where the framework rounds to float32",
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"s": F(-1)}, "its scale is not positive"),
        ({"z": F(np.inf)}, "its scale, zero point or bit width is not finite"),
        ({"b": F(2.5)}, "its bit width is not a whole number from 1 to 32"),
        ({"b": F(1), "z": F(1)}, "it has one signed bit; use BipolarQuant"),
    ],
)  # fmt: skip
def test_a_quantiser_without_an_exact_integer_meaning_is_refused(tmp_path, change, why):
    constants = {"W": weights(4, 2), "s": F(0.5), "z": F(0), "b": F(8), **change}
    nodes = [node("MatMul", "x W", "h"), quantiser("h s z b", "y", signed=1)]
    told = obstacles(tmp_path, model(nodes, constants))
    assert len(told) == 1
    assert told[0].startswith(f"Quant node 'y': {why}")
