"""A network with every kind of layer that a project for HLS holds, and how one is written."""

from __future__ import annotations

from fractions import Fraction as F
from pathlib import Path

import numpy as np

from flow.backends.emission import write_files
from flow.backends.hls_layers import hls_model
from flow.backends.hls_project import (
    BACKENDS,
    PROJECT,
    bench_arguments,
    hls_vectors,
    own_files,
    top_name,
)
from flow.ir import layers as ly
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import exact, fractions, tensor_type
from flow.passes.lower_layers import port_names
from flow.tools.hls4ml import HlsChoices, write_project

ONE = F(1)


def given(name, shape, lo, hi):
    return ly.Input(name, (), name, tensor_type(shape, lo, hi), fractions(0, shape))


def rounded(name, source, multiplier, offset, rounding, overflow, lo, hi):
    return ly.Requantize(
        name, (source,), name, np.asarray(multiplier, dtype=object),
        np.asarray(offset, dtype=object), rounding, overflow, exact(lo, ()), exact(hi, ()), ONE,
    )  # fmt: skip


def every_layer(seed: int = 0) -> Network:
    """Each of hls4ml's own layers that are used, each function of ours, several ports."""
    rng = np.random.default_rng(seed)

    def ints(lo, hi, *shape):
        return rng.integers(lo, hi, shape)

    none = ((0, 0), (0, 0))
    sevenths = [F(1, 7), F(3, 50), F(1, 64), F(-1, 9), F(1, 100), F(0)]
    tables = (tuple(range(10, 18)), tuple(v * v for v in range(9)))
    sums = tuple(
        tuple(None if (i, j) == (1, 0) else tuple(ints(-9, 9, 4).tolist()) for j in range(2))
        for i in range(3)
    )
    return Network(
        "everything",
        (
            given("img", (6, 5, 2), -8, 7),
            given("vec", (8,), 0, 31),
            ly.Conv("c1", ("img",), "c1", ints(-4, 4, 3, 3, 2, 4), ints(-20, 20, 4), (1, 1),
                    ((1, 1), (1, 1)), (1, 1), 1, ONE),
            rounded("q1", "c1", F(1, 16), F(1, 3), "half_even", "saturate", 0, 15),
            ly.Pool("p1", ("q1",), "p1", "max", (2, 2), (2, 2), none),
            ly.Conv("c2", ("p1",), "c2", ints(-4, 4, 2, 1, 2, 4), ints(-20, 20, 4), (1, 1), none,
                    (2, 1), 2, ONE),
            ly.Relu("r2", ("c2",), "r2"),
            ly.Pool("p2", ("r2",), "p2", "sum", (1, 2), (1, 1), ((0, 0), (1, 0))),
            ly.Reshape("flat", ("p2",), "flat", (8,)),
            ly.Dense("d1", ("flat",), "d1", ints(-8, 8, 8, 6), ints(-50, 50, 6), ONE),
            rounded("q2", "d1", sevenths, F(0), "half_away", "wrap", -4, 3),
            ly.Lookup("lk", ("q2",), "lk", (-4, -5), tables, np.array([0, 1, 0, 1, 1, 0]), ONE),
            ly.Dense("d2", ("vec",), "d2", ints(-8, 8, 8, 6), ints(-50, 50, 6), ONE),
            ly.Affine("a", ("d2",), "a", np.array([1, 2, -1, 3, 0, 1]), np.array(5), ONE),
            rounded("q3", "a", F(1, 4), F(0), "zero", "saturate", -7, 7),
            ly.Add("add", ("lk", "q3"), "add"),
            ly.Multiply("mul", ("add", "q3"), "mul", ONE),
            ly.Concat("cat", ("mul", "vec"), "cat", 0),
            ly.Gather("g", ("cat",), "g", np.array([[3, -1], [0, 13], [5, 5]]), 9),
            ly.Dense("pw", ("g",), "pw", ints(-8, 8, 2, 3), ints(-50, 50, 3), ONE),
            rounded("q4", "pw", F(1, 8), F(0), "floor", "wrap", 0, 2),
            ly.TableSum("ts", ("q4",), "ts", (0, 0, -1), sums, ints(-5, 5, 2), ONE),
            ly.ArgMax("am", ("pw",), "am"),
            ly.AtLeast("al", ("pw",), "al", np.array([1, -20, 30])),
        ),
        ("am", "al", "ts", "q3", "vec"),
    )  # fmt: skip


def samples(network: Network, count: int, seed: int = 1):
    """Random inputs by layer."""
    rng = np.random.default_rng(seed)
    return {
        layer.name: rng.integers(
            layer.tensor.lo.astype(int), layer.tensor.hi.astype(int) + 1,
            (count, *layer.tensor.shape),
        )
        for layer in network.inputs
    }  # fmt: skip


def write(network: Network, folder: Path, word: str, count: int = 40, **choices):
    """The project with its bench and vectors below the folder; what the compiler is given."""
    backend = BACKENDS[word]
    model = hls_model(network)
    files, _ = write_project(
        top_name(network), model.layers, model.outputs,
        HlsChoices(backend.name, fixed=backend.fixed, **choices),
    )  # fmt: skip
    write_files({PROJECT / path: text for path, text in files.items()}, folder)
    write_files(own_files(network, model, backend), folder)
    x = samples(network, count)
    y = evaluate_network(network, x)
    ports = {
        letter: {
            port: values[name].reshape(count, -1)
            for port, name in zip(port_names(letter, len(names)), names, strict=True)
        }
        for letter, values, names in (
            ("x", x, [layer.name for layer in network.inputs]),
            ("y", y, network.outputs),
        )
    }
    write_files(hls_vectors(network, ports["x"], ports["y"], {}), folder)
    return bench_arguments(backend)
