"""Quantisation after training from the command line: options, tables, the search, the refusal."""

import json

import numpy as np
import pytest
from frontend import keras_files

WIDTHS = ("--input-bits", 6, "--weight-bits", 5, "--activation-bits", 4)


def written(path, layers):
    """A Keras .h5 of dense layers: name, kernel, activation."""
    dense = [keras_files.dense(name, k.shape[1], activation=f) for name, k, f in layers]
    model = keras_files.sequential(*dense, inputs=(layers[0][1].shape[0],))
    weights = {name: {"kernel": k, "bias": np.zeros(k.shape[1])} for name, k, _ in layers}
    path.write_bytes(keras_files.h5(weights, model))
    return path


@pytest.fixture
def net(tmp_path):
    """A perceptron of two layers, and labelled data that it decides."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(4, 6)), rng.normal(size=(6, 3))
    layers = [("fc1", first, "relu"), ("fc2", second, "softmax")]
    path = written(tmp_path / "net.h5", layers)
    x = rng.uniform(-1, 1, (240, 4))
    np.savez(tmp_path / "d.npz", x=x, y=np.argmax(np.maximum(x @ first, 0) @ second, axis=1))
    return path


def test_check_shows_what_the_quantisation_of_each_layer_costs(flow, net):
    said = flow("check", net, "--data", "d.npz", *WIDTHS)
    lines = said.out.splitlines()
    (head,) = (i for i, line in enumerate(lines) if line.endswith("  alone"))
    assert said.code == 0
    assert lines[head].split() == [
        "layer", "type", "weights", "reads", "range", "saturated", "noise", "alone",
    ]  # fmt: skip
    assert lines[head + 2].split()[2:6] == ["5", "bits", "4", "bits"]
    assert lines[head + 1].endswith(" %")


def test_check_gives_the_same_table_for_machines(flow, net):
    found = json.loads(flow("check", net, "--data", "d.npz", "--json", *WIDTHS).out)
    assert [(row["weight_bits"], row["read_bits"]) for row in found["quantisation"]] == [
        (5, 6), (5, 4),
    ]  # fmt: skip
    assert all(0 < row["alone"] <= 1 and row["sqnr_db"] > 0 for row in found["quantisation"])


@pytest.mark.parametrize(
    "options",
    [
        ("--per-channel",),
        ("--range", "percentile", "--percentile", 60),
        ("--weight-step", "best"),
    ],
)
def test_every_option_changes_the_network(flow, net, options):
    def noise(*more):
        widths = ("--input-bits", 6, "--weight-bits", 5, "--activation-bits", 2)
        said = flow("check", net, "--data", "d.npz", "--json", *widths, *more)
        return [row["sqnr_db"] for row in json.loads(said.out)["quantisation"]]

    assert noise(*options) != noise()


def test_single_layers_have_widths_of_their_own(flow, net):
    first = json.loads(flow("check", net, "--data", "d.npz", "--json").out)["quantisation"]
    name = first[1]["layer"]
    said = flow("check", net, "--data", "d.npz", "--json", "--layer-bits", f"{name}=3:5")
    rows = json.loads(said.out)["quantisation"]
    assert [(row["weight_bits"], row["read_bits"]) for row in rows] == [(8, 8), (3, 5)]
    said = flow("check", net, "--data", "d.npz", "--layer-bits", "fc9=3")
    assert said.err == (
        f"error: there is no layer 'fc9' with weights\n  hint: one of {first[0]['layer']}, {name}\n"
    )


def test_the_loss_is_checked_on_samples_held_out(flow, net):
    notes = json.loads(flow("check", net, "--data", "d.npz", "--json", "--loss", "5%").out)["notes"]
    (held,) = (note for note in notes if "held out" in note)
    figures = held.replace("float ", "").split(": ")[1].split(", ")
    accuracy, reference = map(float, figures)
    assert held.startswith("accuracy on 120 samples held out: ")
    assert accuracy >= reference - 0.05


def test_a_network_that_is_too_large_is_refused_with_a_way_out(flow, tmp_path):
    path = written(tmp_path / "wide.h5", [("fc", np.ones((2000, 2000)), "linear")])
    np.save(tmp_path / "x.npy", np.zeros((2, 2000)))
    said = flow("check", path, "--data", "x.npy")
    assert (said.code, said.out) == (3, "")
    lines = said.err.splitlines()
    assert lines[0].endswith(
        " would have 4,000,000 multiplications side by side, and 3,000,000 are the limit of a "
        "fully parallel circuit"
    )
    assert lines[1] == (
        "  hint: prune weights to 0, or train on fewer positions (smaller images, larger strides); "
        "flow eval answers as the integer network at any size"
    )
    assert lines[2].endswith(
        "4,000,000 multiplications: 4,000,000 weights that are not 0, at 1 position"
    )
    assert flow("eval", path, "--data", "x.npy", "-o", "y.npy").code == 0
