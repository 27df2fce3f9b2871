"""Targets: what they are made of, and a tiny model built for each of them with real tools."""

import json

import pytest
from small_build import flow, write_model

from flow.errors import UsageError
from flow.pipeline.config import BuildConfig
from flow.targets.registry import TARGETS, target
from flow.tech.debian import ROOT, debian
from flow.tools import nextpnr, sta

WORDS = ("build", "model.onnx", "--data", "data.csv", "-o", "out", "--effort", "fast",
         "--weight-bits", "3", "--input-bits", "3", "--activation-bits", "3",
         "--simulator", "icarus")  # fmt: skip


def build(folder, *options):
    write_model(folder)
    done = flow(*WORDS, *options, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((folder / "out" / "report.json").read_text())
    checks = {check["check"]: check["status"] for check in report["checks"]}
    assert checks["Verilog = circuit"] == "proved"
    assert checks["netlist in Icarus Verilog"] == "passed"
    assert set(checks.values()) == {"passed", "proved"}
    return report, checks


def test_every_target_has_a_technology_that_it_can_choose():
    names = [recipe.name for recipe in TARGETS]
    assert names == ["printed", "asic", "fpga", "hls", "flash", "tulip", "lpu"]
    for recipe in TARGETS:
        chosen = recipe.choose(BuildConfig(target=recipe.name))
        assert (chosen and chosen.name) == getattr(recipe, "tech", None)
        assert recipe.summary.endswith(".")


def test_an_unknown_target_is_named_with_those_that_are():
    with pytest.raises(UsageError) as error:
        target("fgpa")
    assert error.value.message == "there is no target 'fgpa'"
    known = "printed, asic, fpga, hls, flash, tulip, lpu"
    assert error.value.hint == f"the targets are: {known}; did you mean 'fpga'?"


@pytest.mark.parametrize(
    ("name", "choices", "message"),
    [
        ("fpga", {"tech": "egfet"}, "there is no FPGA family 'egfet'"),
        (
            "fpga",
            {"voltage": 1.0},
            "--voltage is for cells of a library, the target fpga has none",
        ),
        ("asic", {"tech": "ecp5"}, "ecp5 is an FPGA family, and the target asic needs cells"),
        ("asic", {"tech": "osu"}, "there is no technology 'osu'"),
        ("asic", {"reuse": 4}, "--reuse is for projects for HLS, the target asic is a circuit"),
    ],
)
def test_a_technology_of_another_kind_is_refused(name, choices, message):
    recipe = target(name)
    with pytest.raises(UsageError) as error:
        recipe.choose(BuildConfig(target=name, **choices))
    assert error.value.message == message


@pytest.mark.slow
@pytest.mark.tool("yosys")
@pytest.mark.tool("icarus")
def test_silicon_of_open_cells_is_timed_and_measured(tmp_path):
    report, checks = build(tmp_path, "--target", "asic")
    assert checks["netlist = mapped graph"] == "proved"
    assert report["summary"]["technology"]["name"].startswith("SkyWater SKY130, 130 nm")
    assert report["area"]["nand2"] == pytest.approx(report["area"]["um2"] / 3.7536)
    timer = report["timing"]["tool"]
    assert timer == sta.version() if sta.available() else timer.startswith("ABC ")
    assert "fpga" not in report
    assert report["sources"] == []


@pytest.mark.slow
@pytest.mark.tool("yosys")
@pytest.mark.tool("icarus")
def test_silicon_of_debian_cells_is_pipelined(tmp_path):
    if not (ROOT / debian("osu018").file).is_file():
        pytest.skip("not checked: qflow-tech-osu018 is not installed")
    report, _ = build(tmp_path, "--target", "asic", "--tech", "osu018", "--stages", "1")
    cells = {cell["name"]: cell["count"] for cell in report["area"]["cells"]}
    assert cells["DFFPOSX1"] > 0
    assert report["latency"] == {"cycles": 1, "interval": 1}


@pytest.mark.slow
@pytest.mark.tool("yosys")
@pytest.mark.tool("icarus")
@pytest.mark.parametrize("family", ["xilinx", "ecp5", "ice40"])
def test_look_up_tables_are_counted_proved_and_routed_where_possible(family, tmp_path):
    report, checks = build(tmp_path, "--target", "fpga", "--tech", family, "--passes", "adders")
    assert checks["netlist = circuit"] == "proved"
    fpga = report["fpga"]
    assert fpga["luts"] > 0
    assert (fpga["flipflops"], fpga["dsps"]) == (0, 0)
    assert fpga["counted_by"].startswith("Yosys, synth_")
    assert fpga["estimate_ns"] > 0
    assert (report["area"], report["power"], report["timing"]) == (None, None, None)
    if family == "xilinx":
        assert fpga["fmax_mhz"] is None
        assert fpga["route"].startswith("not measured: ")
    elif nextpnr.installed(f"nextpnr-{family}"):
        assert fpga["fmax_mhz"] > 10
        assert fpga["route"].startswith(f"nextpnr-{family} in ")
    verified = flow("verify", "out", cwd=tmp_path)
    assert verified.returncode == 0, verified.stdout
