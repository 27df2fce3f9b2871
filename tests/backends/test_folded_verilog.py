"""Folded circuits as Verilog: shift registers, the queue of their stream, and golden texts."""

import re

import numpy as np
import pytest
from digests import check, digest

from flow.backends.axis import with_axis
from flow.backends.folded import emit_folded
from flow.ir.layers import Add, Conv, Dense, Input, Relu, Requantize
from flow.ir.network import Network
from flow.ir.tensor import exact, fractions, tensor_type
from flow.mapping.folding import fold
from flow.passes.base import run_passes
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipeline_text import parse_pipeline

ONE = fractions(1, ())


def dense(name, source, rows, columns):
    weights = np.random.default_rng(columns).integers(-4, 5, (rows, columns))
    return Dense(name, (source,), "", weights, np.arange(columns) - 1, ONE)


def narrow(name, source):
    return Requantize(name, (source,), "", fractions(0.5, ()), fractions(0, ()), "floor",
                      "saturate", exact(0, ()), exact(7, ()), ONE)  # fmt: skip


def entry(shape):
    return Input("x", (), "", tensor_type(shape, -8, 7), fractions(0, shape))


def perceptron():
    layers = (
        entry((4,)), dense("a", "x", 4, 5), Relu("r", ("a",), ""), narrow("q", "r"),
        dense("b", "q", 5, 4), Add("s", ("b", "x"), ""),
    )  # fmt: skip
    return Network("perceptron", layers, ("s",)), {"a": 1, "b": 1}


def convolution():
    weights = np.random.default_rng(3).integers(-3, 4, (3, 1, 2))
    conv = Conv("c", ("x",), "", weights, np.array([1, -2]), (1,), ((1, 1),), (1,), 1, ONE)
    return Network("conv", (entry((6, 1)), conv), ("c",)), {"c": 2}


def emitted(make, interval):
    network, layers = make()
    folded = fold(LowerLayers().run(network), layers, interval)
    expanded = folded.improved(lambda _, part: run_passes(part, parse_pipeline("plain")))
    return with_axis(emit_folded(expanded))


@pytest.mark.parametrize("make", [perceptron, convolution])
@pytest.mark.parametrize("interval", [2, 3, 4, 6])
def test_the_texts_of_a_folded_circuit_are_golden(make, interval, request):
    emission = emitted(make, interval)
    found = {str(path): digest(text) for path, text in emission.files.items()}
    case = f"folded-{make.__name__}-{interval}"
    check("texts", case, found, request.config.getoption("--update-golden"))
    assert (emission.initiation_interval, emission.axis.latency - emission.latency) == (interval, 2)


@pytest.mark.parametrize("interval", [2, 3, 4, 6])
def test_results_of_all_steps_but_the_last_are_stored(interval):
    emission = emitted(convolution, interval)
    text = next(text for path, text in emission.files.items() if path.name == "conv.v")
    results = int(re.search(r"wire \[(\d+):0\] p0;", text)[1]) + 1
    stored = int(re.search(r"reg \[(\d+):0\] c0;", text)[1]) + 1
    assert stored == (interval - 1) * results
    # The latest results stand below those of the steps before.
    rest = f"{{p0, c0[{stored - 1}:{results}]}}" if interval > 2 else "p0"
    assert f"c0 <= {rest};" in text


@pytest.mark.parametrize(("interval", "held"), [(2, 4), (3, 4), (6, 4)])
def test_the_queue_of_a_stream_holds_and_counts_all_samples_of_a_circuit(interval, held):
    emission = emitted(perceptron, interval)
    assert emission.latency // interval + 2 == held
    text = next(text for path, text in emission.files.items() if path.name.endswith("_axis.v"))
    assert f"    reg [{held - 1}:0] last;\n    reg [2:0] waiting;\n" in text
    assert f"// are looked at. A result follows its sample by {emission.latency + 2} clocks" in text
    assert f"or more; one sample in {interval} clocks.\n" in text
