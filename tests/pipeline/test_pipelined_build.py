"""Pipelined builds: registers become flip-flops, every check holds, the period is kept."""

from __future__ import annotations

import json
import math
import re

import pytest
from small_build import flow, write_model

from flow.errors import UsageError
from flow.pipeline.period import fewest_stages
from flow.tech.registry import load

pytestmark = [pytest.mark.tool("yosys"), pytest.mark.tool("icarus")]
LINKS = {"Verilog = circuit", "netlist = mapped graph", "netlist in Icarus Verilog"}


def built(folder, *options):
    write_model(folder)
    words = ("build", "model.onnx", "--data", "data.csv", "-o", "out", "--simulator", "icarus",
             "--effort", "fast", "--weight-bits", "4")  # fmt: skip
    done = flow(*words, *options, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads((folder / "out" / "report.json").read_text())


def require_whole(report, but=()):
    """Every check holds `but` these, and the layers add up to the totals."""
    states = {c["check"]: c["status"] for c in report["checks"] if c["check"] not in but}
    assert set(states) >= LINKS
    assert set(states.values()) == {"passed", "proved"}
    cells = {cell["name"]: cell for cell in report["area"]["cells"]}
    assert sum(row["cells"] for row in report["layers"]) == sum(c["count"] for c in cells.values())
    area = math.fsum(row["area_um2"] for row in report["layers"])
    assert area == pytest.approx(report["area"]["um2"], rel=1e-9)
    power = math.fsum(row["power_mw"] for row in report["layers"])
    total = report["power"]["leakage_mw"] + report["power"]["switching_mw"]
    assert power == pytest.approx(total, rel=1e-9)
    return cells


@pytest.mark.parametrize(
    ("technology", "handshake"), [("egfet", True), ("egfet", False), ("cnt_tft", True)]
)
def test_registers_are_flip_flops_of_the_technology(tmp_path, technology, handshake):
    options = () if handshake else ("--no-handshake",)
    report = built(tmp_path, "--stages", "3", "--tech", technology, *options)
    cells = require_whole(report)
    flipflops = {c.name for c in load(technology).flipflops} & set(cells)
    assert flipflops == {"DFFX1"}
    assert cells["DFFX1"]["area_um2"] == pytest.approx(
        cells["DFFX1"]["count"] * load(technology).cell("DFFX1").area
    )
    assert report["latency"] == {"cycles": 3, "interval": 1}
    ports = (tmp_path / "out" / "rtl").glob("*.v")
    assert ("in_valid" in next(ports).read_text()) == handshake
    (pipelined,) = (c for c in report["checks"] if c["check"].endswith("pipeline{stages=3}"))
    assert pipelined["status"] == "proved"


def test_a_period_is_kept_by_the_mapped_netlist(tmp_path):
    report = built(tmp_path, "--period", "120e6")
    require_whole(report)
    timing = next(check for check in report["checks"] if check["check"] == "timing")
    delay = report["timing"]["delay"]
    assert report["timing"]["unit"] == "ms"
    assert delay <= 120
    assert timing["status"] == "passed"
    assert timing["detail"] == (
        f"the critical path of {delay:.4g} ms is within the period of 120 ms; "
        "set-up times and wires count nothing"
    )
    assert report["power"]["clock_period"] == 120


def test_an_interval_that_is_too_short_is_said_to_fail(tmp_path):
    report = built(tmp_path, "--interval", "5")
    timing = next(check for check in report["checks"] if check["check"] == "timing")
    assert timing["status"] == "failed"
    assert " ms is longer than the interval of 5 ms; " in timing["detail"]


def test_buffers_and_drives_for_an_interval_are_proved_and_told(tmp_path):
    report = built(tmp_path, "--target", "asic", "--interval", "1e-6")
    cells = require_whole(report, but=("timing",))
    states = {check["check"]: check["status"] for check in report["checks"]}
    assert states["timing"] == "failed"  # A nanosecond is out of reach.
    (note,) = (note for note in report["notes"] if note.startswith("drives: "))
    before, after = map(float, re.findall(r"([0-9.]+) ns", note))
    assert before > after == pytest.approx(report["timing"]["delay"], rel=2e-3)
    small = {cell for cell in cells if cell.endswith("_1")}
    larger = sum(cells[name]["count"] for name in set(cells) - small)
    assert larger > 0


def test_a_period_that_no_pipeline_keeps_is_refused(tmp_path):
    write_model(tmp_path)
    words = ("build", "model.onnx", "--data", "data.csv", "-o", "out", "--period", "5e6")
    done = flow(*words, "--effort", "fast", "--weight-bits", "2", cwd=tmp_path)
    assert done.returncode == 2
    first, hint = done.stderr.splitlines()
    assert first == "error: no pipeline in egfet keeps a period of 5 ms"
    assert hint.startswith("  hint: with ")
    assert "give at least --period " in hint
    assert not (tmp_path / "out").exists()


def test_passes_that_leave_more_than_verilog_has_are_refused(tmp_path):
    write_model(tmp_path)
    words = ("build", "model.onnx", "--data", "data.csv", "-o", "out", "--passes", "simplify")
    done = flow(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "error: the passes 'simplify' leave operations that Verilog has no word for: linear\n"
        "  hint: end with adders, plain, bespoke or compressed, or with expand-linear\n",
    )


@pytest.mark.parametrize(
    ("delays", "period", "stages"),
    [
        ([9.0], 10.0, 1),
        ([30.0, 16.0, 11.0, 8.0], 10.0, 4),
        ([30.0, 9.0, 8.0, 7.0], 10.0, 2),
        ([30.0, 16.0, 12.0, 12.0, 11.0, 9.0], 10.0, 6),
    ],
)
def test_the_fewest_stages_are_found(delays, period, stages):
    assert fewest_stages(lambda n: delays[min(n, len(delays)) - 1], period) == stages


def test_the_search_ends_where_more_stages_do_not_help():
    tried = []

    def measured(stages):
        tried.append(stages)
        return 30.0 / min(stages, 2)

    with pytest.raises(Exception) as caught:  # noqa: PT011
        fewest_stages(measured, 10.0)
    assert (type(caught.value).__name__, caught.value.stages) == ("_TooShort", 3)
    assert tried == [1, 3, 5, 8]
    assert not isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    ("factor", "answer", "maps"),
    [(1.25, 15, [15]), (1.5, 18, [15, 18]), (0.5, 6, [15, 6]), (0.93, 12, [15, 12, 11])],
)
def test_an_estimate_spares_maps_that_are_sure_to_fail_or_to_do(factor, answer, maps):
    """Real delays are `factor` times the estimate but for the last case, where 11 is too slow."""
    tried = []

    def measured(stages):
        tried.append(stages)
        return 10.5 if (factor, stages) == (0.93, 11) else factor * 120.0 / stages

    assert fewest_stages(measured, 10.0, lambda n: 120.0 / n) == answer
    assert tried == maps
