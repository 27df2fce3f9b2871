"""ONNX and QONNX files: layers equal to the reference evaluator, hostile files refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from flow.errors import FlowError, UnsupportedModel, UsageError
from flow.frontend.float_model import evaluate_source
from flow.frontend.onnx.reader import read_onnx
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.source import (
    SourceActivation,
    SourceAffine,
    SourceDense,
    SourceInput,
    SourceQuantise,
)

RNG = np.random.default_rng(11)
F = np.float32


def weights(*shape):
    return RNG.normal(0, 1, shape).astype(F)


def node(op, inputs, output, **attributes):
    outputs = [output] if isinstance(output, str) else output
    return helper.make_node(op, inputs.split(), outputs, **attributes)


def model(nodes, constants, inputs=(("x", [None, 4]),), outputs=("y",), opset=21, **options):
    """A model file's bytes; `None` leaves the batch open."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()],
        **options,
    )
    domains = {n.domain for n in nodes} - {""}
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in sorted(domains))]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def saved(tmp_path, proto, name="m.onnx"):
    path = tmp_path / name
    path.write_bytes(proto if isinstance(proto, bytes) else proto.SerializeToString())
    return path


def check(tmp_path, proto, shapes=None, batch=5):
    """Read the model, compare each output with the reference, and return what was read."""
    source = read_onnx(saved(tmp_path, proto))
    shapes = shapes or {x.name: x.shape for x in source.layers if isinstance(x, SourceInput)}
    inputs = {n: weights(batch, *s) for n, s in shapes.items()}
    wanted = ReferenceEvaluator(proto).run(None, inputs)
    values = evaluate_source(source, inputs)
    for name, want in zip(source.outputs, wanted, strict=True):
        got = values[name]
        assert got.shape == (want.shape if want.ndim > 1 else (*want.shape, 1))
        np.testing.assert_allclose(got, want.reshape(got.shape), rtol=1e-5, atol=1e-5)
    return source


def kinds(source):
    return [type(layer).__name__.removeprefix("Source") for layer in source.layers]


def refused(tmp_path, proto) -> str:
    with pytest.raises(FlowError) as caught:
        read_onnx(saved(tmp_path, proto))
    return caught.value.show()


def obstacles(tmp_path, proto) -> list[str]:
    with pytest.raises(UnsupportedModel) as caught:
        read_onnx(saved(tmp_path, proto))
    return list(caught.value.obstacles)


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


QONNX = "qonnx.custom_op.general"


def quantiser(inputs, output, **attributes):
    return node("Quant", inputs, output, domain=QONNX, **attributes)


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


W34 = {"W": weights(4, 3), "c": weights(3)}


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
        ([node("Einsum", "x W", "y", equation="bi,io->bo")], W34,
         "Einsum node 'y': write it as MatMul with a constant matrix"),
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


DENSE = [node("MatMul", "x W", "y")]


def tensor(name="W", dims=(4, 2), raw=None, kind=TensorProto.FLOAT):
    data = np.zeros(8, F).tobytes() if raw is None else raw
    return TensorProto(name=name, dims=dims, data_type=kind, raw_data=data)


def with_tensor(*tensors):
    proto = model(DENSE, {})
    proto.graph.initializer.extend(tensors)
    return proto


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([tensor(dims=(1 << 20, 1 << 20))],
         "initialiser 'W' declares 1099511627776 elements [1048576, 1048576], but holds 8"),
        ([tensor(dims=(-4, -2))], "initialiser 'W' declares the shape [-4, -2]"),
        ([tensor(raw=b"123")], "initialiser 'W' declares 8 elements [4, 2], but holds 0.75"),
        ([TensorProto(name="W", dims=(4, 2), data_type=1, float_data=[1.0])],
         "initialiser 'W' declares 8 elements [4, 2], but holds 1"),
        ([tensor(), tensor()], "two initialisers have the name 'W'"),
        ([tensor(raw=np.array([0, 0, 0, np.nan, 0, 0, 0, 0], F).tobytes())],
         "initialiser 'W' holds nan at [1, 1]"),
        ([tensor(raw=np.array([0, 0, 0, 0, 0, 0, -np.inf, 0], F).tobytes())],
         "initialiser 'W' holds -inf at [3, 0]"),
    ],
)  # fmt: skip
def test_a_tensor_that_lies_about_itself_is_refused(tmp_path, tensors, message):
    assert refused(tmp_path, with_tensor(*tensors)) == f"error: {message}\n  at m.onnx"


def external(target):
    target.data_location = TensorProto.EXTERNAL
    target.external_data.add(key="location", value="canary")
    return target


def in_initialiser():
    return with_tensor(external(tensor(raw=b"")))


def in_attribute():
    value = external(TensorProto(name="t", dims=[1], data_type=1))
    return model([node("Constant", "", "W", value=value), *DENSE], {})


def in_subgraph():
    inner = helper.make_graph([], "inner", [], [], [external(tensor("t", (1,), b""))])
    branch = node("If", "x", "W", then_branch=inner, else_branch=inner)
    return model([branch, *DENSE], {})


def in_sparse():
    proto = model(DENSE, {"W": weights(4, 2)})
    sparse = proto.graph.sparse_initializer.add(dims=[4, 2])
    external(sparse.values)
    return proto


def in_function():
    proto = model(DENSE, {"W": weights(4, 2)})
    value = external(TensorProto(name="t", dims=[1], data_type=1))
    constant = helper.make_node("Constant", [], ["c"], value=value)
    proto.functions.append(helper.make_function("d", "f", [], ["c"], [constant], []))
    return proto


@pytest.mark.parametrize(
    "make", [in_initialiser, in_attribute, in_subgraph, in_sparse, in_function]
)
def test_data_in_another_file_are_refused_everywhere_and_never_read(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "canary").write_bytes(np.ones(8, F).tobytes())
    lines = refused(tmp_path, make()).splitlines()
    assert lines[0].startswith("error: tensor ")
    assert lines[0].endswith(" lies in another file")
    assert lines[1:] == [
        "  at m.onnx",
        "  hint: save the model with its weights inside the file: onnx.save(model, path)",
    ]


def test_functions_sparse_tensors_and_control_flow_are_refused(tmp_path):
    with_function = model(DENSE, {"W": weights(4, 2)})
    with_function.functions.append(helper.make_function("d", "f", [], [], [], []))
    assert refused(tmp_path, with_function).startswith("error: the model defines functions")
    sparse = model(DENSE, {"W": weights(4, 2)})
    sparse.graph.sparse_initializer.add(dims=[4, 2])
    assert refused(tmp_path, sparse).startswith("error: the model holds sparse tensors")
    inner = helper.make_graph([], "inner", [], [])
    loop = model([node("Loop", "x", "h", body=inner), node("MatMul", "h W", "y")], W34)
    assert obstacles(tmp_path, loop) == [
        "Loop node 'h': control flow has no circuit; export the model without it"
    ]


@pytest.mark.parametrize(
    ("nodes", "outputs", "message"),
    [
        ([node("Relu", "b", "a"), node("Relu", "a", "b"), *DENSE], ("y",),
         "Relu node 'a' reads 'b', which is made only later"),
        ([node("Relu", "a", "a"), *DENSE], ("y",),
         "Relu node 'a' reads 'a', which is made only later"),
        ([node("Relu", "nothing", "a"), *DENSE], ("y",),
         "Relu node 'a' reads 'nothing', which nothing makes"),
        ([*DENSE, node("Relu", "x", "y")], ("y",), "two tensors have the name 'y'"),
        ([*DENSE, node("Relu", "x", "W")], ("y",), "two tensors have the name 'W'"),
        (DENSE, ("z",), "the graph is malformed: nothing makes the output 'z'"),
        (DENSE, (), "the graph is malformed: no outputs"),
    ],
)  # fmt: skip
def test_a_malformed_graph_is_refused(tmp_path, nodes, outputs, message):
    proto = model(nodes, {"W": weights(4, 2)}, outputs=outputs)
    assert refused(tmp_path, proto).splitlines()[0] == f"error: {message}"


def test_two_inputs_of_one_name_are_refused(tmp_path):
    proto = model(DENSE, {"W": weights(4, 2)}, (("x", [1, 4]), ("x", [1, 4])))
    assert refused(tmp_path, proto) == "error: two inputs have one name\n  at m.onnx"


@pytest.mark.parametrize("opset", [0, 99])
def test_an_operator_set_out_of_reach_is_refused(tmp_path, opset):
    lines = refused(tmp_path, model(DENSE, {"W": weights(4, 2)}, opset=opset)).splitlines()
    newest = onnx.defs.onnx_opset_version()
    assert (
        lines[0] == f"error: the model uses the ONNX operator set {opset}; 1 to {newest} are read"
    )


def test_control_characters_of_names_are_escaped(tmp_path):
    proto = model([node("Bad\x1b[31m", "x", "y", name="a\nb")], {})
    assert refused(tmp_path, proto).splitlines()[2:] == [
        "  - Bad\\x1b[31m node 'a\\nb': this operator is not supported"
    ]


def test_a_name_that_is_no_text_is_shown_and_not_believed(tmp_path):
    whole = model([node("Bad", "x", "y", name="QQ")], {}).SerializeToString()
    lines = refused(tmp_path, whole.replace(b"QQ", b"\xff\xfe")).splitlines()
    assert lines[2:] == ["  - Bad node '\ufffd\ufffd': this operator is not supported"]


@pytest.mark.parametrize(
    ("op", "attributes"),
    [("Softmax", {"axis": "last"}), ("Flatten", {"axis": "a"}),
     ("Cast", {"to": [1.5]}), ("HardSigmoid", {"alpha": [1.0, 2.0]})],
)  # fmt: skip
def test_an_attribute_of_a_wrong_type_is_an_obstacle(tmp_path, op, attributes):
    proto = model([node("MatMul", "x W", "h"), node(op, "h", "y", **attributes)], W34)
    assert obstacles(tmp_path, proto) == [f"{op} node 'y': its operands or attributes do not fit"]


def test_a_scale_larger_than_its_weights_takes_no_memory(tmp_path):
    constants = {
        "W": np.ones((1 << 20, 1), F), "s": np.ones((1, 1 << 20), F), "z": F(0), "b": F(4),
    }  # fmt: skip
    told = obstacles(tmp_path, model([quantiser("W s z b", "Wq"), *dense_of("Wq")], constants))
    assert told == ["Quant node 'Wq': its scale has the shape [1, 1048576], its operand "
                    "[1048576, 1]"]  # fmt: skip


def dense_of(kernel):
    return [node("MatMul", f"x {kernel}", "y")]


def test_what_is_no_onnx_file_is_refused(tmp_path):
    whole = model(DENSE, {"W": weights(4, 2)}).SerializeToString()
    for content in (
        b"hello",
        b"\x80\x04pickle",
        b"\xff" * 1000,
        whole[:-1],
        whole[: len(whole) // 2],
    ):
        message = refused(tmp_path, content).splitlines()[0]
        assert message == "error: this is not an ONNX model: it cannot be parsed"
    deep = b""
    for _ in range(3000):
        # attribute.g.node.attribute ... : a graph within a graph.
        deep = field(1, field(5, field(6, deep)))
    content = b"\x08\x0a" + field(7, deep)
    assert refused(tmp_path, content).startswith("error: this is not an ONNX model")
    assert refused(tmp_path, b"").startswith("error: this is not an ONNX model")
    assert refused(tmp_path, b"\x08\x0a").startswith("error: this is not an ONNX model: it has no")


def field(number: int, data: bytes) -> bytes:
    """A protobuf field of bytes."""
    length, size = b"", len(data)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data


def test_every_flipped_byte_ends_in_a_model_or_a_message(tmp_path):
    nodes = [node("MatMul", "x W", "h"), node("Add", "h B", "a"), node("Relu", "a", "y")]
    whole = model(nodes, {"W": weights(4, 2), "B": weights(2)}).SerializeToString()
    for at in range(len(whole)):
        broken = bytearray(whole)
        broken[at] ^= 1 << (at % 8)
        try:
            source = read_onnx(saved(tmp_path, bytes(broken)))
        except (UsageError, UnsupportedModel):
            continue
        assert kinds(source)[0] == "Input"


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
