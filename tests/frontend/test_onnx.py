"""ONNX files: layers equal to the reference evaluator, real models to their frameworks."""

import numpy as np
import onnx
import pytest
from frontend.onnx_graphs import (
    F,
    check,
    kinds,
    model,
    node,
    saved,
    weights,
)
from onnx import TensorProto, helper, numpy_helper

from flow.frontend.float_model import evaluate_source
from flow.frontend.onnx.reader import read_onnx
from flow.frontend.source import (
    SourceActivation,
    SourceAffine,
    SourceDense,
)


def test_matmul_and_add_are_one_dense_layer(tmp_path):
    source = check(
        tmp_path,
        model(
            [
                node("MatMul", "x W", "h", name="fc"),
                node("Add", "h B", "a"),
                node("Relu", "a", "r"),
                node("MatMul", "r V", "o"),
                node("Add", "C o", "p"),
                node("Softmax", "p", "y"),
            ],
            {"W": weights(4, 6), "B": weights(6), "V": weights(6, 3), "C": weights(1, 3)},
        ),
    )
    assert [(x.name, x.sources, x.place) for x in source.layers] == [
        ("x", (), "input 'x'"),
        ("a", ("x",), "MatMul node 'fc' with Add node 'a'"),
        ("r", ("a",), "Relu node 'r'"),
        ("p", ("r",), "MatMul node 'o' with Add node 'p'"),
        ("y", ("p",), "Softmax node 'y'"),
    ]
    assert (source.name, source.format, source.outputs) == ("m", "onnx", ("y",))
    assert source.quantised is False


@pytest.mark.parametrize("trans", [0, 1])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, -2.0)])
@pytest.mark.parametrize("bias", [(3,), (1, 3), (1,), (), None])
def test_a_gemm_is_a_dense_layer(tmp_path, trans, alpha, beta, bias):
    constants = {"W": weights(3, 4) if trans else weights(4, 3)}
    if bias is not None:
        constants["B"] = weights(*bias)
    gemm = node(
        "Gemm", "x W" if bias is None else "x W B", "y", alpha=alpha, beta=beta, transB=trans
    )
    source = check(tmp_path, model([gemm], constants))
    assert kinds(source) == ["Input", "Dense"]


def normalised(opset, shape, p):
    if opset < 13:
        up, down = node("Unsqueeze", "h", "u", axes=[2]), node("Squeeze", "n", "y", axes=[2])
    else:
        p = p | {"ax": np.array([2])}
        up, down = node("Unsqueeze", "h ax", "u"), node("Squeeze", "n ax", "y")
    nodes = [
        node("MatMul", "x W", "h"),
        up,
        node("BatchNormalization", "u s b m v", "n", epsilon=1e-3),
        down,
    ]
    return model(nodes, p, (("x", shape),), opset=opset)


@pytest.mark.parametrize("shape", [[None, 4], [1, 4], ["N", 4]])
def test_batch_normalisation_between_unsqueeze_and_squeeze(tmp_path, shape):
    p = {n: weights(5) for n in "sbm"} | {"v": np.abs(weights(5)), "W": weights(4, 5)}
    source = check(tmp_path, normalised(21, shape, p))
    assert kinds(source) == ["Input", "Dense", "Affine"]
    # The reference evaluator trains while it runs the batch normalisation of older sets.
    x = {"x": weights(5, 4)}
    want = evaluate_source(source, x)[source.outputs[0]]
    for opset in (9, 13):
        old = read_onnx(saved(tmp_path, normalised(opset, shape, p)))
        assert (evaluate_source(old, x)[old.outputs[0]] == want).all()


def test_an_image_is_flattened_for_the_dense_layer(tmp_path):
    nodes = [
        node("Mul", "x two", "a"),
        node("Sub", "a one", "b"),
        node("Shape", "b", "s"),
        node("Gather", "s zero", "n"),
        node("Unsqueeze", "n axes", "n1"),
        node("Concat", "n1 rest", "to", axis=0),
        node("Reshape", "b to", "f"),
        node("MatMul", "f W", "y"),
    ]
    constants = {
        "two": F(2), "one": np.array([1], F), "zero": np.array(0), "axes": np.array([0]),
        "rest": np.array([-1]), "W": weights(12, 3),
    }  # fmt: skip
    source = check(tmp_path, model(nodes, constants, (("x", [None, 1, 3, 4]),)))
    assert kinds(source) == ["Input", "Affine", "Reshape", "Dense"]
    affine = source.layers[1]
    assert isinstance(affine, SourceAffine)
    assert affine.multiplier.tolist() == [2.0] * 4
    assert affine.offset.tolist() == [-1.0] * 4


@pytest.mark.parametrize(
    ("shape", "target"), [([None, 2, 3], [0, 6]), ([None, 2, 3], [-1, 6]), ([1, 2, 3], [1, -1]),
                          ([7, 2, 3], [7, 6])]
)  # fmt: skip
def test_reshapes_that_keep_the_samples_apart(tmp_path, shape, target):
    nodes = [node("Reshape", "x to", "f"), node("MatMul", "f W", "y")]
    proto = model(nodes, {"to": np.array(target), "W": weights(6, 2)}, (("x", shape),))
    assert kinds(check(tmp_path, proto, batch=shape[0] or 5)) == ["Input", "Reshape", "Dense"]


@pytest.mark.parametrize(
    ("op", "function", "attributes"),
    [
        ("Relu", "relu", {}),
        ("Sigmoid", "sigmoid", {}),
        ("Tanh", "tanh", {}),
        ("HardSigmoid", "hard_sigmoid", {}),
        ("ArgMax", "argmax", {"axis": 1}),
        ("ArgMax", "argmax", {"axis": -1, "keepdims": 0}),
        ("Softmax", "softmax", {"axis": -1}),
    ],
)
def test_each_activation_is_the_reference(tmp_path, op, function, attributes):
    nodes = [node("MatMul", "x W", "h"), node(op, "h", "y", **attributes)]
    source = check(tmp_path, model(nodes, {"W": weights(4, 6)}))
    last = source.layers[-1]
    assert isinstance(last, SourceActivation)
    assert last.function == function


def test_a_hard_sigmoid_of_another_slope_keeps_its_numbers(tmp_path):
    nodes = [node("MatMul", "x W", "h"), node("HardSigmoid", "h", "y", alpha=1 / 6, beta=0.4)]
    source = check(tmp_path, model(nodes, {"W": weights(4, 6)}))
    last = source.layers[-1]
    assert isinstance(last, SourceActivation)
    assert (last.function, last.parameters) == ("hard_sigmoid", (float(F(1 / 6)), float(F(0.4))))


@pytest.mark.parametrize(
    ("inputs", "bounds", "function"),
    [("h lo", {"lo": F(0)}, ("relu", ())),
     ("h lo hi", {"lo": F(0), "hi": F(6)}, ("relu", (6.0,))),
     ("h lo hi", {"lo": F(-1), "hi": F(1)}, ("hard_tanh", ())),
     ("h lo hi", {"lo": F(-0.5), "hi": F(2)}, ("hard_tanh", (-0.5, 2.0)))],
)  # fmt: skip
def test_clip_is_an_activation(tmp_path, inputs, bounds, function):
    nodes = [node("MatMul", "x W", "h"), node("Clip", inputs, "y")]
    source = check(tmp_path, model(nodes, {"W": weights(4, 6), **bounds}))
    last = source.layers[-1]
    assert isinstance(last, SourceActivation)
    assert (last.function, last.parameters) == function


@pytest.mark.parametrize(
    ("op", "inputs"),
    [("Add", "h c"), ("Add", "c h"), ("Sub", "h c"), ("Sub", "c h"), ("Mul", "h c"),
     ("Mul", "c h"), ("Div", "h c")],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(6,), (1, 6), (1,), ()])
def test_arithmetic_with_constants_is_affine(tmp_path, op, inputs, shape):
    nodes = [node("Gemm", "x W b", "h"), node(op, inputs, "y")]
    constants = {"W": weights(4, 6), "b": weights(6), "c": weights(*shape) + F(3)}
    source = check(tmp_path, model(nodes, constants))
    assert kinds(source) == ["Input", "Dense", "Affine"]


def test_a_constant_for_each_pixel_is_affine_on_the_image(tmp_path):
    nodes = [
        node("Sub", "x m", "c"),
        node("Flatten", "c", "f"),
        node("MatMul", "f W", "y"),
    ]
    proto = model(nodes, {"m": weights(2, 3), "W": weights(6, 2)}, (("x", [None, 2, 3]),))
    assert kinds(check(tmp_path, proto)) == ["Input", "Affine", "Reshape", "Dense"]


def test_branches_are_added_subtracted_and_joined(tmp_path):
    nodes = [
        node("MatMul", "x W", "a"),
        node("Relu", "a", "b"),
        node("Add", "a b", "s"),
        node("Sub", "s b", "d"),
        node("Concat", "d z", "j", axis=1),
        node("Gemm", "j V", "y"),
        node("Identity", "b", "i"),
        node("Neg", "i", "second"),
    ]
    constants = {"W": weights(4, 3), "V": weights(5, 2)}
    source = check(
        tmp_path,
        model(nodes, constants, (("x", [None, 4]), ("z", [None, 2])), ("y", "second")),
    )
    assert kinds(source) == [
        "Input", "Input", "Dense", "Activation", "Add", "Affine", "Add", "Concat", "Dense", "Affine"
    ]  # fmt: skip


def test_a_shared_affine_map_is_not_merged_away(tmp_path):
    nodes = [
        node("MatMul", "x W", "h"),
        node("Relu", "h", "r"),
        node("Mul", "r c", "m"),
        node("Identity", "m", "alias"),
        node("Add", "alias c", "one"),
        node("Sub", "alias c", "two"),
        node("Add", "one two", "y"),
    ]
    check(tmp_path, model(nodes, {"W": weights(4, 3), "c": weights(3)}))


def test_constants_are_computed_in_float32(tmp_path):
    nodes = [
        helper.make_node("Constant", [], ["e"], value_float=1e-3),
        node("Add", "v e", "ve"),
        node("Sqrt", "ve", "d"),
        node("Div", "W d", "Wd"),
        node("Transpose", "Wd", "Wt", perm=[1, 0]),
        node("Cast", "Wt", "Wc", to=TensorProto.FLOAT),
        node("MatMul", "x Wc", "y"),
    ]
    constants = {"v": np.abs(weights(4)), "W": weights(3, 4)}
    source = check(tmp_path, model(nodes, constants))
    dense = source.layers[1]
    assert isinstance(dense, SourceDense)
    want = (constants["W"] / np.sqrt(constants["v"] + F(1e-3))).T
    assert dense.kernel.values.dtype == np.float64
    assert (dense.kernel.values == want).all()


def test_dropout_cast_and_dead_nodes_leave_no_layer(tmp_path):
    nodes = [
        node("Conv", "img K", "dead"),
        node("Dropout", "x", ["d", "mask"]),
        node("Cast", "d", "c", to=TensorProto.DOUBLE),
        node("Cast", "c", "f", to=TensorProto.FLOAT),
        node("MatMul", "f W", "y"),
    ]
    constants = {"W": weights(4, 2), "K": weights(1, 1, 1, 1), "img": weights(1, 1, 2, 2)}
    assert kinds(check(tmp_path, model(nodes, constants))) == ["Input", "Dense"]


def test_a_dense_layer_works_along_the_last_axis_of_many(tmp_path):
    nodes = [node("MatMul", "x W", "h"), node("Add", "h B", "y")]
    proto = model(nodes, {"W": weights(4, 6), "B": weights(6)}, (("x", [None, 3, 4]),))
    assert kinds(check(tmp_path, proto)) == ["Input", "Dense"]


def test_a_scaler_of_sklearn_onnx_is_affine(tmp_path):
    scaler = node("Scaler", "x", "s", domain="ai.onnx.ml", offset=[1.0, 2, 3, 4], scale=[2.0] * 4)
    source = check(tmp_path, model([scaler, node("MatMul", "s W", "y")], {"W": weights(4, 2)}))
    assert kinds(source) == ["Input", "Affine", "Dense"]


GOLDEN = [
    ("onnx_float_small/three_layer_keras.onnx", "onnx_float_small/golden_three_layer_keras.npz"),
    ("onnx_float_small/two_layer_keras.onnx", "onnx_float_small/golden_two_layer_keras.npz"),
    ("qonnx_jettagging/qkeras_jettagging.onnx",
     "qonnx_jettagging/golden_qkeras_jettagging.npz"),
    ("qonnx_tfc/TFC_1W1A.onnx", "qonnx_tfc/golden_TFC_1W1A.npz"),
    ("qonnx_tfc/TFC_2W2A.onnx", "qonnx_tfc/golden_TFC_2W2A.npz"),
    ("qonnx_unsw_w2a2/unsw_nb15-mlp-w2a2.onnx",
     "qonnx_unsw_w2a2/golden_unsw_nb15-mlp-w2a2.npz"),
]  # fmt: skip


@pytest.mark.shared
@pytest.mark.parametrize(("file", "golden"), GOLDEN)
def test_a_real_model_answers_as_its_framework(shared, file, golden):
    source = read_onnx(shared / "models" / file)
    data = np.load(shared / "models" / golden)
    values = evaluate_source(source, {source.layers[0].name: data["x"]})
    np.testing.assert_allclose(values[source.outputs[0]], data["y"], rtol=1e-5, atol=1e-6)
    assert source.quantised == file.startswith("qonnx")


@pytest.mark.shared
def test_a_model_of_pytorch_with_batch_normalisation_is_read(shared):
    path = shared / "models/onnx_float_small/three_layer_bn_pytorch.onnx"
    source = read_onnx(path)
    assert kinds(source) == ["Input", *["Dense", "Affine", "Activation"] * 4]
    x = weights(6, 16)
    # The reference needs an operator set of its own: this file is of 2018.
    values, last = evaluate_source(source, {"0": x}), source.outputs[0]
    init = {
        t.name: numpy_helper.to_array(t).astype(np.float64)
        for t in onnx.load(path, load_external_data=False).graph.initializer
    }
    h = x.astype(np.float64)
    for k, eps in ((1, 1e-6), (8, 1e-6), (15, 1e-6), (22, 1e-5)):
        w, b, scale, offset, mean, var = (init[str(k + i)] for i in range(6))
        h = (h @ w.T + b - mean) / np.sqrt(var + eps) * scale + offset
        h = np.maximum(h, 0) if k < 22 else np.exp(h) / np.exp(h).sum(1, keepdims=True)
    np.testing.assert_allclose(values[last], h, rtol=1e-5)
