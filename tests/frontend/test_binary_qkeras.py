"""Binary and ternary QKeras networks, from their file to binary layers."""

import numpy as np
import pytest
from frontend import keras_files as k

from flow.analysis.binary_layers import binary_inputs, binary_layers, evaluate_binary
from flow.ir.network import evaluate_network
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import import_model

BINARY, TERNARY = "binary(alpha=1)", "ternary(alpha=1,threshold=0.5)"


def convolution(name, filters, kernel, padding):
    return k.layer(
        "QConv2D", name, filters=filters, kernel_size=[3, 3], strides=[1, 1], padding=padding,
        use_bias=False, kernel_quantizer=kernel, bias_quantizer=None, activation="linear",
    )  # fmt: skip


def normalisation(name):
    return k.layer("BatchNormalization", name, axis=[3], epsilon=1e-3, center=True, scale=True)


def file(activation, kernel, padding):
    """Two convolutions with normalisation and activation, pooling before it, and a dense layer."""
    random = np.random.default_rng(0)
    model = k.sequential(
        k.layer("QActivation", "in", activation="quantized_bits(4,0,1)"),
        convolution("c1", 4, kernel, padding),
        k.layer("MaxPooling2D", "p", pool_size=[2, 2], strides=[2, 2], padding="valid"),
        normalisation("b1"),
        k.layer("QActivation", "a1", activation=activation),
        convolution("c2", 3, kernel, padding),
        normalisation("b2"),
        k.layer("QActivation", "a2", activation=activation),
        k.layer("Flatten", "f"),
        k.layer(
            "QDense", "d", units=3, use_bias=True, kernel_quantizer=kernel,
            bias_quantizer="quantized_bits(8,3,1)", activation="linear",
        ),
        inputs=[8, 8, 1],
    )  # fmt: skip

    def ends(size):
        found = {name: random.normal(size=size) for name in ("gamma", "beta", "moving_mean")}
        return {**found, "moving_variance": random.uniform(1, 4, size)}

    size = 48 if padding == "same" else 3
    weights = {
        "c1": {"kernel": random.uniform(-1, 1, (3, 3, 1, 4))}, "b1": ends(4),
        "c2": {"kernel": random.uniform(-1, 1, (3, 3, 4, 3))}, "b2": ends(3),
        "d": {"kernel": random.uniform(-1, 1, (size, 3)), "bias": random.uniform(-1, 1, 3)},
    }  # fmt: skip
    return k.h5({n: {w: np.float32(v) for w, v in a.items()} for n, a in weights.items()}, model)


@pytest.mark.parametrize(
    ("activation", "kernel", "padding", "kinds"),
    [
        (BINARY, BINARY, "same", ["neurons", "pool", "neurons", "scores"]),
        ("binary(use_01=True,alpha=1)", TERNARY, "valid", ["neurons", "pool", "neurons", "scores"]),
        (TERNARY, TERNARY, "same", [*["neurons", "pool"] * 2, *["neurons"] * 2, "scores"]),
    ],
)
def test_a_qkeras_network_answers_as_its_layers(tmp_path, activation, kernel, padding, kinds):
    path = tmp_path / "net.h5"
    path.write_bytes(file(activation, kernel, padding))
    network = import_model(BuildConfig(model=path), faithful=True).network
    layers = binary_layers(network)
    assert [layer.kind for layer in layers] == kinds
    (entry,) = network.inputs
    ends = entry.tensor.lo.astype(np.int64), entry.tensor.hi.astype(np.int64) + 1
    inputs = {entry.name: np.random.default_rng(1).integers(*ends, (200, *entry.tensor.shape))}
    expected = evaluate_network(network, inputs)[network.outputs[0]]
    assert evaluate_binary(layers, binary_inputs(network, inputs))[-1].tolist() == expected.tolist()
