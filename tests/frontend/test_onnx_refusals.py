"""What an ONNX file may hold that no circuit stands for: named, all at once."""

import numpy as np
import pytest
from frontend.onnx_graphs import (
    QONNX,
    W34,
    F,
    check,
    model,
    node,
    obstacles,
    refused,
    weights,
)
from onnx import TensorProto

from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network


def test_all_obstacles_are_named_at_once(tmp_path):
    nodes = [
        node("LSTM", "x K", "c", name="lstm1"),
        node("LayerNormalization", "x K", "p"),
        node("CumSum", "x K", "l"),
        node("Normalizer", "x", "n", domain="ai.onnx.ml"),
        node("TreeEnsembleClassifier", "x", "t", domain="ai.onnx.ml"),
        node("FloatQuant", "x", "q", domain=QONNX),
        node("Bar", "x", "b", domain=QONNX),
        node("Foo", "x", "y", domain="com.example"),
    ]
    outputs = ("c", "p", "l", "n", "t", "q", "b", "y")
    proto = model(nodes, {"K": weights(4)}, outputs=outputs)
    assert refused(tmp_path, proto).splitlines() == [
        "error: this ONNX model cannot be represented: 8 things stand in the way",
        "  at m.onnx",
        "  - LSTM node 'lstm1': recurrent layers are not supported",
        "  - LayerNormalization node 'p': it divides by numbers computed from each sample; train "
        "with batch normalisation instead, which folds into the weights",
        "  - CumSum node 'l': use a MatMul with a constant triangular matrix instead",
        "  - Normalizer node 'n': this operator of ai.onnx.ml is not supported; convert with "
        "options={'zipmap': False} and keep the scores only, or save the estimator with skops",
        "  - TreeEnsembleClassifier node 't': trees are no network; train a perceptron on the same "
        "data, or emit the tree elsewhere",
        "  - FloatQuant node 'q': FloatQuant makes minifloats, which have no integer meaning; use "
        "IntQuant",
        "  - Bar node 'b': the operator Bar of QONNX is not supported",
        "  - Foo node 'y': the operator set 'com.example' is unknown",
    ]


@pytest.mark.parametrize(
    ("nodes", "constants", "why"),
    [
        ([node("MatMul", "x x", "y")], {},
         "MatMul node 'y': it multiplies tensors of the shapes ['batch', 4] and ['batch', 4]"),
        ([node("MatMul", "x W", "y")], {"W": weights(5, 3)},
         "MatMul node 'y': weights of the shape [5, 3] meet a tensor of the shape ['batch', 4]"),
        ([node("MatMul", "x W", "h"), node("Add", "h x", "y")], W34,
         "Add node 'y': it joins tensors of the shapes [[3], [4]]"),
        ([node("MatMul", "x W", "h"), node("Pow", "h c", "y")], {**W34, "c": F(2.5)},
         "Pow node 'y': the exponent 2.5 is not supported; use 2, 3, 4, 1/2 or -1"),
        ([node("MatMul", "x W", "h"), node("Add", "h c", "y")], {**W34, "c": weights(5, 3)},
         "Add node 'y': a constant of the shape [5, 3] meets a tensor of the shape ['batch', 3]"),
        ([node("MatMul", "x W", "h"), node("Div", "h c", "y")], {**W34, "c": np.zeros(3, F)},
         "Div node 'y': a weight computed from the constants is not finite, at [0]"),
        ([node("MatMul", "x W", "h"), node("Reshape", "h to", "y")], {**W34, "to": np.array([6])},
         "Reshape node 'y': it reshapes ['batch', 3] to [6], which mixes the samples"),
        ([node("MatMul", "x W", "h"), node("Transpose", "h", "y")], W34,
         "Transpose node 'y': it transposes ['batch', 3] by [1, 0], which moves the batch"),
        ([node("MatMul", "x W", "h"), node("Softmax", "h", "y", axis=0)], W34,
         "Softmax node 'y': it works along axis 0 of 2; the batch is axis 0"),
        ([node("MatMul", "x W", "h"), node("Clip", "h lo hi", "y")],
         {**W34, "lo": F(6), "hi": F(1)},
         "Clip node 'y': its bounds 6 and 1 are the wrong way round"),
        ([node("MatMul", "x W", "h"), node("Cast", "h", "y", to=TensorProto.INT32)], W34,
         "Cast node 'y': it casts to a type that cuts its values"),
        ([node("MatMul", "x W", "h"), node("ArgMax", "h", "a", axis=1), node("Add", "a a", "y")],
         W34, "Add node 'y': it computes on integers; cast them to float first"),
        ([node("MatMul", "x W", "h"), node("Add", "c c", "y")], W34,
         "output 'y': it does not depend on the input"),
        ([node("Identity", "x", "y")], {}, "output 'y': it is an input"),
        ([node("MatMul", "W V", "k"), node("MatMul", "x k", "y")],
         {"W": weights(5000, 1), "V": weights(1, 5000)},
         "MatMul node 'k': a tensor of the shape [5000, 5000] is too large"),
    ],
)  # fmt: skip
def test_what_has_no_place_is_named(tmp_path, nodes, constants, why):
    assert obstacles(tmp_path, model(nodes, constants)) == [why]


def test_doubling_concats_do_not_take_the_memory(tmp_path):
    nodes = [node("Concat", f"c{i} c{i}", f"c{i + 1}", axis=0) for i in range(60)]
    nodes.append(node("MatMul", "x c60", "y"))
    told = obstacles(tmp_path, model(nodes, {"c0": weights(4, 2)}))
    assert told == ["Concat node 'c22': a tensor of the shape [33554432] is too large"]


def test_a_file_that_moves_too_much_is_given_up_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("flow.frontend.onnx.builder.MAX_MOVED", 1000)
    nodes = [node("Transpose", f"t{i}", f"t{i + 1}", perm=[0, 2, 1]) for i in range(100)]
    nodes.append(node("Relu", "t100", "y"))
    proto = model(nodes, {}, (("t0", [None, 10, 10]),))
    told = "Transpose node 't11': the shape operators move more than 1000 elements"
    assert obstacles(tmp_path, proto) == [told]


def test_a_window_that_only_padding_fills_is_refused(tmp_path):
    huge = [1 << 29] * 4
    for pool in (
        node("AveragePool", "x", "y", kernel_shape=[1 << 30] * 2, pads=huge),
        node("Conv", "x K", "y", dilations=[1 << 30, 1 << 30], pads=huge),
    ):
        proto = model([pool], {"K": weights(1, 1, 2, 2)}, (("x", [None, 1, 4, 4]),))
        (told,) = obstacles(tmp_path, proto)
        assert told.endswith("a tensor of the shape [1073741828, 1073741828] is too large")


def test_a_logarithm_of_softmax_is_left_to_the_host(tmp_path):
    proto = model([node("MatMul", "x W", "h"), node("LogSoftmax", "h", "y")], {"W": weights(4, 3)})
    source = check(tmp_path, proto)
    network = to_network(source, QuantiseOptions(8, 8, 8, head="logits")).network
    assert (network.head, [layer.kind for layer in network.layers]) == (
        "log_softmax", ["input", "dense"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ([4], "it has no batch axis; export the model with inputs of the shape [batch, n]"),
        ([None, None], "only the batch may be left open; export the model with fixed sizes"),
        ([1, 1 << 30], "a tensor of the shape [1073741824] is too large"),
    ],
)
def test_an_input_without_a_known_shape_is_refused(tmp_path, shape, why):
    proto = model([node("MatMul", "x W", "y")], {"W": weights(4, 2)}, (("x", shape),))
    assert obstacles(tmp_path, proto) == [f"input 'x': {why}"]
