"""Files that PyTorch, Brevitas, onnxruntime and scikit-learn wrote answer as their runtimes do.

data/make_onnx.py made them: float exports through both exporters of PyTorch, Brevitas in the
QONNX and the QCDQ format, post-training quantisation by onnxruntime, and skl2onnx.
"""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from flow.frontend.files.data import encode
from flow.frontend.float_model import apply_function, evaluate_source
from flow.frontend.onnx.reader import read_onnx
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.source import SourceInput
from flow.ir.network import evaluate_network

ARCHIVE = Path(__file__).parent / "data" / "onnx.zip"
with zipfile.ZipFile(ARCHIVE) as archive:
    NAMES = sorted(Path(n).stem for n in archive.namelist() if n.endswith(".onnx"))
QUANTISED = [n for n in NAMES if n.startswith(("brevitas", "ort"))]


@pytest.fixture
def case(tmp_path):
    def load(name):
        with zipfile.ZipFile(ARCHIVE) as archive:
            archive.extractall(tmp_path, (f"{name}.onnx", f"{name}.npz"))
        arrays = np.load(tmp_path / f"{name}.npz")
        return read_onnx(tmp_path / f"{name}.onnx"), arrays["x"].astype(float), arrays["y"]

    return load


def answers(source, x, options):
    """The real outputs of the integer network."""
    (layer,) = (x for x in source.layers if isinstance(x, SourceInput))
    network = to_network(source, options, {layer.name: x}).network
    (port,) = network.inputs
    whole = evaluate_network(network, {port.name: encode(port, x)})[network.outputs[0]]
    real = (whole.astype(object) * network.types[network.outputs[0]].scale).astype(np.float64)
    return real if network.head == "none" else apply_function(network.head, real)


def test_the_archive_holds_every_kind_of_file():
    kinds = sorted({n.split("_")[0] + " " + n.split("_")[1] for n in NAMES})
    assert kinds == [
        "brevitas qcdq", "brevitas qonnx", "ort qdq", "ort qoperator", "sklearn linear",
        "sklearn logistic", "sklearn mlp", "torch dynamo", "torch script",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_layers_compute_what_the_runtime_computes(case, name):
    source, x, y = case(name)
    got = evaluate_source(source, {source.layers[0].name: x})[source.outputs[-1]]
    np.testing.assert_allclose(got.reshape(y.shape), y, rtol=1e-5, atol=1e-5 * abs(y).max())
    assert source.quantised == (name in QUANTISED)


@pytest.mark.parametrize("name", QUANTISED)
def test_a_quantised_file_is_carried_over_bit_for_bit(case, name):
    source, x, y = case(name)
    got = answers(source, x, QuantiseOptions(exact_input=True)).reshape(y.shape)
    assert np.abs(got - y).max() <= 1e-6 * max(1, abs(y).max())


@pytest.mark.parametrize("name", [n for n in NAMES if n not in QUANTISED])
def test_a_float_file_of_16_bits_is_close(case, name):
    source, x, y = case(name)
    got = answers(source, x, QuantiseOptions(16, 16, 16)).reshape(y.shape)
    assert np.abs(got - y).max() < 1e-3 * max(1, abs(y).max())


def test_labels_beside_scores_become_the_classes_of_the_model(case):
    source, _, _ = case("sklearn_mlp_classifier")
    assert (source.outputs, source.classes) == (("out_activations_result",), (0, 1, 2))
    assert "output 'label' is left out: it is the class of the largest score" in source.notes
