"""The head that watches a network: silent on its samples, loud for faults, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from flow.errors import UsageError
from flow.ir.layers import AtLeast, Input
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import fractions, tensor_type
from flow.train.baseline import Perceptron
from flow.train.fingerprint import ALARM, with_fingerprint


@pytest.fixture(scope="module")
def samples():
    return np.random.default_rng(0).integers(0, 16, (400, 6))


@pytest.fixture(scope="module")
def net():
    random = np.random.default_rng(1)
    w1, w2 = random.integers(-90, 91, (6, 4)), random.integers(-90, 91, (4, 3))
    return Perceptron(w1, random.integers(-99, 99, 4), w2, random.integers(-99, 99, 3))


def test_the_answers_stay_and_the_alarm_is_silent_on_the_samples_of_the_training(net, samples):
    watched = with_fingerprint(net.network("net"), {"x": samples[:200]})
    assert watched.outputs == ("y", ALARM)
    found = evaluate_network(watched, {"x": samples})
    assert found["y"].ravel().tolist() == net.classify(samples).tolist()
    assert not found[ALARM][:200].any()
    assert found[ALARM].shape == (400, 1)


@pytest.mark.parametrize("layer", ["hidden", "output"])
def test_a_weight_with_a_wrong_high_bit_raises_the_alarm(net, samples, layer):
    watched = with_fingerprint(net.network("net"), {"x": samples})
    weights = watched.layer(layer).weights.copy()
    weights[1, 2] ^= 64
    layers = tuple(
        replace(each, weights=weights) if each.name == layer else each for each in watched.layers
    )
    broken = Network("net", layers, watched.outputs)
    assert evaluate_network(broken, {"x": samples})[ALARM].any()


def test_a_rectifier_that_never_cuts_raises_the_alarm_where_it_should(net, samples):
    watched = with_fingerprint(net.network("net"), {"x": samples})
    keep = tuple(layer.name for layer in watched.layers)
    values = evaluate_network(watched, {"x": samples}, keep)
    values["relu"] = abs(values["hidden"])
    for layer in watched.layers[keep.index("relu") + 1 :]:
        values[layer.name] = layer.evaluate(*(values[s] for s in layer.sources))
    cut = (values["hidden"] < -64).any(axis=1)
    assert cut.any()
    assert values[ALARM].ravel()[cut].all()


def test_a_network_without_sums_and_a_training_without_samples_are_refused(net, samples):
    given = Input("x", (), "input", tensor_type((1,), 0, 15, 1), fractions(0, (1,)))
    plain = Network("plain", (given, AtLeast("y", ("x",), "decision", np.array([8]))), ("y",))
    with pytest.raises(UsageError) as refused:
        with_fingerprint(plain, {"x": samples[:, :1]})
    assert refused.value.message == (
        "the network has no dense layer whose sums a fingerprint could watch"
    )
    with pytest.raises(UsageError) as refused:
        with_fingerprint(net.network("net"), {})
    assert refused.value.hint == "give samples of the training with --calibrate"
