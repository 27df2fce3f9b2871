"""Real models of others against the outputs that their own frameworks gave."""

import numpy as np
import pytest

from flow.frontend.files.data import encode
from flow.frontend.float_model import apply_function, evaluate_source
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.read import read_model
from flow.frontend.source import SourceInput
from flow.ir.network import evaluate_network

EXACT = [
    ("qkeras_jet_3layer", "qkeras_3layer.json", "qkeras_3layer_weights.h5", ""),
    ("mlperf_ad03_qkeras", "model_ToyCar.h5", None, ""),
    ("qonnx_jettagging", "qkeras_jettagging.onnx", None, "_qkeras_jettagging"),
    ("qonnx_tfc", "TFC_1W1A.onnx", None, "_TFC_1W1A"),
    ("qonnx_tfc", "TFC_2W2A.onnx", None, "_TFC_2W2A"),
]
FLOAT = [
    ("keras_dense_1layer", "KERAS_1layer.json", "KERAS_1layer_weights.h5", ""),
    (
        "keras_dense_bn_3layer",
        "KERAS_3layer_batch_norm.json",
        "KERAS_3layer_batch_norm_weights.h5",
        "",
    ),
    ("onnx_float_small", "three_layer_keras.onnx", None, "_three_layer_keras"),
]


def answers(shared, folder, file, weights, golden, options):
    """(real outputs of the network, of the float model, of the framework)"""
    place = shared / "models" / folder
    source = read_model(place / file, place / weights if weights else None)
    arrays = np.load(place / f"golden{golden}.npz")
    (layer,) = (x for x in source.layers if isinstance(x, SourceInput))
    x = arrays["x"].astype(np.float64).reshape(-1, *layer.shape)
    network = to_network(source, options, {layer.name: x}).network
    (port,) = network.inputs
    out = evaluate_network(network, {port.name: encode(port, x)})[network.outputs[0]]
    real = (out.astype(object) * network.types[network.outputs[0]].scale).astype(np.float64)
    if network.head != "none":
        real = apply_function(network.head, real)
    wanted = arrays["y"].astype(np.float64)
    own = evaluate_source(source, {layer.name: x})[source.outputs[0]]
    return real.reshape(wanted.shape), own.reshape(wanted.shape), wanted


@pytest.mark.shared
@pytest.mark.parametrize(("folder", "file", "weights", "golden"), EXACT)
def test_a_quantised_model_answers_what_its_framework_answers(
    shared, folder, file, weights, golden
):
    options = QuantiseOptions(exact_input=True)
    real, own, wanted = answers(shared, folder, file, weights, golden, options)
    tolerance = 1e-5 * max(1, np.abs(wanted).max())
    assert np.abs(real - wanted).max() <= tolerance
    assert np.abs(own - wanted).max() <= tolerance


@pytest.mark.shared
@pytest.mark.parametrize(("folder", "file", "weights", "golden"), FLOAT)
def test_a_float_model_of_16_bits_is_close_to_its_framework(shared, folder, file, weights, golden):
    real, own, wanted = answers(shared, folder, file, weights, golden, QuantiseOptions(16, 16, 16))
    assert np.abs(own - wanted).max() < 1e-5
    assert np.abs(real - wanted).max() < 1e-2
    assert (real.argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.97
