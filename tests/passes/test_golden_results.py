"""What every pipeline makes of small random networks: heuristics change only by intent.

Exactness holds for any choice of sums, so only a record of the choices tells when one has changed.
"""

import re

import numpy as np
import pytest
from digests import check, digest
from passes.test_exact_passes import ANY, COMBINATIONAL
from soak_networks import network, perceptron

from flow.ir.layers import Dense, Input
from flow.ir.network import Network
from flow.ir.tensor import fractions, tensor_type
from flow.ir.text import print_circuit
from flow.passes.base import run_passes
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipeline_text import parse_pipeline

PIPELINES = (
    *ANY,
    *COMBINATIONAL,
    "chains,pipeline{stages=3,family=xilinx}",
    "shallow-chains",
    "chains,pipeline{stages=4,slack=10,family=ecp5}",
    "adders,pipeline{stages=2}",
    "solve-linear{method=bits},pipeline{every=3}",
    "solve-linear{method=mc,hard-dc=2},balance-adders",
    "packed",
)
SEEDS = range(1, 9)
WIDE = (
    "adders", "heaps", "chains", "shallow-chains", "compressed", "packed",
    "solve-linear{method=bits,effort=high}", "solve-linear{method=mc}",
    "chains,pipeline{stages=4,family=xilinx}", "adders,pipeline{stages=3,slack=10}",
)  # fmt: skip
MATRICES = ((12, 10, 7, 1.0), (20, 6, 4, 1.0), (16, 16, 8, 0.4), (9, 9, 12, 0.8))
"""Rows, columns, bits of a weight, share of the weights that are not 0."""


@pytest.fixture(scope="module")
def circuits():
    makers = {"network": network, "perceptron": perceptron}
    return {
        f"{name} {seed}": LowerLayers().run(make(seed))
        for name, make in makers.items()
        for seed in SEEDS
    }


@pytest.mark.parametrize("text", PIPELINES)
def test_a_pipeline_gives_the_golden_results(text, circuits, request):
    found = {
        name: digest(print_circuit(run_passes(circuit, parse_pipeline(text))))
        for name, circuit in circuits.items()
    }
    check("passes", slug(text), found, request.config.getoption("--update-golden"))


@pytest.mark.parametrize("text", WIDE)
def test_a_pipeline_gives_the_golden_sums_of_matrices(text, request):
    rng = np.random.default_rng(3)
    found = {}
    for rows, columns, bits, share in MATRICES:
        top = 1 << bits - 1
        weights = rng.integers(-top, top, (rows, columns)) * (rng.random((rows, columns)) < share)
        tensor = tensor_type((rows,), -8, 23)
        entry = Input("x", (), "", tensor, fractions(0, (rows,)))
        bias = rng.integers(-50, 50, columns)
        dense = Dense("y", ("x",), "", weights, bias, fractions(1, ()))
        circuit = LowerLayers().run(Network("matrix", (entry, dense), ("y",)))
        made = run_passes(circuit, parse_pipeline(text))
        found[f"{rows} x {columns}, {bits} bits"] = digest(print_circuit(made))
    check("matrices", slug(text), found, request.config.getoption("--update-golden"))


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")
