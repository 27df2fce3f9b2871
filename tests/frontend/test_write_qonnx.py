"""QONNX files written from networks mean the same to our reader and to the package qonnx."""

import json
from pathlib import Path

import numpy as np
import pytest
from frontend.source_models import model, perceptron
from frontend.test_equalise import small_cnn

from flow.errors import UnsupportedModel
from flow.frontend.onnx.reader import read_onnx
from flow.frontend.onnx.write_qonnx import labels, network_to_qonnx
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.source import SourceAdd, SourceConcat, SourceGather, SourceInput
from flow.ir.network import evaluate_network
from flow.ir.tensor import fractions

DATA = Path(__file__).parent / "data"
OPTIONS = QuantiseOptions(input_bits=6, weight_bits=4, activation_bits=5)


def network(net, rng, options=OPTIONS):
    inputs = [x for x in net.layers if isinstance(x, SourceInput)]
    data = {x.name: rng.normal(size=(40, *x.shape)) for x in inputs}
    return to_network(net, options, data).network


def random_inputs(net, rng, count=20):
    return {
        x.name: rng.integers(
            x.tensor.lo.astype(int), x.tensor.hi.astype(int), (count, *x.tensor.shape),
            endpoint=True,
        )
        for x in net.inputs
    }  # fmt: skip


def branched(rng):
    """Add, Concat and Gather between dense layers."""
    base = perceptron(rng, (4, 6, 6, 3), head="")
    by_name = {x.name: x for x in base.layers}
    last = by_name["dense_2"]
    kernel = type(last.kernel)(np.concatenate([last.kernel.values] * 2))
    return model(
        (
            *(by_name[n] for n in ("x", "dense_0", "act_0", "dense_1", "act_1")),
            SourceGather("turned", ("act_1",), "file: turned", np.array([5, 4, 3, 2, 1, 0])),
            SourceAdd("sum", ("act_0", "act_1"), "file: sum"),
            SourceConcat("both", ("sum", "turned"), "file: both"),
            type(last)("dense_2", ("both",), last.place, kernel, last.bias),
        )
    )


def scaled(rng):
    return perceptron(rng, (4, 6, 3), scaler=True)


@pytest.mark.parametrize("make", [perceptron, scaled, small_cnn, branched])
def test_our_reader_gives_the_same_integers(make, tmp_path):
    rng = np.random.default_rng(0)
    net = network(make(rng), rng)
    path = tmp_path / "model.onnx"
    path.write_bytes(network_to_qonnx(net))
    source = read_onnx(path)
    assert (source.format, source.quantised) == ("qonnx", True)
    again = to_network(source, QuantiseOptions()).network
    given = random_inputs(net, rng)
    renamed = {b.name: given[a.name] for a, b in zip(net.inputs, again.inputs, strict=True)}
    first = evaluate_network(net, given)[net.outputs[0]]
    second = evaluate_network(again, renamed)[again.outputs[0]]
    assert first.tolist() == second.tolist()
    assert again.heads == net.heads


def test_equal_networks_give_equal_bytes():
    first, second = (
        network_to_qonnx(network(perceptron(np.random.default_rng(1)), np.random.default_rng(2)))
        for _ in range(2)
    )
    assert first == second


def test_the_package_qonnx_computes_what_the_network_does():
    # The file and the answers were made by data/make_qonnx_written.py with qonnx 1.0.0.
    found = json.loads((DATA / "qonnx_written.json").read_text())
    rng = np.random.default_rng(7)
    net = network(small_cnn(rng), rng)
    assert network_to_qonnx(net).hex() == found["model"]
    given = random_inputs(net, rng, 5)
    (entry,) = net.inputs
    reals = given[entry.name] * entry.tensor.scale.astype(float)
    assert reals.tolist() == found["inputs"]
    integers = evaluate_network(net, given)[net.outputs[0]]
    assert (integers * net.types[net.outputs[0]].scale.astype(float)).tolist() == found["outputs"]


def test_labels_are_the_powers_of_two_below():
    scales = fractions([1, 3, 0.25, 0.3], (4,)) / 1
    assert [float(x) for x in labels(scales)] == [1.0, 2.0, 0.25, 0.25]


def test_what_qonnx_does_not_have_is_named():
    rng = np.random.default_rng(3)
    decides = network(perceptron(rng), rng, QuantiseOptions(6, 4, 5, head="decision"))
    with pytest.raises(UnsupportedModel) as told:
        network_to_qonnx(decides)
    assert told.value.message == "small_net cannot be written as QONNX"
    assert [text.partition(": ")[2] for text in told.value.obstacles] == [
        "act_1: QONNX has no exact form of argmax"
    ]
