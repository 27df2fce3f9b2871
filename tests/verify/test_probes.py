"""Probes lie in their intervals and show what samples do not; a build puts them into its bench."""

from __future__ import annotations

import json

import numpy as np
import pytest
from designs_mapped import network
from small_build import QUICK, flow, write_model

from flow.analysis.fault_simulation import FaultSimulator
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Compare, Const, Input, Register, Select
from flow.verify import probes
from flow.verify.probes import probe_inputs


def rare():
    """It answers otherwise where the sum of two lanes is exactly 100; a lane has odd ends."""
    a, b, c = Input("x", 0, 0, 63), Input("x", 1, -5, 77), Input("z", 0, 3, 3)
    hit = Compare(Register(Add(a, b)), Const(100), "eq")
    ports = (Port("x", (a, b)), Port("z", (c,)))
    return Circuit("rare", ports, (Port("y", (Select(hit, Const(1), Add(c, c)),)),))


def shown(circuit, rows):
    """Stuck nodes that some of the rows show."""
    graph = probes.bitblast(probes.transparent(circuit))
    seen = FaultSimulator(probes._gates(graph), probes._words(circuit, rows)).detected(
        probes._faults(graph)
    )
    return (probes._counts(seen, len(rows)) > 0).sum()


def test_probes_lie_in_their_intervals_and_are_the_same_for_a_seed():
    circuit = rare()
    samples = {"x": np.zeros((2, 2), int), "z": np.full((2, 1), 3)}
    found = probe_inputs(circuit, samples, 500, 4)
    assert {name: values.shape[1] for name, values in found.items()} == {"x": 2, "z": 1}
    assert found["x"].min(axis=0).tolist() >= [0, -5]
    assert found["x"].max(axis=0).tolist() <= [63, 77]
    assert set(found["z"].ravel().tolist()) == {3}
    again = probe_inputs(circuit, samples, 500, 4)
    assert all(np.array_equal(found[name], again[name]) for name in found)
    assert (found["x"].sum(axis=1) == 100).any()
    assert probe_inputs(circuit, samples, 0)["x"].shape == (0, 2)
    assert len(probe_inputs(circuit, samples, 7)["x"]) == 7


def test_probes_show_more_of_a_classifier_than_its_samples():
    circuit = network(inputs=4)
    rng = np.random.default_rng(1)
    lanes = [lane.range for lane in circuit.inputs[0].lanes]
    some = np.array([[rng.integers(r.lo, r.hi + 1) for r in lanes] for _ in range(3)])
    more = probe_inputs(circuit, {circuit.inputs[0].name: some}, 1000)[circuit.inputs[0].name]
    every = np.concatenate([some, more])
    assert shown(circuit, every) > shown(circuit, some)
    uniform = np.array([[rng.integers(r.lo, r.hi + 1) for r in lanes] for _ in range(20_000)])
    assert shown(circuit, every) >= 0.99 * shown(circuit, uniform)


@pytest.mark.slow
@pytest.mark.tool("icarus")
def test_a_build_with_probes_has_them_behind_its_samples_and_verifies(tmp_path):
    model, data = write_model(tmp_path)
    words = ["build", model, "--data", data, *QUICK, "--simulator", "icarus", "--probes", "90"]
    words += ["--prove-limit", "0"]
    done = flow(*words, "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    layout = json.loads((tmp_path / "out" / "vectors" / "layout.json").read_text())
    assert 40 < layout["samples"] <= 130
    said = flow("verify", tmp_path / "out", "--json", "--prove-limit", 0)
    checks = {c["check"]: (c["status"], c["detail"]) for c in json.loads(said.stdout)}
    assert checks["vectors = network"] == ("passed", f"{layout['samples']} samples")
    assert checks["simulation with Icarus Verilog"][0] == "passed"
