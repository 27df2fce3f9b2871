"""Makes hgq2.zip: small models of HGQ 2, inputs and what the framework answers.

Run where keras 3.15.1, tensorflow-cpu 2.21.0 and HGQ2 0.2.0 are installed; not part of any test.
"""

from __future__ import annotations

import io
import itertools
import os
import tempfile
import zipfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
from hgq import layers as q
from hgq.quantizer import Quantizer
from hgq.quantizer import QuantizerConfig as Conf
from hgq.quantizer.internal import FixedPointQuantizerKBI, FixedPointQuantizerKIF
from keras import Input, layers

RNG = np.random.default_rng(3)
ROWS = 40
ROUNDINGS = (
    "RND", "RND_CONV", "TRN", "TRN_ZERO", "RND_ZERO", "RND_MIN_INF", "RND_INF", "S_RND_CONV",
)  # fmt: skip
OVERFLOWS = ("WRAP", "SAT", "SAT_SYM")


def data(kind="kif", **settings):
    return Conf(kind, "datalane", **settings)


def weight(kind="kbi", **settings):
    return Conf(kind, "weight", **settings)


def bias(kind="kbi", **settings):
    return Conf(kind, "bias", **settings)


def table(kind="kbi", **settings):
    return Conf(kind, "table", **settings)


def modes():
    """Every rounding with every overflow, quantisers per tensor, channel and element."""
    places = (
        {"homogeneous_axis": (0,)}, {"homogeneous_axis": (0, 1)}, {"heterogeneous_axis": ()},
    )  # fmt: skip
    kernels = (
        {"homogeneous_axis": ()}, {"homogeneous_axis": (0,)}, {"heterogeneous_axis": (0,)},
    )  # fmt: skip
    for n, (rounding, overflow) in enumerate(itertools.product(ROUNDINGS, OVERFLOWS)):
        mode = {"round_mode": rounding, "overflow_mode": overflow}
        kind, other = ("kif", "kbi")[n % 2], ("kif", "kbi")[n // 3 % 2]
        i = Input((7,))
        a = q.QDense(
            6,
            activation="relu",
            iq_conf=data(kind, **mode, **places[n % 3]),
            kq_conf=weight(other, **mode, **kernels[n // 2 % 3]),
            bq_conf=bias(kind, **mode),
            enable_oq=n % 4 == 0,
        )(i)
        b = q.QDense(4, use_bias=n % 5 != 0, iq_conf=data(**mode))(a)
        yield f"dense_{rounding}_{overflow}", i, b


def einsums():
    cases = (
        ("...c,cC->...C", (4, 5), (4, 6), "C"),
        ("abc,bcd->abd", (4, 5), (4, 3), "bd"),
        ("abc,cd->adb", (4, 5), (6, 4), "d"),
        ("abc,bd->adc", (4, 5), (3, 5), None),
        ("ab...,bc->ac...", (4, 3, 2), (5, 3, 2), "c"),
        ("abc,bc->ac", (4, 5), (5,), "c"),
        ("abcd,ce->abed", (2, 3, 4), (2, 5, 4), "e"),
    )
    for n, (equation, shape, output, axes) in enumerate(cases):
        i = Input(shape)
        layer = q.QEinsumDense(equation, output, bias_axes=axes, activation="relu")
        yield f"einsum{n}", i, layer(i)
        if axes is not None and not equation.startswith("..."):  # which HGQ 2 refuses
            i = Input(shape)
            layer = q.QEinsumDenseBatchnorm(equation, output, bias_axes=axes, scale=n % 2 == 0)
            yield f"einsum_norm{n}", i, layer(i)


def norms():
    i = Input((5,))
    yield "norm_dense", i, q.QBatchNormDense(6, activation="relu")(i)
    i = Input((5,))
    yield "norm_dense_plain", i, q.QBatchNormDense(6, scale=False, enable_ebops=False)(i)
    i = Input((4, 5))
    a = q.QBatchNormalization()(i)
    yield "norm", i, q.QBatchNormalization(center=False, scale=False, enable_oq=True)(a)


def convolutions():
    i = Input((12, 3))
    a = q.QConv1D(4, 3, padding="same", strides=2, activation="relu")(i)
    yield "conv1d", i, q.QConv1D(3, 2, dilation_rate=2, use_bias=False)(a)
    i = Input((8, 3))
    yield "causal", i, q.QConv1D(4, 3, padding="causal", iq_conf=data(heterogeneous_axis=()))(i)
    i = Input((7, 6, 4))
    a = q.QConv2D(6, (3, 2), padding="same", strides=(2, 1), groups=2, activation="relu")(i)
    conf = data(homogeneous_axis=(0, 1, 2))
    yield "conv2d", i, q.QConv2D(3, 2, iq_conf=conf, enable_oq=True)(a)
    i = Input((4, 4, 3, 2))
    yield "conv3d", i, q.QConv3D(3, 2)(i)


def merges():
    for layer in (q.QAdd, q.QSubtract, q.QMultiply, q.QMaximum, q.QMinimum, q.QAveragePow2):
        i, j = Input((3, 4)), Input((3, 4))
        yield f"merge_{layer.__name__}", [i, j], layer(enable_oq=True)([i, j])
    i, j, k = Input((3, 4)), Input((4,)), Input((3, 1))
    yield "merge_broadcast", [i, j, k], q.QAdd()([i, j, k])
    i, j = Input((4,)), Input((4,))
    yield "dot_vectors", [i, j], q.QDot(axes=-1)([i, j])
    i, j = Input((3, 4)), Input((5, 4))
    yield "dot_matrices", [i, j], q.QDot(axes=(2, 2))([i, j])
    i, j = Input((3, 4)), Input((4, 5))
    yield "einsum_two", [i, j], q.QEinsum("abc,acd->adb")([i, j])
    i = Input((3, 4, 2))
    yield "sum", i, q.QSum(axes=(1, 3), scale=0.5)(i)
    i = Input((3, 4, 2))
    yield "mean", i, q.QMeanPow2(axes=2, keepdims=True)(i)


def pools():
    cases = (
        (q.QMaxPooling1D, {"pool_size": 2}, (6, 3)),
        (q.QAveragePooling1D, {"pool_size": 3, "padding": "same", "strides": 2}, (8, 2)),
        (q.QMaxPooling2D, {"pool_size": 3, "strides": 2, "padding": "same"}, (6, 5, 3)),
        (q.QAveragePooling2D, {"pool_size": 2}, (6, 4, 3)),
        (q.QGlobalAveragePooling1D, {}, (4, 3)),
        (q.QGlobalMaxPooling2D, {"keepdims": True}, (4, 2, 3)),
    )
    for layer, settings, shape in cases:
        i = Input(shape)
        yield f"pool_{layer.__name__}", i, layer(enable_oq=True, **settings)(i)


def functions():
    for name in ("tanh", "sigmoid", "relu", "silu", "softplus", "elu", "gelu", "softsign"):
        i = Input((5,))
        yield f"function_{name}", i, q.QUnaryFunctionLUT(name)(i)
    i = Input((3, 5))
    layer = q.QAffinedUnaryFunctionLUT("tanh", allow_heterogeneous_table=False)
    yield "function_affined", i, layer(i)
    i = Input((5,))
    yield "softmax", i, q.QSoftmax()(i)
    i = Input((3, 5))
    a = q.QSoftmax(stable=False, enable_iq=True, input_scaler=0.5, allow_heterogeneous_table=True)(
        i
    )
    yield "softmax_plain", i, q.QDense(3)(a)


def quantisers():
    i = Input((5,))
    a = Quantizer(data(scaler=0.5, affine=(2.0, 0.25)))(i)
    yield "quantiser_affine", i, layers.ReLU()(a)
    i = Input((5,))
    a = Quantizer(data("kbi", scaler=3.0))(i)
    conf = Conf("kif", "bias", affine=(1.0, 0.125))
    yield "quantiser_scaler", i, q.QDense(3, kq_conf=weight(scaler=0.3), bq_conf=conf)(a)
    i = Input((5,))
    conf = weight("kif", overflow_mode="WRAP", trainable=False)
    shift = bias(round_mode="TRN", overflow_mode="WRAP")
    yield "quantiser_fixed", i, q.QDense(3, kq_conf=conf, bq_conf=shift)(i)
    i = Input((6,))
    a = q.QDense(6, activation="relu", enable_iq=False, enable_ebops=False)(Quantizer(data())(i))
    b = layers.Reshape((3, 3))(layers.Concatenate()([a, i[:, :3]]))
    yield "plain_between", i, q.QDense(3)(layers.Flatten()(b))


def tables():
    one = {"homogeneous_axis": (0, 1)}
    i = Input((5,))
    a = q.QDenseT(6, n_hl=2, d_hl=4, batch_norm=True)(i)
    yield "tables", i, q.QDenseT(3, n_hl=0, use_bias=False, activation="relu")(a)
    i = Input((3, 4))
    yield "tables_apart", i, q.QDenseT(5, batch_norm=True, bn_scale=False)(i)
    i = Input((3, 4))
    layer = q.QDenseT(5, iq_conf=data(**one), toq_conf=table(**one), subnn_activation="relu")
    yield "tables_shared", i, layer(i)
    i = Input((8, 2))
    layer = q.QConvT1D(
        3, 3, padding="same", strides=2, iq_conf=data(**one), toq_conf=table(**one),
        subnn_activation="tanh",
    )  # fmt: skip
    yield "tables_conv1d", i, layer(i)
    i = Input((4, 3, 2))
    yield "tables_conv2d", i, q.QConvT2D(3, 2, subnn_activation="sigmoid")(i)
    # HGQ 2 runs these only without hidden layers, or with hidden layers of one unit.
    cases = (
        ("abc,cd->abd", (3, 4), (3, 5), "d", {"n_hl": 0}),
        ("abc,bcd->adb", (3, 4), (5, 3), None, {"n_hl": 2, "d_hl": 1, "batch_norm": True}),
    )
    for n, (equation, shape, output, axes, settings) in enumerate(cases):
        i = Input(shape)
        layer = q.QEinsumDenseT(equation, output, bias_axes=axes, **settings)
        yield f"tables_einsum{n}", i, layer(i)


def scramble(model):
    """Random weights, and quantisers that differ from element to element."""
    for layer in model._flatten_layers():
        if isinstance(layer, FixedPointQuantizerKIF):
            shape = layer._k.shape
            layer._k.assign(RNG.integers(0, 2, shape) if RNG.random() < 0.5 else np.ones(shape))
            layer._i.assign(RNG.integers(0, 3, shape) + RNG.uniform(-0.45, 0.45, shape))
            layer._f.assign(RNG.integers(-1, 5, shape) + RNG.uniform(-0.45, 0.45, shape))
        elif isinstance(layer, FixedPointQuantizerKBI):
            shape = layer._k.shape
            layer._i.assign(RNG.integers(-1, 3, shape) + RNG.uniform(-0.45, 0.45, shape))
            layer._b.assign(RNG.integers(0, 7, shape) + RNG.uniform(-0.45, 0.45, shape))
        elif not isinstance(layer, Quantizer):
            for v in layer._trainable_variables + layer._non_trainable_variables:
                if "variance" in v.name or "gamma" in v.name:
                    v.assign(RNG.uniform(0.3, 1.7, v.shape))
                elif v.name not in ("beta", "ebops"):
                    v.assign(RNG.normal(size=v.shape) * 0.5)


def samples(shape):
    """Real numbers, and as many on a grid, where ties are."""
    x = RNG.normal(size=(ROWS, *shape)) * 3
    x[ROWS // 2 :] = RNG.integers(-64, 64, x[ROWS // 2 :].shape) / 16
    return x.astype(np.float32)


def packed(path):
    """The archive with its members deflated."""
    result = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED, 9)
    return result.getvalue()


def main():
    groups = (
        modes, einsums, norms, convolutions, merges, pools, functions, quantisers, tables,
    )  # fmt: skip
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(Path(__file__).with_name("hgq2.zip"), "w") as out,
    ):
        for name, inputs, output in itertools.chain(*(group() for group in groups)):
            model = keras.Model(inputs, output)
            scramble(model)
            xs = [samples(t.shape[1:]) for t in model.inputs]
            answers = model.predict(xs if len(xs) > 1 else xs[0], verbose=0, batch_size=ROWS)
            path = Path(folder) / f"{name}.keras"
            model.save(path)
            arrays = io.BytesIO()
            np.savez_compressed(arrays, **{f"x{n}": x for n, x in enumerate(xs)}, y=answers)
            out.writestr(zipfile.ZipInfo(path.name), packed(path))
            out.writestr(zipfile.ZipInfo(f"{name}.npz"), arrays.getvalue())


if __name__ == "__main__":
    main()
