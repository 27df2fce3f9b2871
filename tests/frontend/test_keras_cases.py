"""Small models of every layer, against what Keras 2, Keras 3 and QKeras themselves answered."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from flow.errors import UnsupportedModel
from flow.frontend.files.coding import encode
from flow.frontend.float_model import apply_function, evaluate_source
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.read import read_model
from flow.frontend.source import SourceInput
from flow.ir.network import evaluate_network

# Made by data/make_keras.py, which names the versions.
DATA = Path(__file__).parent / "data"
KINDS = ("keras2", "keras3", "qkeras")


def names(kind):
    with zipfile.ZipFile(DATA / f"{kind}.zip") as archive:
        return [n.removesuffix(".npz") for n in archive.namelist() if n.endswith(".npz")]


CASES = [(kind, name) for kind in KINDS for name in names(kind)]

# A function without a quantiser behind it has no integers; its neighbours show that it is read.
WITHOUT_INTEGERS = {"act_15": "log", "act_16": "log"}


def load(kind, name, folder):
    """(the model, its inputs by name, what the framework answered)"""
    with zipfile.ZipFile(DATA / f"{kind}.zip") as archive:
        members = archive.namelist()
        file = next(n for n in (f"{name}.h5", f"{name}.keras") if n in members)
        path = folder / file
        path.write_bytes(archive.read(file))
        arrays = np.load(io.BytesIO(archive.read(f"{name}.npz")))
    model = read_model(path)
    sources = [x.name for x in model.layers if isinstance(x, SourceInput)]
    x = {name: arrays[name].astype(float) for name in sources}
    return model, x, [arrays[f"y{i}"] for i in range(len(model.outputs))]


def close(got, wanted):
    return np.abs(got - wanted).max() <= 3e-6 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_model_answers_as_its_framework_did(tmp_path, kind, name):
    model, x, wanted = load(kind, name, tmp_path)
    values = evaluate_source(model, x)
    for output, y in zip(model.outputs, wanted, strict=True):
        assert values[output].shape == y.shape
        assert close(values[output], y)


@pytest.mark.parametrize("name", sorted(set(names("qkeras")) - set(WITHOUT_INTEGERS)))
def test_a_quantised_model_becomes_a_network_that_answers_the_same(tmp_path, name):
    model, x, (wanted,) = load("qkeras", name, tmp_path)
    network = to_network(model, QuantiseOptions(), x).network
    (port,), (output,) = network.inputs, network.outputs
    out = evaluate_network(network, {port.name: encode(port, x["x0"])})[output]
    real = (out.astype(object) * network.types[output].scale).astype(float)
    if network.head != "none":
        real = apply_function(network.head, real)
    assert close(real.reshape(wanted.shape), wanted)


@pytest.mark.parametrize("name", sorted(WITHOUT_INTEGERS))
def test_levels_that_are_no_integers_are_refused_by_name(tmp_path, name):
    model, x, _ = load("qkeras", name, tmp_path)
    with pytest.raises(UnsupportedModel) as caught:
        to_network(model, QuantiseOptions(), x)
    assert len(caught.value.obstacles) == 1
    assert WITHOUT_INTEGERS[name] in caught.value.obstacles[0]
