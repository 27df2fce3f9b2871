"""Small networks of bits for the array, and the files of one with samples."""

import numpy as np

from flow.backends.emission import write_files
from flow.backends.tulip import emit_tulip
from flow.ir.binary import INPUT, Neurons, OrPool, Scores, Wiring, evaluate_binary
from flow.ir.windows import windows
from flow.mapping.tulip.plan import make_plan


def wire(source, shape):
    return Wiring((source,), np.arange(int(np.prod(shape))).reshape(shape))


def dense(rng, name, source, inputs, filters, ternary=False):
    """Thresholds around the middle; the first neuron is always true, the last one never."""
    weights = rng.choice([-1, 0, 1] if ternary else [-1, 1], size=(inputs, filters))
    fan_in = (weights != 0).sum(axis=0)
    threshold = np.clip(fan_in // 2 + rng.integers(-3, 4, filters), 0, fan_in + 1)
    threshold[0], threshold[-1] = 0, fan_in[-1] + 1
    return Neurons(name, wire(source, (inputs,)), weights, threshold, fan_in)


def conv(rng, name, source, shape, filters, pad=1, stride=1, integer=False):
    """A window of 3 x 3, with thresholds that differ at the border."""
    values = np.arange(-3, 4) if integer else [-1, 1]
    weights = rng.choice(values, size=(3, 3, shape[-1], filters))
    padding, strides = ((pad, pad), (pad, pad)), (stride, stride)
    seen = windows(np.ones((1, *shape), int), (3, 3), strides, padding, (1, 1), 0)
    taps = seen[0].reshape(*seen.shape[1:3], -1)
    fan_in = taps @ (weights.reshape(-1, filters) != 0)
    threshold = np.clip(fan_in // 2 + rng.integers(-2, 3, fan_in.shape), 0, fan_in + 1)
    if integer:
        threshold = rng.integers(-30, 31, fan_in.shape)
    return Neurons(
        name, wire(source, shape), weights, threshold, fan_in, strides, padding, (1, 1), integer
    )


def pool(name, source, shape, stride=2):
    return OrPool(name, wire(source, shape), (2, 2), (stride, stride), ((0, 0), (0, 0)))


def scores(rng, name, source, inputs, classes, argmax=True):
    weights = rng.choice([-1, 1], size=(inputs, classes))
    fan_in = np.full(classes, inputs)
    shape = (1,) if argmax else (classes,)
    factors = rng.choice([-2, 3], classes)
    return Scores(
        name, wire(source, (inputs,)), weights, fan_in, factors, rng.integers(-9, 9, classes),
        argmax, shape,
    )  # fmt: skip


def mlp(rng, ternary=False, argmax=True):
    layers = [
        dense(rng, "a", INPUT, 9, 5, ternary),
        dense(rng, "b", 0, 5, 6, ternary),
        scores(rng, "s", 1, 6, 3, argmax),
    ]
    return layers, 9, (0, 1)


def cnn(rng):
    layers = [
        conv(rng, "c0", INPUT, (4, 4, 3), 6, integer=True),
        pool("p0", 0, (4, 4, 6)),
        conv(rng, "c1", 1, (2, 2, 6), 5),
        dense(rng, "d", 2, 20, 7),
        scores(rng, "s", 3, 7, 3),
    ]
    return layers, 48, (-7, 120)


def planned(network, shape, samples, seed=7):
    """The plan, inputs (samples, elements), and what the network answers (samples, lanes)."""
    layers, size, (lo, hi) = network
    plan = make_plan(layers, size, (lo, hi), shape)
    inputs = np.random.default_rng(seed).integers(lo, hi + 1, size=(samples, size))
    answers = evaluate_binary(layers, [inputs.reshape(-1, *layers[0].wiring.shape)])[-1]
    return plan, inputs, answers.reshape(samples, -1)


def emitted(folder, network, shape, samples, gates=False):
    """The same, with the files of the array in a folder."""
    plan, inputs, answers = planned(network, shape, samples)
    emission = emit_tulip(plan, "net", inputs, answers, gates=gates)
    write_files(emission.files, folder)
    return plan, inputs, answers, emission
