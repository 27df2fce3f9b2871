"""Binary layers become threshold gates that answer as the layers do, on every sample."""

import numpy as np
import pytest

from flow.errors import UnsupportedModel
from flow.ir.binary import INPUT, Neurons, OrPool, Scores, Wiring, evaluate_binary
from flow.ir.interval import IntRange
from flow.mapping.threshold.layers import layers_netlist
from flow.mapping.threshold.neurons import map_neurons


def wiring(source, *shape):
    return Wiring((source,), np.arange(int(np.prod(shape))).reshape(shape))


def neurons(rng, name, where, outputs, integer=False):
    inputs = where.shape[-1]
    weights = (
        rng.integers(-3, 4, (inputs, outputs))
        if integer
        else rng.integers(-1, 2, (inputs, outputs))
    )
    fan_in = np.count_nonzero(weights, axis=0)
    low, high = (-9, 9) if integer else (0, 1 + fan_in)
    threshold = rng.integers(low, high, outputs)
    return Neurons(name, where, weights, threshold, fan_in, integer=integer)


def scores(rng, where, classes, argmax=True):
    weights = rng.integers(-1, 2, (where.shape[-1], classes))
    return Scores(
        "scores", where, weights, np.count_nonzero(weights, axis=0), rng.integers(-2, 3, classes),
        rng.integers(-3, 4, classes), argmax, () if argmax else (classes,),
    )  # fmt: skip


def numbers(netlist, bits):
    found = netlist.evaluate(bits).astype(np.int64)
    return (found << np.arange(found.shape[1])).sum(axis=1)


@pytest.mark.parametrize("seed", range(4))
def test_integers_neurons_and_the_choice_of_a_class(seed):
    rng = np.random.default_rng(seed)
    layers = (
        neurons(rng, "first", wiring(INPUT, 5), 7, integer=True),
        neurons(rng, "hidden", wiring(0, 7), 6),
        scores(rng, wiring(1, 6), 5),
    )
    ranges = [IntRange(-4, 3), IntRange(0, 7), IntRange(0, 1), IntRange(-1, 0), IntRange(0, 0)]
    x = np.stack([rng.integers(r.lo, r.hi + 1, 300) for r in ranges], axis=1)
    bits = np.concatenate(
        [(v[:, None] & (1 << r.width) - 1) >> np.arange(r.width) & 1
         for v, r in zip(x.T, ranges, strict=True)], axis=1,
    ).astype(np.uint8)  # fmt: skip
    netlist = layers_netlist(layers, ranges)
    netlist.check()
    wanted = evaluate_binary(layers, (x,))[-1].reshape(-1)
    assert numbers(netlist, bits).tolist() == wanted.tolist()
    assert netlist.size <= 7 + 6 + 10 + 5 + 3
    assert numbers(map_neurons(netlist, 5), bits).tolist() == wanted.tolist()


def test_convolutions_with_borders_and_pooling():
    rng = np.random.default_rng(1)
    weights = rng.integers(-1, 2, (2, 2, 1, 3))
    padding = ((1, 0), (1, 0))
    taps = np.ones((1, 4, 4, 1), dtype=np.int64)
    empty = Neurons(
        "count", wiring(INPUT, 4, 4, 1), np.abs(weights), np.zeros((4, 4, 3), dtype=np.int64),
        np.full((4, 4, 3), 4), (1, 1), padding, (1, 1), integer=True,
    )  # fmt: skip
    fan_in = empty.counts(taps)[0]
    conv = Neurons(
        "conv", wiring(INPUT, 4, 4, 1), weights, rng.integers(0, fan_in + 2), fan_in, (1, 1),
        padding, (1, 1),
    )  # fmt: skip
    pool = OrPool("pool", wiring(0, 4, 4, 3), (2, 2), (2, 2), ((0, 0), (0, 0)))
    layers = (conv, pool, scores(rng, wiring(1, 12), 4))
    bits = rng.integers(0, 2, (200, 16)).astype(np.uint8)
    netlist = layers_netlist(layers, [IntRange(0, 1)] * 16)
    wanted = evaluate_binary(layers, (bits.astype(np.int64),))[-1].reshape(-1)
    assert numbers(netlist, bits).tolist() == wanted.tolist()


def test_layers_that_end_in_scores_are_refused():
    rng = np.random.default_rng(1)
    with pytest.raises(UnsupportedModel) as error:
        layers_netlist((scores(rng, wiring(INPUT, 3), 2, argmax=False),), [IntRange(0, 1)] * 3)
    assert error.value.message == "the network ends in scores, which are no bits"
