"""Area, delay, or their product: what is tried, what wins, and where it is recorded."""

import json
from math import inf

import pytest
from designs_mapped import EGFET, network
from small_build import QUICK, flow, write_model

from flow.analysis.timing import timing_of
from flow.errors import UsageError
from flow.pipeline.choosing import candidates, least_gates, read_trials, trials_text
from flow.pipeline.config import BuildConfig, check_config
from flow.pipeline.folder import read_manifest
from flow.pipeline.points import Point, cost, point_text
from flow.pipeline.state import Trial
from flow.pipeline.synthesis import has_buffer, synthesise
from flow.pipeline.variants import EFFORTS, SPEED, without_buffers
from flow.targets.printed import PRINTED
from flow.tech.registry import load


def test_each_objective_has_its_own_cost():
    point, open_ = Point("a", 20.0, 3.0), Point("b", 10.0)
    assert cost(point, "area") == (20.0, 0.0)
    assert cost(point, "delay") == (3.0, 20.0)
    assert cost(point, "balanced") == (60.0, 20.0)
    assert cost(open_, "area") == (10.0, 0.0)
    assert cost(open_, "balanced") == (inf, 10.0)
    assert point_text(point, "um2") == "a: 20 um2, 3 ns"
    assert point_text(open_, "look-up tables") == "b: 10 look-up tables"


def test_the_objective_and_the_effort_choose_the_pipelines_to_try():
    def names(**choices):
        return candidates(BuildConfig(**choices), PRINTED)

    usual = ("heaps", "shared-trees", "adders", "compressed")
    assert names(effort="fast") == ("heaps",)
    assert names() == usual
    assert names(effort="high") == (*usual, "searched")
    assert names(objective="delay") == ("shared-trees", "trees", "heaps")
    assert names(objective="balanced", effort="fast") == ("shared-trees", "trees", "heaps")
    assert names(objective="delay", passes="plain") == ("plain",)


def test_trials_are_read_as_they_were_written():
    trials = (Trial("heaps", (Point("a", 1.5, 2.0), Point("b", 3.0))), Trial("trees", ()))
    assert read_trials(trials_text("heaps", trials)) == ("heaps", trials)
    assert read_trials(trials_text("adders", ())) == ("adders", ())


def test_few_gates_are_promised_where_sums_are_shared():
    assert least_gates(network()) == 0


def test_a_library_without_a_buffer_has_scripts_that_size_nothing():
    assert (has_buffer(EGFET), has_buffer(load("generic_cmos"))) == (False, True)
    assert SPEED.commands[-1] == ("strash; dch -f; map -B 0.9; topo; buffer -c; upsize; dnsize")
    assert without_buffers(SPEED).commands[-1] == "strash; dch -f; map -B 0.9; topo"


@pytest.mark.tool("abc")
def test_each_objective_wins_by_its_own_measure(tmp_path):
    found = {}
    for objective in EFFORTS:
        folder = tmp_path / objective
        folder.mkdir()
        made = synthesise(network(), EGFET, folder, objective=objective, effort="fast")
        point = next(p for p in made.points if p.script == made.variant)
        assert cost(point, objective) == min(cost(p, objective) for p in made.points)
        assert timing_of(made.netlist, EGFET).delay_ns == point.delay_ns
        found[objective] = point
    assert found["delay"].delay_ns < found["area"].delay_ns
    assert found["area"].size < found["delay"].size
    products = {name: cost(point, "balanced")[0] for name, point in found.items()}
    assert products["balanced"] == min(products.values())


@pytest.mark.tool("yosys")
def test_a_build_for_delay_is_proved_and_says_what_it_was_for(tmp_path):
    model, data = write_model(tmp_path)
    (tmp_path / "flow.toml").write_text('objective = "delay"\npasses = "shared-trees"\n')
    out = tmp_path / "out"
    done = flow("build", model, "--data", data, "--config", tmp_path / "flow.toml", *QUICK,
                "--effort", "fast", "-o", out)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "least delay, effort fast; 4 tried" in done.stdout
    report = json.loads((out / "report.json").read_text())
    tuning = report["tuning"]
    assert (tuning["objective"], tuning["effort"], tuning["unit"]) == ("delay", "fast", "um2")
    assert [(t["passes"], t["script"]) for t in tuning["tried"]] == [
        ("shared-trees", name) for name in ("plain", "speed", "prefix-plain", "prefix-speed")
    ]
    best = min(tuning["tried"], key=lambda t: (t["delay_ns"], t["size"]))
    assert [t for t in tuning["tried"] if t["chosen"]] == [best]
    choices = read_manifest(out)["choices"]
    assert (choices["objective"], choices["effort"]) == ("delay", "fast")
    states = {c["check"]: c["status"] for c in report["checks"]}
    assert states["circuit = graph"] == "proved"


@pytest.mark.parametrize(
    ("choices", "message", "hint"),
    [
        ({"objective": "power"}, "--objective power is unknown", "one of area, delay, balanced"),
        ({"effort": "heroic"}, "--effort heroic is unknown", "one of fast, normal, high"),
    ],
)
def test_an_unknown_objective_or_effort_is_refused(choices, message, hint):
    with pytest.raises(UsageError) as caught:
        check_config(BuildConfig(**choices))
    assert (caught.value.message, caught.value.hint) == (message, hint)
