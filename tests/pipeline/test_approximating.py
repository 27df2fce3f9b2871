"""A network approximated step by step stays a Network that every later stage understands."""

from pathlib import Path

import numpy as np
import pytest

from flow.errors import UsageError
from flow.frontend.files.data import Samples
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.source import SourceModel
from flow.ir.layers import ArgMax, Dense, Input, MaskedDense, Relu
from flow.ir.network import Network, evaluate_network
from flow.ir.network_text import parse_network, print_network
from flow.ir.tensor import fractions, tensor_type
from flow.passes.approximate.registry import parse_approximations
from flow.pipeline.approximating import approximated, approximated_import, trimmed
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import Imported

ONE = fractions(1, ())


def perceptron(seed=3):
    rng = np.random.default_rng(seed)
    return Network(
        "net",
        (
            Input("x", (), "", tensor_type((5,), 0, 15), fractions(0, (5,))),
            Dense("hidden", ("x",), "", rng.integers(-60, 60, (5, 2)), np.array([9, -4]), ONE),
            Relu("act", ("hidden",), ""),
            Dense("out", ("act",), "", rng.integers(-60, 60, (2, 3)), np.array([0, 5, 3]), ONE),
            ArgMax("y", ("out",), ""),
        ),
        ("y",),
    )


def data(network, samples=200):
    x = np.random.default_rng(1).integers(0, 16, (samples, 5))
    return x, evaluate_network(network, {"x": x})["y"].ravel()


def test_numbers_first_then_gates_and_the_result_is_a_network():
    net = perceptron()
    x, labels = data(net)
    items = parse_approximations(
        "skip-insignificant{threshold=0.2,kept=2,layer=hidden},truncate-columns{columns=2},"
        "prune-gates{tau=1.0},merge-signals"
    )
    numbers = approximated(net, items[:2], x, labels)
    assert isinstance(numbers.layer("hidden"), MaskedDense)
    gates = approximated(net, items, x, labels)
    assert [layer.kind for layer in gates.layers] == ["input", "gates"]
    expected = evaluate_network(numbers, {"x": x})["y"]
    assert (evaluate_network(gates, {"x": x})["y"] == expected).all()
    again = parse_network(print_network(gates))
    assert (evaluate_network(again, {"x": x})["y"] == expected).all()


def test_trimming_starts_at_the_network_and_gets_smaller():
    net = perceptron()
    x, labels = data(net, 100)
    found = list(trimmed(net, x, labels, 20))
    assert found[0].correct == 100
    assert [one.gates for one in found] == sorted((one.gates for one in found), reverse=True)
    assert len(found[-1].network.layer("y").gates) == found[-1].gates < found[0].gates // 8
    assert min(one.correct for one in found) >= 80
    other = np.random.default_rng(2).integers(0, 16, (100, 5))
    whole = evaluate_network(found[0].network, {"x": other})["y"]
    assert (whole == evaluate_network(net, {"x": other})["y"]).all()


def test_numbers_after_gates_are_refused():
    net = perceptron()
    x, labels = data(net, 10)
    items = parse_approximations("merge-signals,truncate-columns")
    with pytest.raises(UsageError) as caught:
        approximated(net, items, x, labels)
    assert caught.value.message == "truncate-columns comes after an approximation of gates"
    assert caught.value.hint == "put approximations of gates last"


def imported(network, x, labels):
    samples = Samples({"x": x.astype(float)}, labels, ("a", "b", "c"), (), "0")
    source = SourceModel("net", "test", (), (), "0", None)
    return Imported(source, None, network, (), QuantiseOptions(), samples, {})


def test_a_build_approximates_by_its_training_samples_and_says_so():
    net = perceptron()
    x, labels = data(net, 100)
    text = "truncate-columns{columns=2},trim-gates{lost=5}"
    config = BuildConfig(calibrate=Path("fit.csv"), approximate=text)
    found, notes = approximated_import(imported(net, x, labels), net, config, None)
    assert [layer.kind for layer in found.layers] == ["input", "gates"]
    right = int((evaluate_network(found, {"x": x})["y"].ravel() == labels).sum())
    assert notes == (
        f"approximated, by 100 training samples: {text}; {right} of them are right, "
        "100 were before",
    )
    assert 80 < right < 100
    assert approximated_import(imported(net, x, labels), net, BuildConfig(), None) == (net, ())


def test_test_samples_approximate_nothing():
    net = perceptron()
    x, labels = data(net, 10)
    config = BuildConfig(data=Path("test.csv"), approximate="trim-gates")
    with pytest.raises(UsageError) as caught:
        approximated_import(imported(net, x, labels), net, config, None)
    assert caught.value.show() == (
        "error: --approximate looks at training samples, and none are given\n"
        "  hint: give them with --calibrate; those of --data are for the test"
    )
