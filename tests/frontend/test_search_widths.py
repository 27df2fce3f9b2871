"""The search for narrow widths: what it finds, what it tries, what it refuses."""

import numpy as np
import pytest
from frontend.source_models import exact_dense, model, perceptron

from flow.errors import UsageError
from flow.frontend.options import QuantiseOptions
from flow.frontend.quantise import to_network
from flow.frontend.search_widths import cost, search_widths
from flow.frontend.source import SourceActivation, SourceDense, SourceInput, Weights

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


def test_a_loss_buys_narrower_widths():
    net, x, labels = bands()
    found = {loss: search_widths(net, START, x, labels, loss) for loss in (0.0, 0.02, 0.15)}
    costs = []
    for loss, result in found.items():
        chosen = result.options
        widths = chosen.input_bits, chosen.weight_bits, chosen.activation_bits
        best = next(
            t for t in result.tries if (t.input_bits, t.weight_bits, t.activation_bits) == widths
        )
        reference = float(result.notes[0].split("float ")[1].split(",")[0])
        assert best.accuracy >= reference - loss - 1e-4
        costs.append(best.cost)
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[2]


def test_the_search_finds_the_same_each_time():
    net, x, labels = bands()
    one, two = (search_widths(net, START, x, labels, 0.05) for _ in range(2))
    assert one == two
    assert len(one.tries) == len(
        {(t.input_bits, t.weight_bits, t.activation_bits) for t in one.tries}
    )


def test_other_options_stay_as_they_are():
    net, x, labels = bands()
    options = QuantiseOptions(6, 6, 6, head="auto", weight_step="best")
    chosen = search_widths(net, options, x, labels, 0.1).options
    assert (chosen.head, chosen.weight_step) == ("auto", "best")


def test_a_goal_out_of_reach_gives_the_most_accurate_point_and_says_so():
    net, x, _ = bands()
    # Labels that the float model itself gives, from features that 16 bits do not tell apart.
    sharp = perceptron(np.random.default_rng(0), (2, 4, 3))
    fine = {"x": 0.5 + 1e-7 * (x["x"] - 0.5)}
    fine["x"][0] = [0.0, 1.0]
    fine["x"][1] = [1.0, 0.0]
    kernel = Weights(np.array([[3e7, 0.0, -3e7], [0.0, 0.0, 0.0]]))
    bias = Weights(np.array([-1.5e7, 0.0, 1.5e7]))
    net = model(
        [*sharp.layers[:1], SourceDense("d", ("x",), "d", kernel, bias),
         SourceActivation("s", ("d",), "s", "softmax")]
    )  # fmt: skip
    labels = np.argmax((fine["x"] @ kernel.values) + bias.values, axis=1)
    result = search_widths(net, START, fine, labels, 0.0)
    assert result.notes[0].endswith("no point reached 1.0000")
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


def test_the_cost_counts_signed_digits_times_input_bits():
    # 7 = 8 - 1 and 5 = 4 + 1 have two digits, 4 has one, 11 = 8 + 4 - 1 has three.
    layers = [SourceInput("x", (), "x", (2,)), exact_dense("d", "x", [[7, 4], [-5, 11]], 1)]
    x = np.array([[0.0, 15.0], [7.0, 1.0]])
    network = to_network(model(layers), QuantiseOptions(exact_input=True), {"x": x}).network
    assert cost(network) == 4 * (2 + 1) + 4 * (2 + 3)
