"""The search for narrow widths: what it finds, what it tries, what it refuses."""

import numpy as np
import pytest
from frontend.source_models import exact_dense, model, perceptron

from flow.errors import UsageError
from flow.frontend.exact.decisions import decided, share
from flow.frontend.files.data import encode
from flow.frontend.float_model import evaluate_source
from flow.frontend.network_cost import cost
from flow.frontend.quantisation.options import (
    LayerBits,
    QuantiseOptions,
    parse_layer_bits,
    print_layer_bits,
)
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.quantisation.search_widths import search_widths
from flow.frontend.source import (
    SourceActivation,
    SourceConv,
    SourceDense,
    SourceInput,
    Weights,
    step_array,
)
from flow.ir.network import evaluate_network

START = QuantiseOptions(input_bits=8, weight_bits=8)


def bands(count=400):
    """Samples of three classes along a line, and a model that tells them apart."""
    rng = np.random.default_rng(7)
    x = rng.uniform(0, 1, (count, 2))
    labels = np.digitize(x[:, 0], [0.31, 0.66])
    kernel = np.array([[0.0, 2.03, 4.11], [0.01, 0.0, -0.01]])
    bias = np.array([0.0, -0.63, -2.0])
    net = model(
        [
            SourceInput("x", (), "x", (2,)),
            SourceDense("d", ("x",), "d", Weights(kernel), Weights(bias)),
            SourceActivation("s", ("d",), "s", "softmax"),
        ]
    )
    return net, {"x": x}, labels


def two_layers():
    """A network whose second layer has nothing to tell apart but signs, and needs few bits."""
    rng = np.random.default_rng(3)
    net = perceptron(rng, (6, 12, 3))
    signs = rng.choice([-1.0, 1.0], (12, 3)) * rng.uniform(0.9, 1.1, (12, 3))
    layers = [
        SourceDense(x.name, x.sources, x.place, Weights(signs), None) if x.name == "dense_1" else x
        for x in net.layers
    ]
    net = model(layers)
    x = rng.normal(size=(400, 6))
    labels = decided(net, evaluate_source(net, {"x": x}))[:, 0]
    return net, {"x": x}, labels


def held_out_accuracy(net, options, x, labels, seed):
    """The accuracy on the half that the search did not see, worked out anew."""
    order = np.random.default_rng(seed).permutation(len(labels))
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    decides = QuantiseOptions(
        options.input_bits, options.weight_bits, options.activation_bits, head="decision",
        layers=options.layers,
    )  # fmt: skip
    network = to_network(net, decides, {"x": x["x"][first]}).network
    answer = evaluate_network(network, {"x": encode(network.inputs[0], x["x"][second])})
    found = share(answer[network.outputs[0]].reshape(len(second), -1), labels[second])
    return found, share(decided(net, evaluate_source(net, {"x": x["x"][second]})), labels[second])


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("loss", [0.0, 0.02, 0.15])
@pytest.mark.parametrize("samples", [bands, two_layers])
def test_the_bound_holds_on_samples_that_the_search_did_not_see(samples, loss, seed):
    net, x, labels = samples()
    found = search_widths(net, START, x, labels, loss, seed)
    accuracy, reference = held_out_accuracy(net, found.options, x, labels, seed)
    assert (found.held_out, found.reference) == (accuracy, reference)
    assert accuracy >= reference - loss
    assert f"accuracy on 200 samples held out: {accuracy:.4f}, float {reference:.4f}" in found.notes


def test_a_larger_loss_buys_a_smaller_cost():
    net, x, labels = two_layers()
    costs = []
    for loss in (0.0, 0.05, 0.3):
        found = search_widths(net, START, x, labels, loss)
        costs.append(cost(to_network(net, found.options, x).network))
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[2]


def test_layers_get_widths_of_their_own():
    net, x, labels = two_layers()
    found = search_widths(net, START, x, labels, 0.02)
    assert found.options.layers
    uniform = min(
        (t for t in found.tries if not t.widths.layers and t.accuracy >= 0.98),
        key=lambda t: t.cost,
    )
    assert cost(to_network(net, found.options, x).network) < uniform.cost
    assert f"single layers {print_layer_bits(found.options.layers)};" in found.notes[0]


def test_the_search_finds_the_same_each_time_and_tries_nothing_twice():
    net, x, labels = two_layers()
    one, two = (search_widths(net, START, x, labels, 0.05) for _ in range(2))
    assert one == two
    assert len(one.tries) == len({t.widths for t in one.tries})


def test_few_samples_are_all_used_and_the_notes_say_so():
    net, x, labels = bands(60)
    found = search_widths(net, START, x, labels, 0.1)
    assert found.notes[1].startswith("accuracy on 60 samples searched on: ")
    assert found.notes[2] == (
        "60 samples are too few to hold some out: they calibrate, search and check"
    )


def test_other_options_stay_as_they_are():
    net, x, labels = bands()
    options = QuantiseOptions(6, 6, 6, head="auto", weight_step="best", per_channel=True)
    chosen = search_widths(net, options, x, labels, 0.1).options
    assert (chosen.head, chosen.weight_step, chosen.per_channel) == ("auto", "best", True)


def test_a_goal_out_of_reach_gives_the_most_accurate_point_and_says_so():
    net, x, _ = bands()
    # Labels that the float model itself gives, from features that 16 bits do not tell apart.
    fine = {"x": 0.5 + 1e-7 * (x["x"] - 0.5)}
    fine["x"][0] = [0.0, 1.0]
    fine["x"][1] = [1.0, 0.0]
    kernel = Weights(np.array([[3e7, 0.0, -3e7], [0.0, 0.0, 0.0]]))
    bias = Weights(np.array([-1.5e7, 0.0, 1.5e7]))
    net = model(
        [SourceInput("x", (), "x", (2,)), SourceDense("d", ("x",), "d", kernel, bias),
         SourceActivation("s", ("d",), "s", "softmax")]
    )  # fmt: skip
    labels = np.argmax((fine["x"] @ kernel.values) + bias.values, axis=1)
    result = search_widths(net, START, fine, labels, 0.0)
    assert result.notes[-1] == "no widths of the search reached 1.0000 on the samples held out"
    assert len(result.tries) == 4


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full(400, 0.5), "a loss of accuracy needs labels that are classes"),
        (np.array(["a"] * 400), "a loss of accuracy needs labels that are classes"),
        (np.zeros(1, int), "a loss of accuracy needs at least two samples with labels"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels, message):
    net, x, _ = bands()
    with pytest.raises(UsageError) as caught:
        search_widths(net, START, x, labels, 0.1)
    assert caught.value.message == message


def test_a_model_of_two_outputs_is_not_searched():
    net, x, labels = bands()
    both = model(net.layers, ["d", "s"])
    with pytest.raises(UsageError) as caught:
        search_widths(both, START, x, labels, 0.1)
    assert caught.value.message == "a loss of accuracy needs one output, and Small Net has 2"


def test_the_cost_counts_signed_digits_times_input_bits():
    # 7 = 8 - 1 and 5 = 4 + 1 have two digits, 4 has one, 11 = 8 + 4 - 1 has three.
    layers = [SourceInput("x", (), "x", (2,)), exact_dense("d", "x", [[7, 4], [-5, 11]], 1)]
    x = np.array([[0.0, 15.0], [7.0, 1.0]])
    network = to_network(model(layers), QuantiseOptions(exact_input=True), {"x": x}).network
    assert cost(network) == 4 * (2 + 1) + 4 * (2 + 3)


def test_the_cost_of_a_convolution_counts_every_position():
    kernel = Weights(np.array([[[7.0], [4.0]], [[-5.0], [11.0]]]), step_array(1))
    conv = SourceConv("c", ("x",), "c", kernel, None, (1,), ((0, 0),), (1,))
    x = np.full((1, 5, 2), 15.0)
    network = to_network(
        model([SourceInput("x", (), "x", (5, 2)), conv]),
        QuantiseOptions(exact_input=True),
        {"x": x},
    ).network
    assert cost(network) == 4 * (4 * (2 + 1) + 4 * (2 + 3))


def test_widths_of_layers_are_read_and_printed():
    text = "fc1=4,a/b=6:8,fc3=:5"
    found = parse_layer_bits(text)
    assert found == (LayerBits("fc1", 4), LayerBits("a/b", 6, 8), LayerBits("fc3", None, 5))
    assert print_layer_bits(found) == text


@pytest.mark.parametrize("text", ["fc1", "=4", "fc1=", "fc1=:", "fc1=1", "fc1=4:25", "fc1=x"])
def test_a_text_without_widths_is_refused(text):
    with pytest.raises(UsageError) as caught:
        parse_layer_bits(text)
    assert caught.value.message == f"--layer-bits {text}: {text!r} gives no widths"


def test_a_layer_may_be_named_as_the_network_names_it():
    net = model(
        [SourceInput("x", (), "x", (2,)), SourceDense("a/B", ("x",), "d", Weights(np.eye(2)), None)]
    )
    options = QuantiseOptions(layers=(LayerBits("a_b", 4),))
    found = to_network(net, options, {"x": np.ones((2, 2))}).options
    assert found.layers == (LayerBits("a/B", 4),)


def test_widths_of_a_layer_that_is_not_there_are_refused():
    net, x, _ = two_layers()
    with pytest.raises(UsageError) as caught:
        to_network(net, QuantiseOptions(layers=(LayerBits("fc", 4),)), x)
    assert caught.value.message == "there is no layer 'fc' with weights"
    assert caught.value.hint == "one of dense_0, dense_1"
