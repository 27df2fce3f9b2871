"""What the writers of C, of Verilog and of binary arrays make of small networks."""

import numpy as np
import pytest
import tulip_networks
from digests import check, digest
from soak_networks import network, perceptron

from flow.backends.bitblast import bitblast
from flow.backends.c import emit_c
from flow.backends.verilog import emit_verilog
from flow.errors import InternalError
from flow.mapping.tulip.shape import ArrayShape
from flow.passes.base import run_passes
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipeline_text import parse_pipeline

PIPELINES = ("plain", "heaps", "plain,pipeline{stages=2}")
CIRCUITS = {
    f"{make.__name__} {seed}": LowerLayers().run(make(seed))
    for make in (network, perceptron)
    for seed in range(1, 7)
}


@pytest.mark.parametrize("text", PIPELINES)
def test_the_texts_of_a_circuit_are_golden(text, request):
    found = {}
    for name, circuit in CIRCUITS.items():
        made = run_passes(circuit, parse_pipeline(text))
        emission = emit_verilog(made)
        if emission.clocked:
            stalling = emit_verilog(made, handshake=True)
            found[f"{name}, stalling"] = digest(stalling.files[next(iter(stalling.files))])
        else:
            found[f"{name}, C"] = digest(written(made))
            found[f"{name}, gates"] = digest(repr(bitblast(made, emission)))
        found[f"{name}, Verilog"] = digest(emission.files[next(iter(emission.files))])
    case = text.replace("{", "-").replace("}", "").replace("=", "-").replace(",", "-")
    check("texts", case, found, request.config.getoption("--update-golden"))


def written(circuit):
    try:
        return emit_c(circuit)
    except InternalError as error:
        return error.message


@pytest.mark.parametrize("gates", [False, True])
@pytest.mark.parametrize("make", [tulip_networks.mlp, tulip_networks.cnn])
def test_the_files_of_an_array_are_golden(make, gates, tmp_path, request):
    drawn = make(np.random.default_rng(1))
    tulip_networks.emitted(tmp_path, drawn, ArrayShape(8, 2, 2), 8, gates)
    found = {
        str(path.relative_to(tmp_path)): digest(path.read_bytes())
        for path in sorted(tmp_path.rglob("*"))
        if path.is_file()
    }
    case = f"array-{make.__name__}" + "-gates" * gates
    check("texts", case, found, request.config.getoption("--update-golden"))
