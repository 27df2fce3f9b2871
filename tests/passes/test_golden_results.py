"""What every pipeline makes of small random networks: heuristics change only by intent.

Exactness holds for any choice of sums, so only a record of the choices tells when one has changed.
"""

import re

import pytest
from digests import check, digest
from passes.test_exact_passes import ANY, COMBINATIONAL
from soak_networks import network, perceptron

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
    case = re.sub(r"[^a-z0-9]+", "-", text).strip("-")
    check("passes", case, found, request.config.getoption("--update-golden"))
