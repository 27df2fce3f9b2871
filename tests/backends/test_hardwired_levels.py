"""A network with hardwired neurons: its RTL answers as it does, bit for bit."""

import numpy as np
import pytest

from flow.backends.bench import bench_files
from flow.backends.emission import write_files
from flow.backends.hardwired_levels import emit_wired
from flow.backends.vectors import vector_files
from flow.errors import UnsupportedModel, UsageError
from flow.ir.evaluate import evaluate
from flow.ir.layers import Add, ArgMax, Dense, Input, Relu, Requantize
from flow.ir.network import Network
from flow.ir.tensor import exact, fractions, tensor_type
from flow.mapping.hardwired.levels import hardwire, wire_rows
from flow.passes.base import run_passes
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipelines import ADDERS
from flow.verify.simulate import simulate_icarus

NAMES = {"a": 1, "b": 1, "c": 1}


def dense(name, source, weights, bias):
    return Dense(name, (source,), "", np.array(weights), np.array(bias), fractions(1, ()))


def narrowed(name, source):
    scale = fractions(1, ())
    return Requantize(name, (source,), "", fractions(0.25, ()), fractions(0, ()), "floor",
                      "saturate", exact(0, ()), exact(15, ()), scale)  # fmt: skip


def perceptron(seed=2, low=-8, bias=20):
    """Two hidden layers with a bypass around the second, one output neuron's sum, a class."""
    rng = np.random.default_rng(seed)

    def drawn(*shape):
        return rng.integers(low, 8, shape)

    layers = (
        Input("x", (), "", tensor_type((6,), -8, 7), fractions(0, (6,))),
        dense("a", "x", drawn(6, 5), rng.integers(-bias, bias + 1, 5)),
        Relu("r", ("a",), ""),
        narrowed("q", "r"),
        dense("b", "q", drawn(5, 5), rng.integers(-9, 9, 5)),
        narrowed("p", "b"),
        Add("s", ("p", "q"), ""),
        dense("c", "s", drawn(5, 3), rng.integers(-bias, bias + 1, 3)),
        ArgMax("k", ("c",), ""),
    )
    return Network("perceptron", layers, ("k", "c"))


def wired(network):
    circuit = LowerLayers().run(network)
    return circuit, hardwire(circuit, NAMES).improved(lambda _, part: run_passes(part, ADDERS))


def samples(circuit, count=40):
    rng = np.random.default_rng(2)
    return {
        port.name: np.stack(
            [rng.integers(x.range.lo, x.range.hi + 1, count) for x in port.lanes], 1
        )
        for port in circuit.inputs
    }


def test_dense_layers_are_neurons_and_the_rest_is_logic():
    circuit, found = wired(perceptron())
    # Sums of two numbers from 0 to 15 take six bits with a sign.
    assert (found.interval, found.latency) == (6, 19)
    assert [level.layers for level in found.levels] == [("a",), ("b",), ("c",)]
    assert [len(level.wiring.ports) for level in found.levels] == [5, 5, 3]
    assert [len(level.carried) for level in found.levels] == [0, 5, 0]
    x = samples(circuit)
    expected, answered = evaluate(circuit, x), found.answers(x)
    assert sorted(expected) == sorted(answered)
    for port, values in expected.items():
        assert values.tolist() == answered[port].tolist()


@pytest.mark.tool("icarus")
def test_the_rtl_answers_as_the_network_with_gaps_and_pauses(tmp_path):
    circuit, found = wired(perceptron())
    emission = emit_wired(found)
    assert (emission.latency, emission.initiation_interval) == (19, 6)
    emission.write(tmp_path)
    x = samples(circuit)
    write_files(bench_files(emission, 40), tmp_path)
    write_files(vector_files(emission, x, evaluate(circuit, x)), tmp_path)
    verdict = simulate_icarus(tmp_path)
    assert (verdict.status, verdict.detail) == ("passed", "40 samples")


def test_other_weights_of_the_same_magnitudes_leave_neurons_and_arrays_as_they_are():
    first = perceptron()
    turned = tuple(
        dense(x.name, x.sources[0], x.weights[::-1], x.bias) if isinstance(x, Dense) else x
        for x in first.layers
    )
    one, other = (
        emit_wired(wired(network)[1]).files
        for network in (first, Network(first.name, turned, first.outputs))
    )
    assert sorted(one) == sorted(other)
    same = {path.name for path in one if one[path] == other[path]}
    for i in range(3):
        assert same >= {f"perceptron_level{i}_neuron.v", f"perceptron_level{i}_array.v"}
        assert f"perceptron_level{i}_wires.v" not in same


def test_weights_of_many_magnitudes_are_refused():
    circuit = LowerLayers().run(perceptron(low=-30))
    with pytest.raises(UnsupportedModel) as error:
        hardwire(circuit, NAMES)
    assert error.value.message == "the weights of a have 20 magnitudes"
    assert error.value.hint == "at most 8 are hardwired: give --weight-bits 4"
    with pytest.raises(UsageError):
        hardwire(circuit, {})


def test_rows_of_zeros_and_large_biases_are_neurons_too():
    weights, biases = np.array([[0, 0], [0, 0]]), np.array([-1000, 999], object)
    wiring = wire_rows(weights, biases, 4)
    assert wiring.base.ports == (1,)
    assert wiring.constants.tolist() == [-1000, 999]
    assert wiring.base.width == 10
