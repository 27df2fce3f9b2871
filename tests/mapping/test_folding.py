"""Folding over steps: dense layers, convolutions, what lies between them, and the schedule."""

import numpy as np
import pytest

from flow.analysis.lut_cost import lut_estimate
from flow.errors import UsageError
from flow.ir.evaluate import evaluate
from flow.ir.layers import Add, Conv, Dense, Input, Relu, Requantize
from flow.ir.network import Network
from flow.ir.nodes import Linear, Mul, Select
from flow.ir.tensor import exact, fractions, tensor_type
from flow.mapping.folding import fold
from flow.passes.lower_layers import LowerLayers


def inputs(shape, lo=-8, hi=7):
    return Input("x", (), "", tensor_type(shape, lo, hi), fractions(0, shape))


def dense(name, source, weights):
    weights = np.array(weights)
    bias = np.arange(weights.shape[1]) - 1
    return Dense(name, (source,), "", weights, bias, fractions(1, ()))


def narrowed(name, source):
    scale = fractions(1, ())
    halves = fractions(0.5, ())
    return Requantize(name, (source,), "", halves, fractions(0, ()), "floor", "saturate",
                      exact(0, ()), exact(7, ()), scale)  # fmt: skip


def perceptron():
    rng = np.random.default_rng(1)
    layers = (
        inputs((4,)), dense("a", "x", rng.integers(-4, 5, (4, 5))), Relu("r", ("a",), ""),
        narrowed("q", "r"), dense("b", "q", rng.integers(-4, 5, (5, 3))),
    )  # fmt: skip
    return Network("perceptron", layers, ("b",))


def samples(circuit, count=40):
    rng = np.random.default_rng(2)
    return {
        port.name: np.stack(
            [rng.integers(x.range.lo, x.range.hi + 1, count) for x in port.lanes], 1
        )
        for port in circuit.inputs
    }


def require_same(circuit, folded):
    x = samples(circuit)
    wanted = evaluate(circuit, x)
    unrolled = evaluate(folded.unrolled(), x)
    stepped = folded.answers(x)
    for port, values in wanted.items():
        assert np.array_equal(unrolled[port], values)
        assert np.array_equal(stepped[port], values)


@pytest.mark.parametrize("interval", [2, 3, 4, 5, 8])
def test_dense_layers_take_their_weights_from_tables(interval):
    circuit = LowerLayers().run(perceptron())
    folded = fold(circuit, {"a": 1, "b": 1}, interval)
    require_same(circuit, folded)
    assert folded.latency == 2 * interval + 1
    slots = [len(level.element.outputs[0].lanes) for level in folded.levels]
    assert slots == [-(-5 // interval), -(-3 // interval)]
    # The rounding behind a sum is the same for every neuron, so it is shared too.
    assert lut_estimate(folded.levels[0].between) == 0
    assert all(any(isinstance(x, Mul) for x in lv.element.walk()) for lv in folded.levels)


def test_a_convolution_is_folded_over_its_positions_and_keeps_its_constants():
    rng = np.random.default_rng(3)
    conv = Conv("c", ("x",), "", rng.integers(-3, 4, (3, 1, 2)), np.array([1, -2]), (1,),
                ((1, 1),), (1,), 1, fractions(1, ()))  # fmt: skip
    circuit = LowerLayers().run(Network("conv", (inputs((6, 1)), conv), ("c",)))
    folded = fold(circuit, {"c": 2}, 3)
    require_same(circuit, folded)
    nodes = list(folded.levels[0].element.walk())
    assert len(folded.levels[0].element.outputs[0].lanes) == 4
    assert not any(isinstance(node, Mul) for node in nodes)
    assert any(isinstance(node, Select) for node in nodes)


def test_a_value_that_is_read_again_later_is_carried_along():
    layers = (
        inputs((4,)), dense("a", "x", np.eye(4, dtype=int)[:, ::-1] * 3),
        dense("b", "a", np.ones((4, 4), dtype=int)), Add("s", ("b", "x"), ""),
    )  # fmt: skip
    circuit = LowerLayers().run(Network("around", layers, ("s",)))
    folded = fold(circuit, {"a": 1, "b": 1}, 2)
    require_same(circuit, folded)
    assert [len(level.carried) for level in folded.levels] == [4, 4]


def test_a_whole_level_computes_all_in_every_step_and_stores_nothing():
    circuit = LowerLayers().run(perceptron())
    folded = fold(circuit, {"a": 1, "b": 1}, 4, whole=[0])
    require_same(circuit, folded)
    first = folded.levels[0]
    assert {step for step, _ in first.taken} == {3}
    assert sum(isinstance(x, Linear) for x in first.element.walk()) == 5
    assert not any(isinstance(x, Mul) for x in first.element.walk())


def test_a_circuit_without_weighted_sums_is_not_folded():
    circuit = LowerLayers().run(Network("small", (inputs((4,)), Relu("r", ("x",), "")), ("r",)))
    with pytest.raises(UsageError) as caught:
        fold(circuit, {}, 4)
    assert caught.value.show() == (
        "error: small has no layer of weighted sums to be shared over 4 steps\n"
        "  hint: leave out --ii and --max-luts"
    )
