"""HGQ 1 and HGQ 2: what the frameworks answered, models of every class and mode, and refusals."""

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from flow.errors import UnsupportedModel, UsageError
from flow.frontend.files.coding import decode, encode
from flow.frontend.float_model import evaluate_source
from flow.frontend.hgq.classes import HGQ_MERGES, is_hgq, plain_kind
from flow.frontend.hgq.reader import PLANS
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.read import read_model
from flow.frontend.source import SourceInput
from flow.ir.network import evaluate_network

# Made by make_hgq1.py with HGQ 0.2.6, by make_hgq2.py with HGQ2 0.2.0, by make_hgq_shared.py.
DATA = Path(__file__).parent / "data"
HGQ1, HGQ2 = (zipfile.ZipFile(DATA / name) for name in ("hgq1.zip", "hgq2.zip"))
MODELS = [
    (archive, name)
    for archive in (HGQ1, HGQ2)
    for name in archive.namelist()
    if not name.endswith(".npz")
]
SHARED = np.load(DATA / "hgq_shared.npz")


def check(path, xs, expected):
    """The float model and the integer network answer as the framework did."""
    model = read_model(path)
    assert model.quantised
    inputs = [layer.name for layer in model.layers if isinstance(layer, SourceInput)]
    data = dict(zip(inputs, xs, strict=True))
    tolerance = 1e-5 * max(1.0, float(np.abs(expected).max()))
    real = evaluate_source(model, data)[model.outputs[0]]
    assert real.shape == expected.shape
    assert np.abs(real - expected).max() <= tolerance
    network = to_network(model, QuantiseOptions(exact_input=True), data).network
    coded = {p.name: encode(p, data[n]) for p, n in zip(network.inputs, inputs, strict=True)}
    (output,) = network.outputs
    answers = decode(network.types[output], evaluate_network(network, coded)[output])
    assert np.abs(answers - expected).max() <= tolerance


@pytest.mark.parametrize(("archive", "name"), MODELS, ids=[name for _, name in MODELS])
def test_a_small_model_answers_as_the_framework_did(tmp_path, archive, name):
    path = tmp_path / name
    path.write_bytes(archive.read(name))
    arrays = np.load(io.BytesIO(archive.read(Path(name).stem + ".npz")))
    xs = [arrays[f"x{n}"].astype(float) for n in range(len(arrays.files) - 1)]
    check(path, xs, arrays["y"].astype(float))


@pytest.mark.shared
@pytest.mark.parametrize("name", sorted({key.split("|")[0] for key in SHARED.files}))
def test_a_shared_model_answers_as_the_framework_did(shared, name):
    count = sum(key.startswith(f"{name}|x") for key in SHARED.files)
    xs = [SHARED[f"{name}|x{n}"].astype(float) for n in range(count)]
    check(shared / "models" / name, xs, SHARED[f"{name}|y"].astype(float))


def test_every_class_has_a_small_model_or_a_shared_one():
    seen = {"QConvT2D", "Signature", "PDropout", "PPermute", "PAveragePooling1D"}
    for archive, name in MODELS:
        data = archive.read(name)
        if name.endswith(".keras"):
            text = zipfile.ZipFile(io.BytesIO(data)).read("config.json").decode()
        else:
            text = h5py.File(io.BytesIO(data))["/"].attrs["model_config"]
        seen |= {plain_kind(layer["class_name"]) for layer in json.loads(text)["config"]["layers"]}
    same = {"Conv1D", "Conv2D", "Conv3D", "1D", "2D", "3D"}
    missing = {
        kind
        for kind in set(PLANS) - seen
        if not any(kind.endswith(rank) for rank in same) and not kind.startswith("PAverage")
    }
    assert missing == set()


def test_classes_are_known_by_module_by_package_or_by_name():
    assert is_hgq("QDense", "hgq.layers.core.dense")
    assert is_hgq("hgq>QDense", None)
    assert is_hgq("hgq2>QDenseT", None)
    assert is_hgq("HDense", None)
    assert is_hgq("FixedPointQuantizer", "HGQ.proxy.fixed_point_quantizer")
    assert not is_hgq("QDense", "qkeras.qlayers")
    assert not is_hgq("QDense", None)
    assert {k for k in HGQ_MERGES if k in PLANS} == HGQ_MERGES


def edited(tmp_path, name, change):
    """A model of the archive whose configuration of its last layer is changed."""
    path = tmp_path / "model.keras"
    with (
        zipfile.ZipFile(io.BytesIO(HGQ2.read(f"{name}.keras"))) as old,
        zipfile.ZipFile(path, "w") as new,
    ):
        for member in old.namelist():
            data = old.read(member)
            if member == "config.json":
                config = json.loads(data)
                change(config["config"]["layers"][-1])
                data = json.dumps(config).encode()
            new.writestr(member, data)
    return path


def obstacles(path):
    with pytest.raises(UnsupportedModel) as error:
        read_model(path)
    return [line.split(": ", 1)[1] for line in error.value.obstacles]


def quantiser(key, **settings):
    """Changes the settings of one quantiser of the layer."""
    return lambda layer: layer["config"][key]["config"].update(settings)


def layer(**settings):
    """Changes the settings of the layer."""
    return lambda entry: entry["config"].update(settings)


def kind(name):
    """Another class."""
    return lambda entry: entry.update(class_name=name)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("dense_TRN_SAT", quantiser("iq_conf", overflow_mode="WRAP_SM"),
         "the quantiser iq_conf with overflow_mode='WRAP_SM', a mirror; use WRAP, SAT or SAT_SYM"),
        ("dense_TRN_SAT", quantiser("kq_conf", overflow_mode="SAT_ZERO"),
         "the quantiser kq_conf with overflow_mode='SAT_ZERO'; use WRAP, SAT or SAT_SYM"),
        ("dense_TRN_SAT", quantiser("bq_conf", round_mode="DITHER"),
         "the quantiser bq_conf with round_mode='DITHER'; use RND or RND_CONV"),
        ("dense_TRN_SAT", quantiser("iq_conf", q_type="float"),
         "the quantiser iq_conf makes floating-point numbers; use the type 'kif'"),
        ("dense_TRN_SAT", quantiser("iq_conf", q_type="log"),
         "the quantiser iq_conf of the type 'log'; use 'kif' or 'kbi'"),
        ("dense_TRN_SAT", quantiser("iq_conf", bw_mapper={"class_name": "Mine"}),
         "the quantiser iq_conf with its own bw_mapper; use homogeneous_axis"),
        ("dense_TRN_SAT", quantiser("iq_conf", scaler=-2),
         "the quantiser iq_conf with scaler=-2; use a positive number such as 1"),
        ("dense_TRN_SAT", quantiser("iq_conf", affine=[1]),
         "the quantiser iq_conf with affine=[1]; use two numbers"),
        ("dense_TRN_SAT", layer(iq_conf=None),
         "the quantiser iq_conf has no settings; save the model again by HGQ 2"),
        ("dense_TRN_SAT", layer(lut=3), "the setting lut=3 is not known; leave it out"),
        ("dense_TRN_SAT", kind("QMultiHeadAttention"),
         "attention as one layer is not read; build it of QEinsumDense and QEinsum"),
        ("dense_TRN_SAT", kind("QGRU"), "recurrent and spiking layers are not built; use QDense"),
        ("dense_TRN_SAT", kind("QMine"),
         "no circuit stands for the class QMine of HGQ; use QDense, QAdd or the like"),
        ("conv2d", layer(data_format="channels_first"),
         "data_format='channels_first'; use channels_last"),
        ("conv2d", layer(padding="causal"), "padding='causal'; use 'valid' or 'same'"),
        ("conv2d", layer(strides=[1, 0]), "strides=[1, 0]; give 2 positive integers"),
        ("norm", layer(axis=1), "axis=1 of a tensor of shape [4, 5]; use the last axis"),
        ("einsum1", layer(equation="abc,bcd->abx"),
         "the axis 'x' of the equation 'abc,bcd->abx' is in one part only"),
        ("dot_vectors", layer(normalize=True), "normalize=True; use False"),
        ("dot_vectors", layer(axes=[0, 1]),
         "axes=0 of a tensor of 2 axes; leave out the batch"),
        ("einsum_two", layer(equation="abc,abd"),
         "the equation 'abc,abd'; write it as 'abc,acd->abd'"),
        ("sum", layer(scale=0.3), "scale=0.3; use a power of two"),
        ("softmax", layer(axes=[0]), "axes=[0] of a tensor of 2 axes; use the last"),
        ("tables", layer(enable_iq=False),
         "tables without a plain quantiser before them; set enable_iq=True"),
        ("tables_conv2d", layer(data_format="channels_first"),
         "data_format='channels_first'; use channels_last"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_named_with_a_way_out(tmp_path, name, change, message):
    assert obstacles(edited(tmp_path, name, change)) == [message]


def with_variable(tmp_path, name, path, value):
    """A model of the archive in which one array is another."""
    source = zipfile.ZipFile(io.BytesIO(HGQ2.read(f"{name}.keras")))
    stored = io.BytesIO(source.read("model.weights.h5"))
    with h5py.File(stored, "r+") as file:
        if value is None:
            del file[path]
        else:
            old = file[path][()]
            del file[path]
            file[path] = np.full(old.shape, value, old.dtype)
    target = tmp_path / "model.keras"
    with zipfile.ZipFile(target, "w") as new:
        new.writestr("config.json", source.read("config.json"))
        new.writestr("model.weights.h5", stored.getvalue())
    return target


STRANGE = "the variables of a quantiser are not those that HGQ 2 stores"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "iq/quantizer/vars/0",
            80.0,
            "the variables of a quantiser are not those that HGQ 2 stores",
        ),
        ("iq/quantizer/vars/1", 3, "the variables of a quantiser are not those that HGQ 2 stores"),
        ("iq/quantizer/vars/2", None, "the weight is missing in the file"),
        ("kq/quantizer", None, "the layer has no 'quantizer' in the file"),
        ("vars/0", np.inf, "1 of 4 values"),
    ],
)
def test_variables_that_hgq_does_not_store_are_refused(tmp_path, path, value, message):
    model = with_variable(tmp_path, "norm_dense", f"layers/q_batch_norm_dense/{path}", value)
    with pytest.raises(UsageError) as error:
        read_model(model)
    if path == "vars/0":
        assert (
            error.value.where == "model.keras, model.weights.h5, layer 'q_batch_norm_dense', kernel"
        )
    else:
        assert error.value.message == message
