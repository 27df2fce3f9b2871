"""Every ONNX operator that is read, against ONNX's own reference evaluator."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from flow.frontend.float_model import evaluate_source
from flow.frontend.onnx.reader import read_onnx

RNG = np.random.default_rng(5)
F = np.float32


def w(*shape):
    return RNG.normal(0, 1, shape).astype(F)


def ints(*values):
    return np.array(values, dtype=np.int64)


def node(op, inputs, output="y", **attributes):
    """A node; `_` in the inputs leaves an operand out."""
    names = ["" if n == "_" else n for n in inputs.split()]
    return helper.make_node(op, names, output.split(), **attributes)


def read(folder: Path, nodes, constants, shape, opset=21, outputs=("y",), first=None):
    """A model that begins with a matrix product, and what is read of it."""
    if first is None:
        first = (np.eye(shape[-1]) + 0.1 * w(shape[-1], shape[-1])).astype(F)
    constants = {**constants, "first": first}
    graph = helper.make_graph(
        [node("MatMul", "input first", "x"), *nodes],
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, *shape])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    path = folder / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    return proto, read_onnx(path)


def kinds(source):
    return [type(layer).__name__.removeprefix("Source") for layer in source.layers[2:]]


def check(folder, nodes, constants, shape, **options):
    """Compare every output with the reference; the kinds of the layers behind the product."""
    proto, source = read(folder, nodes, constants, shape, **options)
    x = w(3, *shape)
    wanted = ReferenceEvaluator(proto).run(None, {"input": x})
    values = evaluate_source(source, {"input": x})
    for name, want in zip(source.outputs, wanted, strict=True):
        np.testing.assert_allclose(values[name].reshape(want.shape), want, rtol=1e-4, atol=1e-4)
    return kinds(source)


CONVOLUTIONS = [
    (groups, channels, filters, numbers)
    for groups, channels, filters in ((1, 3, 4), (3, 3, 6), (2, 4, 4))
    for numbers in (
        {},
        {"strides": [2, 1], "pads": [1, 0, 2, 1]},
        {"strides": [1, 2], "pads": [2, 2, 1, 1], "dilations": [2, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "VALID"},
    )
]


@pytest.mark.parametrize(("groups", "channels", "filters", "numbers"), CONVOLUTIONS)
def test_a_convolution_of_channels_first(tmp_path, groups, channels, filters, numbers):
    constants = {"K": w(filters, channels // groups, 3, 2), "B": w(filters)}
    nodes = [node("Conv", "x K B", group=groups, **numbers)]
    assert check(tmp_path, nodes, constants, (channels, 7, 8)) == ["Gather", "Conv", "Gather"]


@pytest.mark.parametrize("window", [(3,), (3, 2), (2, 2, 2)])
def test_a_convolution_over_one_to_three_axes(tmp_path, window):
    constants = {"K": w(4, 2, *window), "B": w(4)}
    check(tmp_path, [node("Conv", "x K B")], constants, (2, *(5,) * len(window)))


@pytest.mark.parametrize(
    "numbers",
    [{"strides": [2, 2]}, {"strides": [2, 1], "pads": [1, 0, 1, 1]},
     {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
     {"dilations": [2, 1], "strides": [1, 2]}],
)  # fmt: skip
def test_a_transposed_convolution(tmp_path, numbers):
    nodes = [node("ConvTranspose", "x K B", **numbers)]
    constants = {"K": w(4, 6, 3, 3), "B": w(6)}
    assert check(tmp_path, nodes, constants, (4, 5, 4)) == ["Gather", "Conv", "Gather"]


def test_a_transposed_convolution_in_groups_is_one_for_each_group(tmp_path):
    numbers = {"strides": [2, 1], "pads": [1, 0, 1, 1]}
    constants = {"K": w(4, 3, 3, 3), "B": w(6)}
    grouped = [node("ConvTranspose", "x K B", group=2, **numbers)]
    halves = {f"{n}{i}": a for n in "KB" for i, a in enumerate(np.split(constants[n], 2))}
    apart = [
        node("Split", "x", "x0 x1", axis=1, num_outputs=2),
        node("ConvTranspose", "x0 K0 B0", "y0", **numbers),
        node("ConvTranspose", "x1 K1 B1", "y1", **numbers),
        node("Concat", "y0 y1", axis=1),
    ]
    first = np.eye(4, dtype=F)
    both = [
        read(tmp_path, nodes, known, (4, 5, 4), first=first)[1]
        for nodes, known in ((grouped, constants), (apart, halves))
    ]
    check(tmp_path, apart, halves, (4, 5, 4))
    x = {"input": w(2, 4, 5, 4)}
    got, want = (evaluate_source(m, x)[m.outputs[0]] for m in both)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_no_gather_is_left_between_layers_of_channels_last(tmp_path):
    nodes = [
        node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t K", "c"),
        node("Add", "c b", "d"),
        node("BatchNormalization", "d s o m v", "n"),
        node("Relu", "n", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "p", "f"),
        node("Gemm", "f W z"),
    ]
    constants = {"K": w(4, 3, 3, 3), "b": w(1, 4, 1, 1), "s": w(4), "o": w(4), "m": w(4),
                 "v": abs(w(4)), "W": w(16, 3), "z": w(3)}  # fmt: skip
    layers = ["Conv", "Affine", "Activation", "Pool", "Reshape", "Dense"]
    assert check(tmp_path, nodes, constants, (6, 6, 3)) == layers


def test_zeros_made_by_pad_are_the_padding_of_the_convolution(tmp_path):
    nodes = [
        node("Pad", "x p", "q"),
        node("Transpose", "q", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t K", "c"),
        node("Transpose", "c", perm=[0, 2, 3, 1]),
    ]
    constants = {"K": w(4, 3, 3, 3), "p": ints(0, 1, 2, 0, 0, 2, 1, 0)}
    assert check(tmp_path, nodes, constants, (6, 6, 3)) == ["Conv"]


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "numbers",
    [{}, {"strides": [2, 2]}, {"strides": [3, 1], "pads": [1, 0, 0, 1]},
     {"strides": [2, 2], "ceil_mode": 1}, {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
     {"auto_pad": "VALID"}],
)  # fmt: skip
def test_pooling(tmp_path, op, numbers):
    nodes = [node(op, "x", kernel_shape=[3, 2], **numbers)]
    assert check(tmp_path, nodes, {}, (2, 8, 7)) == ["Gather", "Pool", "Gather"]


def test_padding_that_counts_is_divided_by_the_whole_window(tmp_path):
    numbers = {"kernel_shape": [3, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    assert check(tmp_path, [node("AveragePool", "x", **numbers)], {}, (2, 8, 7))[1] == "Pool"


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pooling_is_one_window(tmp_path, op):
    nodes = [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node(op, "t", "g"),
             node("Flatten", "g")]  # fmt: skip
    assert check(tmp_path, nodes, {}, (4, 5, 3)) == ["Pool", "Reshape"]


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum"])
@pytest.mark.parametrize("axes", [[1], [-1], [2, 3], [1, 2, 3], [1, 3]])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reductions_over_any_axes(tmp_path, op, axes, keepdims):
    nodes = [node(op, "x a", keepdims=keepdims)]
    check(tmp_path, nodes, {"a": ints(*axes)}, (3, 4, 5))


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", [(), (1, 4), (3, 1, 1), (1, 3, 1, 1), (3, 5, 4), (1, 1, 5, 1)])
def test_arithmetic_with_constants_of_any_broadcast(tmp_path, op, shape):
    constants = {"c": w(*shape) + F(3) if shape else F(2.5)}
    nodes = [node("Relu", "x", "r"), node(op, "r c")]
    assert check(tmp_path, nodes, constants, (3, 5, 4)) == ["Activation", "Affine"]


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
def test_arithmetic_on_tensors_broadcasts_and_permutes(tmp_path, op):
    nodes = [
        node("Abs", "x", "a"),
        node("Add", "a one", "b"),
        node("Transpose", "b", "t", perm=[0, 1, 3, 2]),
        node("ReduceMean", "t axes", "m"),
        node(op, "x t", "u"),
        node(op, "u m"),
    ]
    check(tmp_path, nodes, {"one": F(1), "axes": ints(2, 3)}, (3, 4, 4))


FUNCTIONS = [
    ("Relu", {}), ("LeakyRelu", {}), ("LeakyRelu", {"alpha": 0.3}), ("Elu", {}),
    ("Elu", {"alpha": 0.7}), ("Celu", {"alpha": 0.7}), ("Selu", {}),
    ("Selu", {"alpha": 1.5, "gamma": 1.1}), ("Sigmoid", {}), ("HardSigmoid", {}),
    ("HardSigmoid", {"alpha": 1 / 6}), ("HardSwish", {}), ("Tanh", {}), ("Softplus", {}),
    ("Softsign", {}), ("Erf", {}), ("Exp", {}), ("Abs", {}), ("Neg", {}), ("Sign", {}),
    ("Floor", {}), ("Ceil", {}), ("Round", {}), ("Sin", {}), ("Cos", {}), ("Atan", {}),
    ("Mish", {}), ("Gelu", {}), ("Gelu", {"approximate": "tanh"}), ("Identity", {}),
    ("Softmax", {"axis": 1}), ("LogSoftmax", {"axis": -1}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "attributes"), FUNCTIONS)
def test_functions_of_one_element_and_heads(tmp_path, op, attributes):
    check(tmp_path, [node(op, "x", **attributes)], {}, (3, 4))


@pytest.mark.parametrize("op", ["Sqrt", "Log", "Reciprocal"])
def test_functions_of_positive_elements(tmp_path, op):
    nodes = [node("Abs", "x", "a"), node("Add", "a one", "b"), node(op, "b")]
    check(tmp_path, nodes, {"one": F(1)}, (3, 4))


@pytest.mark.parametrize("exponent", [1, 2, 3, 4, 0.5, -1])
def test_powers(tmp_path, exponent):
    nodes = [node("Abs", "x", "a"), node("Add", "a one", "b"), node("Pow", "b e")]
    check(tmp_path, nodes, {"one": F(1), "e": F(exponent)}, (3, 4))


@pytest.mark.parametrize("bounds", ["x lo _", "x _ hi", "x lo hi", "x _ _"])
def test_clip_with_and_without_ends(tmp_path, bounds):
    used = {"lo": F(-0.5), "hi": F(0.75)}
    constants = {n: used[n] for n in bounds.split()[1:] if n in used}
    check(tmp_path, [node("Clip", bounds)], constants, (3, 4))


WRITTEN_OUT = {
    "silu": [node("Sigmoid", "x", "s"), node("Mul", "x s")],
    "gelu": [node("Div", "x root", "d"), node("Erf", "d", "e"), node("Add", "e one", "a"),
             node("Mul", "x a", "m"), node("Mul", "m half")],
    "gelu_tanh": [node("Pow", "x three", "p"), node("Mul", "p small", "q"), node("Add", "x q", "r"),
                  node("Mul", "r slope", "u"), node("Tanh", "u", "v"), node("Add", "v one", "a"),
                  node("Mul", "x half", "h"), node("Mul", "h a")],
    "mish": [node("Softplus", "x", "s"), node("Tanh", "s", "t"), node("Mul", "x t")],
    "hard_swish": [node("Add", "x three", "a"), node("Clip", "a zero six", "b"),
                   node("Mul", "x b", "m"), node("Div", "m six")],
    "softplus": [node("Exp", "x", "e"), node("Add", "e one", "a"), node("Log", "a")],
}  # fmt: skip


@pytest.mark.parametrize("function", WRITTEN_OUT)
def test_functions_that_exporters_write_out_get_their_name_back(tmp_path, function):
    constants = {"root": F(2**0.5), "one": F(1), "half": F(0.5), "three": F(3),
                 "small": F(0.044715), "slope": F((2 / np.pi) ** 0.5), "zero": F(0),
                 "six": F(6)}  # fmt: skip
    nodes = WRITTEN_OUT[function]
    assert check(tmp_path, nodes, constants, (3, 4)) == ["Activation"]
    _, source = read(tmp_path, nodes, constants, (3, 4))
    assert source.layers[-1].function == function


def test_a_product_that_is_no_known_function_stays(tmp_path):
    nodes = [node("Relu", "x", "r"), node("Mul", "x r")]
    assert check(tmp_path, nodes, {}, (3, 4)) == ["Activation", "Multiply"]


SHAPES = {
    "transpose": ([node("Transpose", "x", perm=[0, 3, 1, 2])], {}),
    "slices": ([node("Slice", "x s e a p")],
               {"s": ints(0, 3), "e": ints(2, -99), "a": ints(2, 3), "p": ints(1, -2)}),
    "split": ([node("Split", "x s", "a b c", axis=2), node("Relu", "b")], {"s": ints(1, 2, 1)}),
    "halves": ([node("Split", "x", "a b", axis=2, num_outputs=2), node("Sub", "a b")], {}),
    "gather": ([node("Gather", "x i", axis=2)], {"i": ints(3, 0, -2)}),
    "gather one": ([node("Gather", "x i", axis=1)], {"i": np.array(2)}),
    "flatten": ([node("Flatten", "x")], {}),
    "reshape": ([node("Reshape", "x s")], {"s": ints(0, -1, 6)}),
    "pad": ([node("Pad", "x p v")], {"p": ints(0, 0, 1, 2, 0, 1, 0, 1), "v": F(1.5)}),
    "edge": ([node("Pad", "x p", mode="edge")], {"p": ints(0, 0, 1, 2, 0, 1, 0, 1)}),
    "reflect": ([node("Pad", "x p", mode="reflect")], {"p": ints(0, 0, 1, 2, 0, 1, 0, 1)}),
    "pad, then a function": ([node("Pad", "x p v", "q"), node("Sigmoid", "q")],
                             {"p": ints(0, 0, 1, 2, 0, 1, 0, 1), "v": F(1.5)}),
    "pad, then the largest": ([node("Pad", "x p", "q"), node("MaxPool", "q", kernel_shape=[2, 2])],
                              {"p": ints(0, 0, 1, 1, 0, 0, 1, 1)}),
    "expand": ([node("ReduceMean", "x a", "m"), node("Expand", "m s", "e"), node("Relu", "e")],
               {"a": ints(1), "s": ints(1, 3, 1, 1)}),
    "tile": ([node("Tile", "x r")], {"r": ints(1, 2, 1, 3)}),
    "concat 1": ([node("Relu", "x", "a"), node("Concat", "x a x", axis=1)], {}),
    "concat 2": ([node("Relu", "x", "a"), node("Concat", "x a x", axis=2)], {}),
    "squeeze": ([node("ReduceMax", "x a", "m"), node("Squeeze", "m a", "s"),
                 node("Unsqueeze", "s b")], {"a": ints(2), "b": ints(1, -1)}),
    "where": ([node("Where", "c x k")], {"c": RNG.random((3, 1, 5)) > 0.5, "k": w(1, 5)}),
    "where, two": ([node("Relu", "x", "r"), node("Where", "c x r")],
                   {"c": RNG.random((4, 5)) > 0.5}),
    "shape chain": ([node("Shape", "x", "s"), node("Gather", "s zero", "n"),
                     node("Unsqueeze", "n axis", "n1"), node("Concat", "n1 rest", "to", axis=0),
                     node("Reshape", "x to")],
                    {"zero": np.array(0), "axis": ints(0), "rest": ints(-1)}),
    "sizes": ([node("Shape", "x", "s"), node("Slice", "s a b", "front"),
               node("Slice", "s b c", "back"), node("Mul", "back two", "twice"),
               node("Concat", "front twice", "size", axis=0),
               node("Resize", "x _ _ size", coordinate_transformation_mode="asymmetric",
                    nearest_mode="floor")],
              {"a": ints(0), "b": ints(2), "c": ints(4), "two": ints(2)}),
    "constant of shape": ([node("ConstantOfShape", "s", "c"), node("Add", "x c")],
                          {"s": ints(4, 5)}),
    "max": ([node("Neg", "x", "n"), node("Max", "n x c")], {"c": w(5)}),
    "min": ([node("Neg", "x", "n"), node("Min", "n x c")], {"c": w(5)}),
    "sum": ([node("Neg", "x", "n"), node("Relu", "x", "r"), node("Sum", "n r c r")], {"c": w(5)}),
    "mean": ([node("Relu", "x", "r"), node("Mean", "x r c")], {"c": w(5)}),
    "matrix on the left": ([node("MatMul", "W x")], {"W": w(2, 4)}),
    "two tensors": ([node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("MatMul", "x t")], {}),
    "prelu": ([node("PRelu", "x s")], {"s": w(3, 1, 1)}),
    "prelu by choice": ([node("Greater", "x zero", "g"), node("Mul", "x s", "m"),
                         node("Where", "g x m")], {"zero": F(0), "s": w(3, 1, 1)}),
    "choice": ([node("Less", "x c", "g"), node("Neg", "x", "n"), node("Where", "g n x")],
               {"c": w(5)}),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_operators_that_move_and_join(tmp_path, name):
    check(tmp_path, *SHAPES[name], (3, 4, 5))


def test_a_negative_pad_cuts(tmp_path):
    constants = {"p": ints(0, 0, -1, 2, 0, 1, 0, -1), "v": F(1.5)}
    _, source = read(tmp_path, [node("Pad", "x p v")], constants, (3, 4, 5))
    values = evaluate_source(source, {"input": w(2, 3, 4, 5)})
    ends = ((0, 0), (0, 1), (0, 0), (2, 0))
    want = np.pad(values["x"][:, :, 1:, :-1], ends, constant_values=1.5)
    assert (values[source.outputs[0]] == want).all()


@pytest.mark.parametrize("op", ["DepthToSpace", "SpaceToDepth"])
def test_blocks_between_channels_and_positions(tmp_path, op):
    check(tmp_path, [node(op, "x", blocksize=2)], {}, (4, 4, 2))


@pytest.mark.parametrize(
    "coordinates", ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
)
@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_resize_to_the_nearest_element(tmp_path, coordinates, rounding):
    for factors in ([1, 1, 2, 3], [1, 1, 0.5, 1.5]):
        nodes = [node("Resize", "x _ s", coordinate_transformation_mode=coordinates,
                      nearest_mode=rounding)]  # fmt: skip
        check(tmp_path, nodes, {"s": np.array(factors, F)}, (2, 4, 4))


@pytest.mark.parametrize("op", ["Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
def test_comparisons_are_0_or_1(tmp_path, op):
    nodes = [node(op, "x c", "g"), node("Cast", "g", to=TensorProto.FLOAT)]
    check(tmp_path, nodes, {"c": w(4)}, (3, 4))
    nodes = [node("Neg", "x", "n"), node(op, "x n", "g"), node("Not", "g", "h"),
             node("Cast", "h", to=TensorProto.FLOAT)]  # fmt: skip
    check(tmp_path, nodes, {}, (3, 4))


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_the_largest_along_any_axis(tmp_path, axis, keepdims):
    nodes = [node("ArgMax", "x", "a", axis=axis, keepdims=keepdims),
             node("Cast", "a", to=TensorProto.FLOAT)]  # fmt: skip
    check(tmp_path, nodes, {}, (3, 4, 5))


def test_the_first_of_top_k(tmp_path):
    nodes = [node("TopK", "x k", "y i"), node("Cast", "i", "z", to=TensorProto.FLOAT)]
    check(tmp_path, nodes, {"k": ints(1)}, (3, 4), outputs=("y", "z"))


@pytest.mark.parametrize("opset", [5, 6])
def test_old_operator_sets_broadcast_along_an_axis(tmp_path, opset):
    nodes = [node("Add", "x c", broadcast=1, axis=1)]
    _, source = read(tmp_path, nodes, {"c": np.array([1, 2, 3], F)}, (3, 4, 5), opset=opset)
    x = w(2, 3, 4, 5)
    values = evaluate_source(source, {"input": x})
    want = values["x"] + np.array([1, 2, 3]).reshape(3, 1, 1)
    assert (values[source.outputs[0]] == want).all()
