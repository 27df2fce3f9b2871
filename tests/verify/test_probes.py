"""Probes lie in their intervals and show what samples do not; a build puts them into its bench."""

from __future__ import annotations

import json

import numpy as np
import pytest
from designs_mapped import network
from small_build import QUICK, flow, write_model

from flow.analysis.critical_paths import seen_stuck
from flow.analysis.fault_simulation import FaultSimulator
from flow.analysis.stuck_at import FaultClass, Gates
from flow.backends.bitblast import bitblast
from flow.backends.vectors import npy
from flow.ir.aig import AigBuilder
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.nodes import Add, Compare, Const, Input, Register, Select
from flow.verify import probes
from flow.verify.probes import probe_inputs
from flow.verify.prove import transparent


def rare():
    """It answers otherwise where the sum of two lanes is exactly 100; a lane has odd ends."""
    a, b, c = Input("x", 0, 0, 63), Input("x", 1, -5, 77), Input("z", 0, 3, 3)
    hit = Compare(Register(Add(a, b)), Const(100), "eq")
    ports = (Port("x", (a, b)), Port("z", (c,)))
    return Circuit("rare", ports, (Port("y", (Select(hit, Const(1), Add(c, c)),)),))


def simulated(graph, words):
    """What fault simulation says of every gate stuck at 0, then of every gate stuck at 1."""
    first = 2 + len(graph.inputs)

    def net(literal):
        return (literal >> 1) + 1 if literal > 1 else 0

    inputs, tables = [()] * first, [0, 1, *([0] * len(graph.inputs))]
    for a, b in zip(graph.left, graph.right, strict=True):
        inputs.append((net(a), net(b)))
        bits = [((s & 1) ^ (a & 1)) & ((s >> 1) ^ (b & 1)) for s in range(4)]
        tables.append(sum(bit << s for s, bit in enumerate(bits)))
    names = tuple(f"n{k}" for k in range(len(tables)))
    gates = Gates(
        names, len(graph.inputs), tuple(inputs), tuple(tables), (-1,) * len(names),
        tuple(net(x) for x in graph.literals), graph.size,
    )  # fmt: skip
    faults = [FaultClass((), ((first + k, t),)) for t in (0, 15) for k in range(graph.size)]
    return FaultSimulator(gates, words).detected(faults)


def shown(circuit, rows):
    """Stuck gates that some of the rows show."""
    words = probes._words(circuit, rows)
    seen = simulated(bitblast(transparent(circuit)), words)
    rest = np.zeros(64 * words.shape[1], dtype=np.uint8)
    rest[: len(rows)] = 1
    return int((seen & np.packbits(rest, bitorder="little").view(np.uint64)).any(axis=1).sum())


def answers(circuit):
    return lambda values: evaluate(circuit, values)


def test_critical_paths_are_exact_where_no_branches_meet():
    build = AigBuilder("tree", [f"x{k}" for k in range(8)])
    x = [2 * (k + 1) for k in range(8)]
    pair = build.disj(build.conj(x[0], x[1] ^ 1), build.conj(x[2], x[3]))
    other = build.conj(build.disj(x[4], x[5]), build.disj(x[6] ^ 1, x[7]) ^ 1)
    graph = build.finish([("y", build.conj(pair, other ^ 1)), ("z", build.conj(x[0], x[7]) ^ 1)])
    words = np.random.default_rng(5).integers(0, 1 << 63, (8, 9), dtype=np.uint64)
    assert np.array_equal(seen_stuck(graph, words), simulated(graph, words))


def test_critical_paths_miss_little_where_branches_meet():
    circuit = network(inputs=4)
    graph = bitblast(transparent(circuit))
    shape = (len(graph.inputs), 16)
    words = np.random.default_rng(5).integers(0, 1 << 63, shape, dtype=np.uint64)
    guess, truth = seen_stuck(graph, words), simulated(graph, words)
    both, said, there = (int(np.bitwise_count(x).sum()) for x in (guess & truth, guess, truth))
    assert both > 0.95 * there
    assert both > 0.5 * said


def test_probes_lie_in_their_intervals_and_are_the_same_for_a_seed():
    circuit = rare()
    samples = {"x": np.zeros((2, 2), int), "z": np.full((2, 1), 3)}
    found = probe_inputs(circuit, samples, answers(circuit), 500, 4)
    assert {name: values.shape[1] for name, values in found.items()} == {"x": 2, "z": 1}
    assert found["x"].min(axis=0).tolist() >= [0, -5]
    assert found["x"].max(axis=0).tolist() <= [63, 77]
    assert set(found["z"].ravel().tolist()) == {3}
    again = probe_inputs(circuit, samples, answers(circuit), 500, 4)
    assert all(np.array_equal(found[name], again[name]) for name in found)
    assert (found["x"].sum(axis=1) == 100).any()
    rows = found["x"].tolist()
    assert len({tuple(row) for row in rows}) == len(rows)
    assert probe_inputs(circuit, samples, answers(circuit), 0)["x"].shape == (0, 2)
    assert len(probe_inputs(circuit, samples, answers(circuit), 7)["x"]) == 7


def test_pairs_are_one_step_of_one_lane_apart_and_answered_differently():
    circuit = rare()
    lo, hi = np.array([0, -5, 3]), np.array([63, 77, 3])

    def answered(rows):
        return evaluate(circuit, {"x": rows[:, :2], "z": rows[:, 2:]})["y"]

    drawing = probes._Drawing(lo, hi, np.zeros((0, 3), int), answered, np.random.default_rng(2))
    a, b = drawing.sides(drawing.plain(4000), drawing.plain(4000))
    assert 5 < len(a) < 500
    assert (np.abs(a - b).sum(axis=1) == 1).all()
    assert (answered(a) != answered(b)).all()
    assert not len(drawing.sides(a[:3], a[:3])[0])


def test_a_circuit_that_answers_always_alike_gets_inputs_by_chance():
    x = Input("x", 0, -7, 8)
    circuit = Circuit("flat", (Port("x", (x,)),), (Port("y", (Const(3),)),))
    found = probe_inputs(circuit, {"x": np.zeros((0, 1), int)}, answers(circuit), 5)
    assert found["x"].shape == (0, 1)


def test_a_large_circuit_gets_few_probes_without_a_graph(monkeypatch):
    monkeypatch.setattr(probes, "MOST_BITS", 3)
    monkeypatch.setattr(probes, "FEW", 20)
    circuit = rare()
    samples = {"x": np.zeros((2, 2), int), "z": np.full((2, 1), 3)}
    assert len(probe_inputs(circuit, samples, answers(circuit), 500)["x"]) == 20
    assert len(probe_inputs(circuit, samples, answers(circuit), 9)["x"]) == 9


def test_probes_show_more_of_a_classifier_than_its_samples():
    circuit = network(inputs=4)
    rng = np.random.default_rng(1)
    lanes = [lane.range for lane in circuit.inputs[0].lanes]
    name = circuit.inputs[0].name
    some = np.array([[rng.integers(r.lo, r.hi + 1) for r in lanes] for _ in range(3)])
    more = probe_inputs(circuit, {name: some}, answers(circuit), 1000)[name]
    every = np.concatenate([some, more])
    assert shown(circuit, every) > shown(circuit, some)
    uniform = np.array([[rng.integers(r.lo, r.hi + 1) for r in lanes] for _ in range(20_000)])
    assert shown(circuit, every) >= 0.99 * shown(circuit, uniform)


@pytest.mark.slow
@pytest.mark.tool("icarus")
def test_a_build_has_probes_behind_its_samples_and_verifies_both(tmp_path):
    model, data = write_model(tmp_path)
    out = tmp_path / "out"
    words = ["build", model, "--data", data, *QUICK, "--simulator", "icarus", "--prove-limit", "0"]
    done = flow(*words, "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    layout = json.loads((out / "vectors" / "layout.json").read_text())
    count = layout["probes"]
    assert (layout["samples"], 20 < count <= 500) == (40, True)
    rows = {file.name: len(np.load(file)) for file in (out / "vectors").glob("*.npy")}
    assert rows == {"inputs.npy": 40, "expected.npy": 40, "probe_inputs.npy": count,
                    "probe_expected.npy": count}  # fmt: skip
    assert f"40 samples and {count} probes with the results" in (out / "README.md").read_text()
    assert json.loads((out / "report.json").read_text())["accuracy"]["samples"] == 40
    said = flow("verify", out, "--json", "--prove-limit", 0)
    checks = {c["check"]: (c["status"], c["detail"]) for c in json.loads(said.stdout)}
    both = f"40 samples, {count} probes"
    assert checks["vectors = network"] == checks["circuit on the vectors"] == ("passed", both)
    assert checks["words of the benches = vectors"] == ("passed", both)
    most = 200_000_000 // 500 // layout["work"]
    assert 4 < most < count
    icarus = f"40 samples, the first {most} of {count} probes"
    assert checks["simulation with Icarus Verilog"] == ("passed", icarus)
    assert checks["simulation with Verilator"] == ("passed", both)
    file = out / "vectors" / "probe_expected.npy"
    wrong = np.load(file)
    wrong[7, 0] ^= 1
    file.write_bytes(npy(wrong))
    said = flow("verify", out, "--json", "--prove-limit", 0)
    bad = {c["check"]: c["detail"] for c in json.loads(said.stdout) if c["status"] == "failed"}
    assert bad["words of the benches = vectors"] == (
        "vectors/expected.hex is not vectors/expected.npy: line 48 differs"
    )
    assert "vectors = network" in bad


@pytest.mark.tool("icarus")
def test_a_build_without_probes_says_nothing_of_them(tmp_path):
    model, data = write_model(tmp_path)
    out = tmp_path / "out"
    words = ["build", model, "--data", data, *QUICK, "--prove-limit", "0", "--probes", "0"]
    done = flow(*words, "--to", "emit", "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    files = sorted(file.name for file in (out / "vectors").iterdir())
    assert files == ["expected.hex", "expected.npy", "inputs.hex", "inputs.npy", "layout.json"]
    assert json.loads((out / "vectors" / "layout.json").read_text())["probes"] == 0
    assert "probe" not in (out / "README.md").read_text()
    assert "probe" not in (out / "tb" / "tb_model.v").read_text()
