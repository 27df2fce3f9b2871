"""Quantisers of QONNX, FINN and ONNX against their definitions, written out in numpy."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from flow.errors import UnsupportedModel
from flow.frontend.float_model import evaluate_source
from flow.frontend.onnx.reader import read_onnx
from flow.frontend.source import SourceDense, SourceQuantise

RNG = np.random.default_rng(8)
F = np.float32
GENERAL = "qonnx.custom_op.general"
LAST = "qonnx.custom_op.channels_last"

ROUND = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "DOWN": np.trunc,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}


def node(op, inputs, output="y", domain="", **attributes):
    return helper.make_node(op, inputs.split(), output.split(), domain=domain, **attributes)


def read(folder, nodes, constants, shape):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()],
    )
    domains = sorted({n.domain for n in nodes} - {""})
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(d, 1) for d in domains)]
    path = folder / "m.onnx"
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    path.write_bytes(proto.SerializeToString())
    return read_onnx(path)


def before_dense(folder, quantisers, constants, x, last="q"):
    """What the quantisers that end in `last` make of x, and the model, which ends in a product."""
    columns = constants.pop("columns", x.shape[-1])
    weights = {"E": np.eye(columns, dtype=F)}
    source = read(folder, [*quantisers, node("MatMul", f"{last} E")], constants | weights,
                  x.shape[1:])  # fmt: skip
    return evaluate_source(source, {"x": x})[source.outputs[0]], source


def grid(*shape):
    """Multiples of 1/16, so that ties come up."""
    return np.rint(RNG.normal(0, 2, shape) * 16).astype(F) / 16


def quant(x, scale, zero, bits, signed, narrow, mode):
    """Clamp, then round, as the operator says."""
    lo = -(2 ** (bits - 1)) + narrow if signed else 0
    hi = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
    return (ROUND[mode](np.clip(x / scale + zero, lo, hi)) - zero) * scale


CHANNELS = np.array([0.25, 0.5, 1], F).reshape(1, 3, 1, 1)
ELEMENTS = RNG.choice(np.array([0.25, 0.5, 2], F), (3, 4, 4))


@pytest.mark.parametrize("mode", ROUND)
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("narrow", [0, 1])
@pytest.mark.parametrize(
    ("scale", "zero"),
    [(F(0.25), F(0)), (F(0.25), F(3)), (CHANNELS, F(0)), (CHANNELS[0], F(2)), (ELEMENTS, F(0))],
)
def test_a_quantiser_of_activations(tmp_path, mode, signed, narrow, scale, zero):
    quantiser = node("Quant", "x s z b", "q", GENERAL, rounding_mode=mode, signed=signed,
                     narrow=narrow)  # fmt: skip
    x = grid(20, 3, 4, 4)
    got, _ = before_dense(tmp_path, [quantiser], {"s": scale, "z": zero, "b": F(4)}, x)
    assert (got == quant(x, scale, zero, 4, signed, narrow, mode)).all()


def test_a_bit_width_for_each_channel(tmp_path):
    bits = np.array([2, 4, 6], F)
    x = grid(50, 3)
    quantiser = node("IntQuant", "x s z b", "q", GENERAL, signed=1)
    got, source = before_dense(tmp_path, [quantiser], {"s": F(0.25), "z": F(0), "b": bits}, x)
    assert (got == quant(x, 0.25, 0, bits, 1, 0, "ROUND")).all()
    q = source.layers[1].quantiser
    assert (q.lo.tolist(), q.hi.tolist()) == ([-2, -8, -32], [1, 7, 31])


@pytest.mark.parametrize("mode", ROUND)
def test_a_quantiser_of_weights_gives_them_a_step_through_moves_and_scales(tmp_path, mode):
    scale = np.array([0.25, 0.5, 0.125], F).reshape(3, 1, 1)
    weights = grid(3, 2, 4)
    nodes = [
        node("Quant", "W s z b", "q", GENERAL, rounding_mode=mode, signed=1, narrow=1),
        node("Reshape", "q flat", "f"),
        node("Transpose", "f", "t", perm=[1, 0]),
        node("Mul", "t half", "h"),
        node("MatMul", "x h"),
    ]
    constants = {"W": weights, "s": scale, "z": F(0), "b": F(5), "flat": np.array([3, 8]),
                 "half": F(0.5)}  # fmt: skip
    source = read(tmp_path, nodes, constants, (8,))
    dense = source.layers[-1]
    assert isinstance(dense, SourceDense)
    want = quant(weights, scale, 0, 5, 1, 1, mode).reshape(3, 8).T / 2
    assert (dense.kernel.values == want).all()
    assert [float(s) for s in dense.kernel.step] == [0.125, 0.25, 0.0625]
    assert source.quantised


def test_one_signed_bit_is_a_sign(tmp_path):
    x = grid(50, 3)
    quantiser = node("Quant", "x s z b", "q", GENERAL, signed=1)
    got, _ = before_dense(tmp_path, [quantiser], {"s": F(0.5), "z": F(0), "b": F(1)}, x)
    assert (got == np.where(x >= 0, 0.5, -0.5)).all()


@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL"])
@pytest.mark.parametrize("zero", [0, 16])
def test_trunc_drops_low_bits(tmp_path, mode, zero):
    x = np.rint(RNG.normal(0, 60, (50, 3))).astype(F) / 4
    constants = {"s": F(0.25), "z": F(zero), "i": F(10), "o": F(6), "n": F(4)}
    first = node("Trunc", "x s z i o", "q", GENERAL, rounding_mode=mode)
    got, _ = before_dense(tmp_path, [first], dict(constants), x)
    whole = np.rint(x / 0.25 + zero)
    assert (got == (ROUND[mode](whole / 16) - zero) * 0.25).all()
    second = node("Trunc", "x s z i n o", "q", GENERAL, rounding_mode=mode, signed=1)
    got, _ = before_dense(tmp_path, [second], dict(constants), x)
    clamped = ROUND[mode](np.clip(whole / 16, -32, 31))
    assert (got == (clamped - zero / 16) * 4).all()


@pytest.mark.parametrize(
    "table",
    [np.array([[-1, 0, 1]]), np.array([[-1, 0.25, 1, 3]]), np.array([[0.5]]),
     np.sort(RNG.normal(0, 2, (4, 7)), axis=1), np.arange(20).reshape(4, 5) / 4],
)  # fmt: skip
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_multi_threshold_counts_the_thresholds_that_are_reached(tmp_path, table, layout):
    table = table.astype(F)
    x = grid(20, 4, 5, 4)
    op = node("MultiThreshold", "x t", "q", GENERAL, out_scale=0.5, out_bias=-2.0,
              data_layout=layout, out_dtype="INT4")  # fmt: skip
    got, _ = before_dense(tmp_path, [op], {"t": table}, x)
    seen = np.moveaxis(x, 1, -1) if layout == "NCHW" else x
    count = (seen[..., None] >= table).sum(-1)
    count = np.moveaxis(count, -1, 1) if layout == "NCHW" else count
    assert (got == 0.5 * count - 2).all()


def test_layers_of_channels_last_need_no_gather(tmp_path):
    nodes = [
        node("Conv", "x K", "c", LAST, kernel_shape=[2, 2], strides=[1, 1], pads=[0, 0, 0, 0],
             dilations=[1, 1], group=1),
        node("MaxPool", "c", "p", LAST, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0]),
        node("BatchNormalization", "p s b m v", "y", LAST),
    ]  # fmt: skip
    kernel, x = grid(4, 2, 2, 3), grid(5, 5, 5, 3)
    scale, bias, mean = grid(4), grid(4), grid(4)
    constants = {"K": kernel, "s": scale, "b": bias, "m": mean, "v": np.ones(4, F)}
    source = read(tmp_path, nodes, constants, (5, 5, 3))
    assert [type(layer).__name__ for layer in source.layers[1:]] == [
        "SourceConv", "SourcePool", "SourceAffine"
    ]  # fmt: skip
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(1, 2))
    conv = np.einsum("bhwcij,fijc->bhwf", windows, kernel)
    largest = conv.reshape(5, 2, 2, 2, 2, 4).max(axis=(2, 4))
    want = (largest - mean) / np.sqrt(1 + 1e-5) * scale + bias
    got = evaluate_source(source, {"x": x})["y"]
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


def test_lowered_windows_are_gathered(tmp_path):
    op = node("Im2Col", "x", "q", GENERAL, kernel_size=[2, 3], stride=[1, 2],
              pad_amount=[1, 0, 0, 1], dilations=[1, 1], input_shape="(1,4,5,2)")  # fmt: skip
    x = grid(3, 4, 5, 2)
    got, _ = before_dense(tmp_path, [op], {"columns": 12}, x)
    padded = np.pad(x, ((0, 0), (1, 0), (0, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 3), axis=(1, 2))[:, :, ::2]
    want = windows.transpose(0, 1, 2, 4, 5, 3).reshape(3, 4, 2, 12)
    assert (got == want).all()


def test_the_sum_of_a_window_is_shifted_by_the_quantised_average_pool(tmp_path):
    op = node("QuantAvgPool2d", "x", "q", GENERAL, kernel=2, stride=2, ibits=4, obits=4, signed=0,
              data_layout="NHWC")  # fmt: skip
    x = RNG.integers(0, 16, (9, 4, 4, 3)).astype(F)
    got, _ = before_dense(tmp_path, [op], {}, x)
    assert (got == x.reshape(9, 2, 2, 2, 2, 3).sum(axis=(2, 4)) // 4).all()


QDQ = {"s": F(0.25), "lo": np.int8(-4), "hi": np.int8(3)}


@pytest.mark.parametrize("zero", [np.int8(0), np.int8(1)])
def test_a_clip_between_the_linear_quantisers_narrows_them(tmp_path, zero):
    nodes = [
        node("QuantizeLinear", "x s z", "i"),
        node("Clip", "i lo hi", "c"),
        node("DequantizeLinear", "c s z", "q"),
    ]
    x = grid(50, 3)
    got, source = before_dense(tmp_path, nodes, QDQ | {"z": zero}, x)
    assert (got == (np.clip(np.rint(x / 0.25) + zero, -4, 3) - zero) * 0.25).all()
    assert [type(layer).__name__ for layer in source.layers] == [
        "SourceInput", "SourceQuantise", "SourceDense"
    ]  # fmt: skip


def test_codes_pass_through_pools_and_moves_and_a_cast(tmp_path):
    nodes = [
        node("QuantizeLinear", "x s z", "i"),
        node("MaxPool", "i", "m", kernel_shape=[2], strides=[2]),
        node("Transpose", "m", "t", perm=[0, 2, 1]),
        node("Cast", "t", "q", to=TensorProto.FLOAT),
    ]
    x = grid(50, 3, 4)
    got, _ = before_dense(tmp_path, nodes, {"s": F(0.25), "z": np.uint8(100), "columns": 3}, x)
    whole = np.clip(np.rint(x / 0.25) + 100, 0, 255).reshape(50, 3, 2, 2).max(-1)
    assert (got == whole.transpose(0, 2, 1)).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_weights_that_are_stored_as_integers_keep_their_step(tmp_path, axis):
    whole = RNG.integers(-128, 128, (4, 3)).astype(np.int8)
    steps = np.array([0.5, 0.25, 0.1, 1], F)[: whole.shape[axis]]
    zeros = np.arange(len(steps), dtype=np.int8)
    nodes = [node("DequantizeLinear", "W s z", "w", axis=axis), node("MatMul", "x w")]
    source = read(tmp_path, nodes, {"W": whole, "s": steps, "z": zeros}, (4,))
    dense = source.layers[-1]
    shape = (-1, 1) if axis == 0 else (1, -1)
    real = steps.astype(float).reshape(shape)
    assert (dense.kernel.values == (whole.astype(int) - zeros.reshape(shape)) * real).all()
    assert np.broadcast_to(dense.kernel.step, (4, 3)).astype(float).tolist() == (
        np.broadcast_to(real, (4, 3)).tolist()
    )


def test_integer_weights_without_a_quantiser_lie_on_a_grid_of_their_own(tmp_path):
    nodes = [node("Quant", "x s z b", "q", GENERAL, signed=1), node("MatMul", "q W")]
    constants = {"s": F(0.25), "z": F(0), "b": F(4), "W": np.array([[1.5], [-3]], F)}
    source = read(tmp_path, nodes, constants, (2,))
    assert float(source.layers[-1].kernel.step) == 0.5
    assert source.quantised
    assert isinstance(source.layers[1], SourceQuantise)


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ([node("DynamicQuantizeLinear", "x", "i t u"), node("DequantizeLinear", "i t u")],
         "DynamicQuantizeLinear node 'i': it chooses its scale from the data while it runs; "
         "quantise statically in the QDQ format"),
        ([node("QuantizeLinear", "x s z", "i"), node("MatMulInteger", "i W")],
         "MatMulInteger node 'y': it computes on integers; export in the QDQ format "
         "(QuantFormat.QDQ)"),
        ([node("QuantizeLinear", "x s z", "i"), node("Sigmoid", "i")],
         "Sigmoid node 'y': it computes on the integers of QuantizeLinear; export in the QDQ "
         "format"),
        ([node("QuantizeLinear", "x s z")],
         "output 'y': it holds the integers of QuantizeLinear; end the model in "
         "DequantizeLinear"),
    ],
)  # fmt: skip
def test_what_has_no_static_scale_is_refused_with_a_way_out(tmp_path, nodes, why):
    constants = {"s": F(0.25), "z": np.uint8(0), "W": np.ones((3, 2), np.uint8)}
    with pytest.raises(UnsupportedModel) as caught:
        read(tmp_path, nodes, constants, (3,))
    assert list(caught.value.obstacles) == [why]
