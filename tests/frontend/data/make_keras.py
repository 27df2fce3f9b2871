"""Makes `keras2.zip`, `keras3.zip` and `qkeras.zip`: small models and their answers.

Run once for each, with the argument `keras2` or `qkeras` under TensorFlow 2.15.1 with Keras 2.15.0
and QKeras 0.9.0, or `keras3` under Keras 3.15.1 with TensorFlow 2.21.0. Every case is a file as
the framework saves it (`.h5` or `.keras`), and an `.npz` with inputs x0, x1, ... and outputs y0,
y1, ... The tests only read the archives.
"""

import io
import os
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import numpy as np

SAMPLES = 2
LINE, IMAGE, BLOCK = (9, 3), (6, 7, 3), (4, 5, 3, 2)
"""Shapes with one, two and three axes of positions."""


def chain(*layers):
    """A model of one input as a function of its tensor."""

    def build(x):
        for layer in layers:
            x = layer(x)
        return x

    return build


def convolutions(keras, two):
    layers = keras.layers
    for pad in ("valid", "same"):
        for s, d, k in ((1, 1, 3), (2, 1, 3), (1, 2, 2), (3, 1, 1)):
            tag = f"{pad}_{s}{d}{k}"
            conv = {"strides": s, "dilation_rate": d, "padding": pad}
            yield f"conv1d_{tag}", [LINE], chain(layers.Conv1D(4, k, activation="relu", **conv))
            yield f"conv2d_{tag}", [IMAGE], chain(layers.Conv2D(4, k, use_bias=d == 1, **conv))
            yield (
                f"deep2d_{tag}",
                [IMAGE],
                chain(layers.DepthwiseConv2D(k, depth_multiplier=1 + s % 2, **conv)),
            )
            yield (
                f"separable2d_{tag}",
                [IMAGE],
                chain(layers.SeparableConv2D(5, k, depth_multiplier=1 + s % 2, **conv)),
            )
        yield (
            f"conv2d_{pad}_uneven",
            [IMAGE],
            chain(layers.Conv2D(2, (2, 3), strides=(2, 3), padding=pad)),
        )
        yield f"conv3d_{pad}", [BLOCK], chain(layers.Conv3D(3, (2, 3, 2), strides=2, padding=pad))
        yield (
            f"deep1d_{pad}",
            [LINE],
            chain(layers.DepthwiseConv1D(3, padding=pad, depth_multiplier=2)),
        )
        yield f"separable1d_{pad}", [LINE], chain(layers.SeparableConv1D(5, 3, 2, padding=pad))
        for s, k in ((1, 3), (2, 3), (2, 2), (3, 2), (2, 5)):
            yield (
                f"transposed2d_{pad}_{s}{k}",
                [(3, 4, 2)],
                chain(layers.Conv2DTranspose(3, k, strides=s, padding=pad)),
            )
        yield (
            f"transposed1d_{pad}",
            [(6, 2)],
            chain(layers.Conv1DTranspose(3, 3, strides=2, padding=pad)),
        )
        yield (
            f"transposed3d_{pad}",
            [(3, 4, 2, 2)],
            chain(layers.Conv3DTranspose(2, 3, strides=2, padding=pad)),
        )
    yield "conv1d_causal", [LINE], chain(layers.Conv1D(4, 3, padding="causal", dilation_rate=2))
    yield (
        "transposed2d_output_padding",
        [(4, 5, 2)],
        chain(layers.Conv2DTranspose(3, 4, strides=3, padding="valid", output_padding=(0, 2))),
    )
    yield "conv2d_groups", [(6, 6, 4)], chain(layers.Conv2D(6, 3, groups=2))
    if two:
        yield "separable1d_causal", [LINE], chain(layers.SeparableConv1D(5, 3, padding="causal"))


def poolings(keras, two):
    layers = keras.layers
    for kind in ("Max", "Average"):
        for pad in ("valid", "same"):
            for k, s in ((2, None), (3, 2), (2, 3)):
                one, pair = (
                    getattr(layers, f"{kind}Pooling{n}D")(k, s, padding=pad) for n in (1, 2)
                )
                yield f"{kind}1d_{pad}_{k}{s}", [LINE], chain(one)
                yield f"{kind}2d_{pad}_{k}{s}", [IMAGE], chain(pair)
            yield (
                f"{kind}3d_{pad}",
                [BLOCK],
                chain(getattr(layers, f"{kind}Pooling3D")(2, padding=pad)),
            )
        for n, shape in ((1, LINE), (2, IMAGE), (3, BLOCK)):
            layer = getattr(layers, f"Global{kind}Pooling{n}D")
            yield f"global{kind}{n}d", [shape], chain(layer(keepdims=n == 2))
        layer = getattr(layers, f"Global{kind}Pooling2D")
        yield f"global{kind}_first", [IMAGE], chain(layer(data_format="channels_first"))


def merges(keras, two):
    layers = keras.layers
    for kind in ("Add", "Multiply", "Average", "Maximum", "Minimum"):
        layer = getattr(layers, kind)
        yield kind, [LINE, LINE, LINE], lambda *x, layer=layer: layer()(list(x))
        yield f"{kind}_wide", [LINE, (1, 3)], lambda *x, layer=layer: layer()(list(x))
    yield "Subtract", [(9, 1), LINE], lambda *x: layers.Subtract()(list(x))
    for axis in (1, -1):
        yield (
            f"Concatenate{axis}",
            [LINE, LINE],
            lambda *x, axis=axis: layers.Concatenate(axis)(list(x)),
        )


def moves(keras, two):
    layers = keras.layers
    yield "flatten", [IMAGE], chain(layers.Flatten())
    yield "flatten_first", [IMAGE], chain(layers.Flatten(data_format="channels_first"))
    yield "reshape", [IMAGE], chain(layers.Reshape((-1, 2)))
    yield "permute", [IMAGE], chain(layers.Permute((3, 1, 2)))
    yield "repeat", [(5,)], chain(layers.RepeatVector(3))
    yield "up1", [LINE], chain(layers.UpSampling1D(2))
    yield "up2", [IMAGE], chain(layers.UpSampling2D((2, 3)))
    yield "up3", [BLOCK], chain(layers.UpSampling3D(2))
    yield "pad1", [LINE], chain(layers.ZeroPadding1D((1, 2)))
    yield "pad2", [IMAGE], chain(layers.ZeroPadding2D(((1, 0), (2, 3))))
    yield "pad2_first", [IMAGE], chain(layers.ZeroPadding2D(1, data_format="channels_first"))
    yield "pad3", [BLOCK], chain(layers.ZeroPadding3D(1))
    yield "crop1", [LINE], chain(layers.Cropping1D((1, 2)))
    yield "crop2", [IMAGE], chain(layers.Cropping2D(((1, 0), (2, 3))))
    yield "crop3", [BLOCK], chain(layers.Cropping3D(((1, 0), (2, 1), (0, 1))))


def activations(keras, two):
    layers = keras.layers
    names = ["relu", "sigmoid", "tanh", "softmax", "selu", "elu", "softplus", "softsign", "silu",
             "gelu", "exponential", "mish", "hard_sigmoid", "linear"]  # fmt: skip
    if not two:
        names += ["log_sigmoid", "hard_tanh", "hard_silu", "leaky_relu", "celu", "relu6"]
    for name in names:
        yield f"act_{name}", [(12,)], chain(layers.Activation(name))
    yield "dense_relu", [(4,)], chain(layers.Dense(6, activation="relu"))
    for i, options in enumerate((
        {"max_value": 2.0}, {"negative_slope": 0.25}, {"threshold": 1.0},
        {"max_value": 1.5, "negative_slope": 0.25}, {"max_value": 3.0, "threshold": 1.0},
        {"max_value": 3.0, "negative_slope": 0.5, "threshold": 1.0},
    )):  # fmt: skip
        yield f"relu_{i}", [(12,)], chain(layers.ReLU(**options))
    yield "leaky", [(12,)], chain(layers.LeakyReLU(0.125))
    yield "elu", [(12,)], chain(layers.ELU(0.5))
    yield "softmax", [(12,)], chain(layers.Softmax())
    yield "prelu", [LINE], chain(layers.PReLU())
    yield "prelu_shared", [IMAGE], chain(layers.PReLU(shared_axes=[1, 2]))
    if two:
        yield "thresholded", [(12,)], chain(layers.ThresholdedReLU(0.7))
        yield "dense_leaky", [(4,)], chain(layers.Dense(3, activation=layers.LeakyReLU(0.25)))


def norms(keras, two):
    layers = keras.layers
    for axis in (-1, 1, 2):
        yield f"norm_{axis}", [IMAGE], chain(layers.BatchNormalization(axis=axis))
    yield "norm_bare", [(5,)], chain(layers.BatchNormalization(scale=False, center=False))
    yield "rescale", [IMAGE], chain(layers.Rescaling(1 / 127.0, offset=-1.0))
    yield (
        "normalise",
        [LINE],
        chain(layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[0.5, 1.0, 2.0])),
    )


def graphs(keras, two):
    layers, model = keras.layers, keras.Model
    yield "dense_axes", [(3, 4, 5)], chain(layers.Dense(2))
    yield (
        "einsum1",
        [(4, 5)],
        chain(layers.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d", activation="relu")),
    )
    yield "einsum2", [(4, 5)], chain(layers.EinsumDense("abc,bcd->ad", (3,)))
    yield "time_dense", [(4, 5)], chain(layers.TimeDistributed(layers.Dense(3)))
    yield "time_conv", [(3, 6, 2)], chain(layers.TimeDistributed(layers.Conv1D(3, 2)))
    yield (
        "training_only",
        [(6,)],
        chain(layers.Dense(3), layers.Dropout(0.3), layers.GaussianNoise(0.1), layers.Dense(2)),
    )

    def nested(a, b):
        x = keras.Input(LINE)
        inner = layers.BatchNormalization(name="bn")(layers.Conv1D(2, 3, name="c")(x))
        body = model(x, inner, name="body")
        head = keras.Sequential(
            [keras.Input((14,)), layers.Dense(3, name="d"), layers.BatchNormalization(name="bn")],
            name="head",
        )
        return layers.Add()([head(layers.Flatten()(body(a))), head(layers.Flatten()(body(b)))])

    def deep(a):
        x, y = keras.Input((5,)), keras.Input((5,))
        leaf = model(x, layers.Dense(5, name="dd")(x), name="leaf")
        middle = model(y, [layers.Dense(4, name="e")(leaf(leaf(y))), leaf(y)], name="middle")
        u, v = middle(a)
        w, z = middle(v)
        return [u, z, layers.Add()([u, w])]

    def shared(a, b):
        layer = layers.Dense(4, activation="tanh")
        return layers.Concatenate()([layer(a), layer(b), layer(layers.Dense(3)(layer(a)))])

    def sequences(a):
        first = keras.Sequential([layers.Conv2D(3, 3, activation="relu"), layers.MaxPooling2D()])
        return keras.Sequential([first, layers.Flatten(), layers.Dense(2)])(a)

    yield "nested", [LINE, LINE], nested
    yield "nested_twice", [(5,)], deep
    yield "shared", [(3,), (3,)], shared
    yield "sequences", [(6, 6, 2)], sequences
    yield "several", [(3,), (4,)], lambda a, b: [layers.Dense(2)(a), layers.Dense(3)(b)]


def operations(keras, two):
    """Operations on tensors: TFOpLambda in Keras 2, classes of their own in Keras 3."""
    if two:
        import tensorflow as ops

        nn, join = ops.nn, ops.concat
        reduce = {name: getattr(ops, f"reduce_{name}") for name in ("mean", "sum", "max", "min")}
    else:
        from keras import ops

        nn, join = ops, ops.concatenate
        reduce = {name: getattr(ops, name) for name in ("mean", "sum", "max", "min")}
    row = np.array([1.0, -2.0, 0.5, 0.0], np.float32)
    matrix = np.arange(8, dtype=np.float32).reshape(4, 2)
    table = {
        "slice": lambda a, b: a[:, 1:3], "slice_last": lambda a, b: a[:, -1],
        "slice_step": lambda a, b: a[:, ::2, 1:], "slice_back": lambda a, b: a[:, ::-1],
        "twice": lambda a, b: 2.0 * a, "from_one": lambda a, b: 1.0 - a,
        "minus": lambda a, b: a - 1.5, "quarter": lambda a, b: a / 4.0, "negative": lambda a, b: -a,
        "sum": lambda a, b: a + b, "difference": lambda a, b: a - b, "product": lambda a, b: a * b,
        "add_row": lambda a, b: a + row, "times_row": lambda a, b: a * row,
        "abs": lambda a, b: ops.abs(a), "square": lambda a, b: ops.square(a),
        "maximum": lambda a, b: ops.maximum(a, b), "minimum": lambda a, b: ops.minimum(a, b),
        "maximum_number": lambda a, b: ops.maximum(a, 0.5), "floor": lambda a, b: ops.floor(a),
        "reshape": lambda a, b: ops.reshape(a, (-1, 24)),
        "transpose": lambda a, b: ops.transpose(a, (0, 2, 1)),
        "split": lambda a, b: list(ops.split(a, 2, axis=-1)),
        "split_sizes": lambda a, b: ops.split(a, [1, 2, 1] if two else [1, 3], axis=-1)[1],
        "unstack": lambda a, b: ops.unstack(a, axis=1)[2],
        "stack": lambda a, b: ops.stack([a, b], axis=1),
        "stack_last": lambda a, b: ops.stack([a, b], axis=-1),
        "expand": lambda a, b: ops.expand_dims(a, -1), "cast": lambda a, b: ops.cast(a, "float32"),
        "squeeze": lambda a, b: ops.squeeze(ops.expand_dims(a, 1), 1),
        "pad": lambda a, b: ops.pad(a, [[0, 0], [1, 2], [0, 1]]),
        "tile": lambda a, b: ops.tile(a, [1, 2, 1]), "matmul": lambda a, b: ops.matmul(a, matrix),
        "concat": lambda a, b: join([a * 2.0, b, a], axis=1),
        "clip": lambda a, b: ops.clip_by_value(a, -1.0, 0.5) if two else ops.clip(a, -1, 0.5),
        "leaky": lambda a, b: nn.leaky_relu(a, 0.125), "silu": lambda a, b: nn.silu(a),
        "gelu": lambda a, b: nn.gelu(a, approximate=True), "softmax": lambda a, b: nn.softmax(a),
        **{name: lambda a, b, name=name: getattr(nn, name)(a) for name in (
            "relu", "sigmoid", "tanh", "relu6", "elu", "selu", "softplus", "softsign",
        )},
    }  # fmt: skip
    if not two:
        table.update({
            "flip": lambda a, b: ops.flip(a, axis=1), "repeat": lambda a, b: ops.repeat(a, 2, 1),
            "swap": lambda a, b: ops.swapaxes(a, 1, 2), "move": lambda a, b: ops.moveaxis(a, 1, 2),
            "einsum": lambda a, b: ops.einsum("bij,jk->bki", a, matrix),
        })  # fmt: skip
    for name, function in reduce.items():
        table[name] = lambda a, b, f=function: f(a, axis=1)
        table[f"{name}_kept"] = lambda a, b, f=function: f(a, axis=[1, 2], keepdims=True)
    for name, function in table.items():
        yield f"op_{name}", [(6, 4), (6, 4)], function


KERNELS = (
    "quantized_bits(4,0,alpha=1)", "quantized_bits(4,0)", "quantized_bits(4,1,alpha='auto')",
    "quantized_bits(1,0,alpha=1)", "binary()", "ternary()", "ternary(alpha=1)", "quantized_po2(4)",
    "quantized_po2(4,max_value=1)", "stochastic_ternary()", "quantized_bits(4,0,1,alpha=0.5)",
    "quantized_relu_po2(4)",
)  # fmt: skip

RESPONSES = (
    "quantized_bits(4,1)", "quantized_bits(5,2,alpha=0.5)", "quantized_bits(1,0)",
    "quantized_bits(4,1,keep_negative=False)", "quantized_relu(4,1)",
    "quantized_relu(4,1,negative_slope=0.25)", "quantized_relu(3,0,negative_slope=0.0625)",
    "quantized_relu(6,2,use_sigmoid=1)", "quantized_relu(5,1,use_sigmoid=1,negative_slope=0.25)",
    "quantized_relu(4,1,0,0,0,1.25,False)", "quantized_relu(6,3,0,0,0,1.3,False)",
    "quantized_tanh(4)", "quantized_tanh(5,use_real_tanh=True)", "quantized_sigmoid(5)",
    "quantized_sigmoid(5,use_real_sigmoid=True)", "quantized_ulaw(4)", "quantized_ulaw(5,1)",
    "quantized_po2(3)", "quantized_po2(4,2)", "quantized_relu_po2(3)", "quantized_relu_po2(4,4)",
    "quantized_hswish(6,2)", "binary(alpha=1)", "binary(use_01=True,alpha=1)", "binary()",
    "ternary(alpha=1)", "ternary(alpha=1,threshold=0.75)", "stochastic_ternary(alpha=1)",
    "stochastic_binary(alpha=1)", "hard_sigmoid", "hard_tanh", "binary_tanh", "binary_sigmoid",
    "smooth_sigmoid", "smooth_tanh", "relu",
)  # fmt: skip


def quantised(keras, two):
    """QKeras: every quantiser in every layer, behind 8-bit inputs."""
    import qkeras as q

    bias = "quantized_bits(6,2,alpha=1)"
    small = "quantized_bits(5,0,alpha=1)"

    def start():
        return q.QActivation("quantized_bits(8,3,alpha=1)")

    for i, k in enumerate(KERNELS):
        plain = {"kernel_quantizer": k, "bias_quantizer": bias}
        deep = {"depthwise_quantizer": k, "bias_quantizer": bias}
        both = {**deep, "pointwise_quantizer": k}
        mode = ("ema_stats_folding", "batch_stats_folding")[i % 2]
        folding = {"folding_mode": mode, "use_bias": i % 3 > 0, "ema_freeze_delay": 10 * (i % 2)}
        yield f"dense_{i}", [(7,)], chain(start(), q.QDense(5, **plain))
        yield f"conv2d_{i}", [(4, 5, 2)], chain(start(), q.QConv2D(4, 3, **plain))
        if i % 3 == 2:
            yield f"conv1d_{i}", [LINE], chain(start(), q.QConv1D(4, 3, 2, padding="same", **plain))
            yield (
                f"deep2d_{i}",
                [(4, 5, 2)],
                chain(start(), q.QDepthwiseConv2D(3, depth_multiplier=1 + i % 2, **deep)),
            )
            yield (
                f"separable2d_{i}",
                [(4, 5, 2)],
                chain(start(), q.QSeparableConv2D(4, 3, depth_multiplier=1 + i % 2, **both)),
            )
            yield f"separable1d_{i}", [LINE], chain(start(), q.QSeparableConv1D(4, 3, **both))
            yield (
                f"folded2d_{i}",
                [(4, 5, 2)],
                chain(
                    start(),
                    q.QConv2DBatchnorm(4, 3, strides=1 + i % 2, padding="same", **plain, **folding),
                ),
            )
            yield (
                f"folded_deep2d_{i}",
                [(4, 5, 2)],
                chain(start(), q.QDepthwiseConv2DBatchnorm(3, **deep, **folding)),
            )
    for i, response in enumerate(RESPONSES):
        yield f"act_{i}", [(96,)], chain(start(), q.QActivation(response))
    for i, response in enumerate(("quantized_relu(4,1)", "quantized_bits(4,1)", "ternary()")):
        yield (
            f"dense_act_{i}",
            [(7,)],
            chain(start(), q.QDense(5, kernel_quantizer=small, activation=response)),
        )
    for i, options in enumerate((
        {"activation": "quantized_bits", "total_bits": 6},
        {"activation": "quantized_relu", "total_bits": 5, "relu_neg_slope": 0.25},
        {"activation": "quantized_relu", "total_bits": 5, "per_channel": True,
         "po2_rounding": True},
        {"activation": "quantized_bits", "total_bits": 6, "per_channel": True, "symmetric": False},
    )):  # fmt: skip
        yield f"adaptive_{i}", [IMAGE], chain(start(), q.QAdaptiveActivation(**options))
    yield "average", [IMAGE], chain(
        start(),
        q.QAveragePooling2D(
            3, strides=2, padding="same", average_quantizer="quantized_bits(6,0,1)",
            activation="quantized_relu(6,2)",
        ),
    )  # fmt: skip
    yield (
        "global_average",
        [IMAGE],
        chain(
            start(), q.QGlobalAveragePooling2D(average_quantizer="quantized_bits(8,0,1,alpha=1)")
        ),
    )
    yield "norm", [IMAGE], chain(
        start(),
        q.QBatchNormalization(
            beta_quantizer="quantized_po2(5)", gamma_quantizer="quantized_relu_po2(5)",
            mean_quantizer="quantized_po2(5)", variance_quantizer="quantized_relu_po2(5)",
        ),
    )  # fmt: skip
    yield "network", [(12, 12, 1)], chain(
        q.QActivation("quantized_relu(8,0)"),
        q.QConv2D(4, 3, kernel_quantizer=small, bias_quantizer=bias, activation="relu"),
        q.QActivation("quantized_relu(6,1)"), keras.layers.MaxPooling2D(),
        q.QDepthwiseConv2D(3, depthwise_quantizer=small, bias_quantizer=bias),
        q.QActivation("quantized_relu(4,1)"), keras.layers.Flatten(),
        q.QDense(5, kernel_quantizer="ternary(alpha=1)", bias_quantizer=bias),
    )  # fmt: skip


FLOAT = (convolutions, poolings, merges, moves, activations, norms, graphs, operations)


def fill(model, random, fine):
    """Weights on a coarse grid, which packs well; with `fine`, any float32."""
    for weight in model.weights:
        if weight.dtype not in ("float32", np.float32):
            continue
        path = getattr(weight, "path", weight.name)
        value = random.normal(size=weight.shape) * 0.5
        if "variance" in path or "ema_max" in path:
            value = np.abs(value) * (6 if "ema" in path else 1) + 0.25
        if "ema_min" in path:
            value = -np.abs(value) * 6
        weight.assign((value if fine else np.rint(value * 16) / 16).astype(np.float32))


def answer(model, inputs):
    result = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(y) for y in (result if isinstance(result, list | tuple) else [result])]


def make(kind):
    two = kind != "keras3"
    if two:
        from tensorflow import keras

        # Resolved before QKeras is imported, since that may turn tf.keras into another package.
        assert keras.layers.Layer.__module__.startswith("keras.")
    else:
        import keras
    random = np.random.default_rng(20)
    makers = (quantised,) if kind == "qkeras" else FLOAT
    cases = []
    for maker in makers:
        made = list(maker(keras, two))
        # Many settings and few plans: a part of the cases is enough, another one for Keras 3.
        many = maker in (convolutions, poolings)
        cases.extend(made[(not two) :: 2 if two else 3] if many else made)
    path = Path(__file__).parent / f"{kind}.zip"
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, "w") as archive:
        for number, (name, shapes, build) in enumerate(cases):
            inputs = [keras.Input(shape, name=f"x{i}") for i, shape in enumerate(shapes)]
            model = keras.Model(inputs if len(inputs) > 1 else inputs[0], build(*inputs))
            fill(model, random, kind == "qkeras")
            xs = [
                (np.rint(random.uniform(-64, 64, (SAMPLES, *s))) / 16).astype(np.float32)
                for s in shapes
            ]
            answer(model, xs)  # QAdaptiveActivation takes up its averages with the first call
            ys = answer(model, xs)
            suffix = ".keras" if number % 3 == 0 else ".h5"
            file = Path(folder) / f"case{suffix}"
            model.save(file)
            arrays = io.BytesIO()
            np.savez(
                arrays, **{f"x{i}": x for i, x in enumerate(xs)},
                **{f"y{i}": y for i, y in enumerate(ys)},
            )  # fmt: skip
            for member, data in ((suffix, file.read_bytes()), (".npz", arrays.getvalue())):
                entry = zipfile.ZipInfo(name + member)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, data, compresslevel=9)


if __name__ == "__main__":
    make(sys.argv[1])
