"""Several outputs that end in different functions: each keeps its own."""

import numpy as np
import pytest
from frontend.source_models import exact_dense, model, quantiser

from flow.errors import UsageError
from flow.frontend.exact.real_values import real_value
from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.source import SourceActivation, SourceInput, SourceQuantise
from flow.ir.network import evaluate_network
from flow.ir.network_text import parse_network, print_network
from flow.passes.lower_layers import LowerLayers
from flow.pipeline.evaluating import Question, answer

X = np.array([[1.0, -2.0], [3.0, 0.5], [-4.0, -4.0]])


def several():
    """Five outputs of one dense layer: softmax, a class, sigmoid, and itself twice."""
    layers = [
        SourceInput("x", (), "p", (2,)),
        SourceQuantise("q", ("x",), "p", quantiser("1/2", -8, 7)),
        exact_dense("d", "q", [[1, -2, 3], [2, 1, -1]]),
        SourceActivation("s", ("d",), "p", "softmax"),
        SourceActivation("a", ("d",), "p", "argmax"),
        SourceActivation("g", ("d",), "p", "sigmoid"),
    ]
    return model(layers, ("s", "a", "d", "g"))


def test_every_output_has_its_own_head():
    net = several()
    network = to_network(net).network
    assert network.head == ("softmax", "none", "none", "sigmoid")
    assert [network.layer(name).kind for name in network.outputs] == [
        "dense", "argmax", "affine", "affine",
    ]  # fmt: skip
    found = answer(Question(network, {"x": X}, {}, ()))
    wanted = evaluate_source(net, {"x": X})
    for array, name in zip(found.values(), net.outputs, strict=True):
        assert np.allclose(array.reshape(wanted[name].shape), wanted[name], atol=1e-12)


def test_the_circuit_has_a_port_for_every_output():
    network = to_network(several()).network
    circuit = LowerLayers().run(network)
    assert [len(port.lanes) for port in circuit.outputs] == [3, 1, 3, 3]


def test_different_heads_survive_the_text_form():
    network = to_network(several()).network
    text = print_network(network)
    assert print_network(parse_network(text)) == text
    assert parse_network(text).heads == ("softmax", "none", "none", "sigmoid")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ('["softmax"]', "4 outputs have 1 heads"),
        ('["softmax","none","none","tail"]', "the head or the name of the network is unknown"),
        ('[["none"]]', "the head or the name of the network is unknown"),
    ],
)
def test_a_text_with_wrong_heads_is_refused(head, said):
    text = print_network(to_network(several()).network)
    was = '["softmax","none","none","sigmoid"]'
    assert was in text
    with pytest.raises(UsageError) as error:
        parse_network(text.replace(was, head))
    assert error.value.message == said


def test_every_layer_of_the_file_has_its_real_value():
    net = several()
    found = to_network(net)
    coded = np.clip(np.rint(X * 2), -8, 7).astype(np.int64)
    names = tuple(layer.name for layer in found.network.layers)
    integers = evaluate_network(found.network, {"x": coded}, names)
    wanted = evaluate_source(net, {"x": X})
    for name in ("q", "d", "s", "a", "g"):
        value = found.values[name]
        real = real_value(value, integers[value.layer])
        assert np.allclose(real, wanted[name], atol=1e-12)
