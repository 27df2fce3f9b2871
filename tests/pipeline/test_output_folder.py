"""Every file of an output folder is read by the program that it is for."""

import json
import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from programs import found
from small_build import QUICK, flow, write_model
from tcl import CONSTRAINTS, VIVADO, calls

from flow.backends.netlist_text import cell_models
from flow.tech.registry import load
from flow.tech.write_liberty import time_unit
from flow.tools import icarus, verilator
from flow.tools.yosys import yosys

EGFET = load("egfet", 1.0)
LIBRELANE = """
import json, sys
from pathlib import Path
from librelane.config import Config, InvalidConfig, universal_flow_config_variables
from librelane.flows import Flow
file = Path(sys.argv[1])
known = {v.name: v for v in universal_flow_config_variables}
for step in Flow.factory.get("Classic").Steps:
    for v in step.config_vars:
        known.setdefault(v.name, v)
given = json.loads(file.read_text())
kit = {"PDK": "none", "STD_CELL_LIBRARY": "none", "PAD_CELL_LIBRARY": "none"}
ours = [v for v in known.values() if not v.pdk or v.name in kit]
try:
    config, _ = Config.load(
        [{**given, **kit}], ours, pdk="none", pdk_root=str(file.parent), scl="none", pad="none",
        design_dir=str(file.parent), _load_pdk_configs=False,
    )
    print(json.dumps({key: str(config[key]) for key in given if key != "meta"}))
except InvalidConfig as error:
    print(json.dumps({"errors": error.errors}))
"""
"""LibreLane's own loader, without the variables of a process kit, which is not here."""


@pytest.fixture(scope="module", params=["combinational", "staged"])
def built(request, tmp_path_factory):
    """Two whole builds: one without a clock, one with stages and a stream wrapper."""
    place = tmp_path_factory.mktemp(request.param)
    model, data = write_model(place)
    options = ["--stages", "2", "--axis"] if request.param == "staged" else []
    quick = [*QUICK, "--prove-limit", "0"]
    done = flow("build", model, "--data", data, *quick, *options, "-o", place / "out")
    assert (done.returncode, done.stderr) == (0, "")
    return place / "out"


@pytest.fixture
def folder(built, tmp_path):
    """A copy in which programs may leave their files."""
    return Path(shutil.copytree(built, tmp_path / "out"))


def modules(folder):
    """The circuit, and its wrapper where there is one."""
    names = ["model", "model_axis"]
    return [name for name in names if (folder / "rtl" / f"{name}.v").is_file()]


def passed(folder):
    """The last line of a plain bench that finds nothing."""
    probes = len((folder / "vectors" / "inputs.hex").read_text().split()) - 40
    assert probes > 20
    return f"PASS 40 of 40 samples, {probes} of {probes} probes"


def started(*words, cwd, **environment):
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env={**os.environ, **environment},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.tool("icarus")
def test_icarus_and_verilator_read_the_file_list(folder):
    for top in modules(folder):
        code, log = started("iverilog", "-g2005", "-Wall", "-s", top, "-o", "x.vvp", "-f",
                            "model.f", cwd=folder)  # fmt: skip
        assert (code, log) == (0, "")
        verilator.verilator(
            ["--lint-only", "-Wall", "-O0", "--top-module", top, "-f", "model.f"], folder, 120
        )


@pytest.mark.tool("icarus")
def test_the_commands_of_the_readme_simulate(folder):
    text = (folder / "README.md").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("    iverilog"))
    assert line.strip() == (
        "iverilog -g2005 -o sim.vvp -s tb_model tb/tb_model.v -f model.f && vvp -n sim.vvp"
    )
    assert started("sh", "-c", line, cwd=folder)[1].splitlines()[0] == passed(folder)
    scripts = ["tb/run.py", "tb/run_axis.py"][: len(modules(folder))]
    assert re.findall(r"^    python (\S+)", text, re.MULTILINE) == scripts
    for script in scripts:
        code, log = started(sys.executable, "-B", script, cwd=folder)
        assert (code, re.findall(r"^PASS \d of \d tests$", log, re.MULTILINE)) == (
            0, [f"PASS {(n := log.count(' PASS  '))} of {n} tests"],
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.tool("fusesoc")
@pytest.mark.parametrize("target", ["lint", "sim", "vivado"])
def test_fusesoc_runs_the_core(folder, target):
    pytest.importorskip("fusesoc", reason="not checked: fusesoc is not installed")
    # There is no Vivado here: its project is written, and not run.
    setup = ["--setup"] if target == "vivado" else []
    for k, top in enumerate(modules(folder)[: 1 if target == "sim" else 2]):
        name = target + "_axis" * k
        code, log = started(
            sys.executable, "-c", "from fusesoc.main import main; main()", "--cores-root", ".",
            "run", *setup, "--target", name, "flow:generated:model",
            cwd=folder, **verilator.environment(),
        )  # fmt: skip
        assert code == 0, log
        assert "WARNING" not in log
        work = folder / "build" / "flow_generated_model_1.0.0" / name
        if target == "sim":
            assert f"\n{passed(folder)}\n" in log
        elif target == "vivado":
            project = (work / "flow_generated_model_1.0.0.tcl").read_text()
            assert f"constraints/{top}.xdc" in project
            assert f"set_property top {top}" in project
        else:
            assert f"--top-module {top}" in (work / "flow_generated_model_1.0.0.vc").read_text()


@pytest.mark.tool("opensta")
def test_opensta_reads_library_netlist_and_constraints(folder):
    found("sta", "OpenSTA")
    text = (folder / "README.md").read_text()
    script = re.findall(r"^    ((?:read|link|report)_\w+.*)$", text, re.MULTILINE)
    assert [line.split()[0] for line in script] == [
        "read_liberty", "read_verilog", "link_design", "read_sdc", "report_checks",
    ]  # fmt: skip
    (folder / "time.tcl").write_text("\n".join([*script, "report_checks -path_delay min", ""]))
    code, log = started("sta", "-exit", "-no_splash", "time.tcl", cwd=folder)
    assert code == 0
    assert not re.findall(r".*(?:Warning|Error).*", log)
    assert "slack (MET)" in log
    # The period of 200 ms, in the unit of the library.
    assert re.search(r"^200000\.00 +200000\.00 +clock ", log, re.MULTILINE)


def test_the_constraints_count_in_the_unit_of_the_library(folder):
    from flow.tech.liberty import read_liberty

    technology = read_liberty(folder / "synth" / "cells.lib")
    unit = re.findall(r'time_unit : "1(\w+)"', (folder / "synth" / "cells.lib").read_text())
    assert [time_unit(technology)] == unit == ["us"]
    assert "\nset_units -time us\n" in (folder / "constraints" / "model.sdc").read_text()


@pytest.mark.tool("tcl")
def test_the_vendor_constraints_hold_known_commands_only(folder):
    for top in modules(folder):
        said = calls(folder / "constraints" / f"{top}.xdc", CONSTRAINTS)
        clock = {"model": "clk", "model_axis": "aclk"}[top]
        if modules(folder) == ["model"]:
            clock = "virtual_clock"
            assert said[0] == "create_clock -name virtual_clock -period 200000000"
        else:
            assert said[:2] == [
                f"get_ports {clock}",
                f"create_clock -name {clock} -period 200000000 {clock}",
            ]
        assert f"set_clock_uncertainty 4000000 {clock}" in said
        delays = [line.split()[:4] for line in said if line.startswith(("set_input", "set_outp"))]
        assert delays == [
            ["set_input_delay", "40000000", "-clock", clock],
            ["set_output_delay", "40000000", "-clock", clock],
        ]


def test_every_port_but_the_clock_is_constrained(folder):
    for top in modules(folder):
        text = (folder / "rtl" / f"{top}.v").read_text()
        ports = set(re.findall(r"^    (?:input|output) +wire (?:\[\d+:0\] )?(\w+)", text, re.M))
        for kind in ("sdc", "xdc"):
            lines = (folder / "constraints" / f"{top}.{kind}").read_text()
            named = re.findall(r"_delay .*\{ (.*) \}", lines)
            found = [name.removesuffix("[*]") for part in named for name in part.split()]
            assert sorted(found) == sorted(ports - {"clk", "aclk"})


@pytest.mark.tool("tcl")
def test_the_vivado_script_synthesises_routes_and_reports(folder):
    sources = re.findall(r"^rtl/.*", (folder / "model.f").read_text(), re.MULTILINE)
    for top in modules(folder):
        said = calls(folder / "synth" / "vivado.tcl", VIVADO, "xc7a35tcpg236-1", top)
        assert said == [
            *(f"read_verilog {source}" for source in sources),
            f"read_xdc -mode out_of_context constraints/{top}.xdc",
            f"synth_design -top {top} -part xc7a35tcpg236-1 -mode out_of_context",
            "opt_design ",
            "place_design ",
            "route_design ",
            f"report_utilization -file reports/{top}.utilization.rpt",
            f"report_timing_summary -file reports/{top}.timing.rpt",
            f"report_power -file reports/{top}.power.rpt",
            f"write_checkpoint -force reports/{top}.dcp",
        ]
    assert calls(folder / "synth" / "vivado.tcl", VIVADO)[len(sources) + 1] == (
        "synth_design -top model -part xc7a100tcsg324-1 -mode out_of_context"
    )


@pytest.mark.tool("yosys")
def test_the_yosys_script_maps_onto_the_cells_of_the_library(folder):
    yosys((folder / "synth" / "yosys.ys").read_text(), cwd=folder, timeout_s=120)
    netlist = (folder / "synth" / "model_netlist.v").read_text()
    cells = set(re.findall(r"^  cell \((\w+)\)", (folder / "synth/cells.lib").read_text(), re.M))
    used = set(re.findall(r"^  (\w+) \w+ \(", netlist, re.MULTILINE))
    ours = {cell["name"] for cell in report(folder)["area"]["cells"]}
    assert used <= cells
    assert ours <= cells
    assert ("DFFX1" in used) == ("DFFX1" in ours) == (len(modules(folder)) == 2)
    area = float(re.findall(r"Chip area.*: ([\d.]+)", (folder / "synth/area.txt").read_text())[0])
    # What the script's head and the README say of it; flip-flops are not in their figures.
    said = re.compile(r"It has (\d+) um2 .*?gives (\d+) um2, ([+-][\d.]+) %;", re.DOTALL)
    own, alone, more = said.search((folder / "synth" / "yosys.ys").read_text()).groups()
    assert said.search((folder / "README.md").read_text()).groups() == (own, alone, more)
    found = report(folder)["area"]
    flops = sum(cell["area_um2"] for cell in found["cells"] if cell["name"] == "DFFX1")
    assert float(own) == pytest.approx(found["um2"] - flops, abs=1)
    assert more == f"{100 * (float(alone) / float(own) - 1):+.1f}"
    assert area - flops == pytest.approx(float(alone), rel=0.05)


def report(folder):
    return json.loads((folder / "report.json").read_text())


@pytest.mark.tool("icarus")
def test_the_netlist_of_the_yosys_script_gives_every_result(folder):
    yosys((folder / "synth" / "yosys.ys").read_text(), cwd=folder, timeout_s=120)
    netlist = (folder / "synth" / "model_netlist.v").read_text()
    used = dict.fromkeys(re.findall(r"^ +(\w+) \S+ \($", netlist, re.MULTILINE))
    cells = [name for name in used if name in EGFET.cells]
    (folder / "synth" / "cells.v").write_text(cell_models(cells, EGFET))
    files = ["tb/tb_model.v", "synth/model_netlist.v", "synth/cells.v"]
    log = icarus.compile_verilog(files, "tb_model", "n.vvp", folder, 60).log
    assert "error" not in log
    assert passed(folder) in icarus.simulate("n.vvp", folder, 60).log


def config(folder):
    return json.loads((folder / "synth" / "librelane" / "config.json").read_text())


def test_the_librelane_configuration_has_the_documented_variables(folder):
    """Names and types as LibreLane 3.0 documents its variables."""
    clocked = len(modules(folder)) == 2
    assert config(folder) == {
        "meta": {"version": 2, "flow": "Classic"},
        "DESIGN_NAME": "model",
        "VERILOG_FILES": [
            f"dir::../../{line}"
            for line in (folder / "model.f").read_text().splitlines()
            if line.startswith("rtl/")
        ],
        "CLOCK_PORT": "clk" if clocked else None,
        "CLOCK_PERIOD": 200000000.0,
    }
    for name in config(folder)["VERILOG_FILES"]:
        assert (folder / "synth/librelane" / name.removeprefix("dir::")).resolve().is_file()


@pytest.mark.slow
@pytest.mark.tool("librelane")
def test_librelane_itself_loads_the_configuration(folder, tmp_path):
    program = shutil.which("librelane")
    if program is None:
        pytest.skip("not checked: librelane is not installed")
    python = Path(program).read_text(errors="replace").splitlines()[0].removeprefix("#!").strip()
    place = folder / "synth" / "librelane" / "config.json"
    code, log = started(python, "-c", LIBRELANE, place, cwd=tmp_path)
    assert code == 0, log
    said = json.loads(log.splitlines()[-1])
    assert Decimal(said["CLOCK_PERIOD"]) == 200000000
    assert said["DESIGN_NAME"] == "model"
    place.write_text(json.dumps(config(folder) | {"CLOCK_PERIOD": "slow", "CLOK_PORT": "clk"}))
    code, log = started(python, "-c", LIBRELANE, place, cwd=tmp_path)
    assert json.loads(log.splitlines()[-1]) == {
        "errors": [
            "Value provided for variable 'CLOCK_PERIOD' of type Decimal is invalid: 'slow'",
            "Unknown key 'CLOK_PORT' provided.",
        ]
    }


def test_the_manifest_knows_every_file(folder):
    known = json.loads((folder / "manifest.json").read_text())["files"]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(known) == there - {"manifest.json"}
    expected = {"model.f", "model.core", "synth/yosys.ys", "synth/vivado.tcl",
                "synth/librelane/config.json", "README.md"}  # fmt: skip
    expected |= {f"constraints/{top}.{kind}" for top in modules(folder) for kind in ("sdc", "xdc")}
    if len(modules(folder)) == 2:
        expected |= {"rtl/axis_skid.v", "rtl/axis_register.v", "rtl/model_axis.v",
                     "tb/run_axis.py", "tb/test_model_axis.py"}  # fmt: skip
    assert expected <= there


def test_no_file_has_a_date_or_an_absolute_path(built):
    for path in sorted(built.rglob("*")):
        if path.is_file() and path.suffix != ".npy":
            text = path.read_bytes().decode("utf-8", "replace")
            assert str(built.parent) not in text, path
            assert not re.search(r"\b20\d\d-\d\d-\d\d\b", text), path


@pytest.mark.slow
@pytest.mark.tool("opensta")
def test_opensta_reads_a_silicon_library_with_three_state_cells(tmp_path):
    found("sta", "OpenSTA")
    if not Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib").is_file():
        pytest.skip("not checked: qflow-tech-osu018 is not installed")
    model, data = write_model(tmp_path)
    words = ["--target", "asic", "--tech", "osu018", "--stages", "1", "--prove-limit", "0"]
    done = flow("build", model, "--data", data, *QUICK, *words, "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    out = tmp_path / "out"
    script = re.findall(
        r"^    ((?:read|link|report)_\w+.*)$", (out / "README.md").read_text(), re.MULTILINE
    )
    (out / "time.tcl").write_text("\n".join([*script, ""]))
    code, log = started("sta", "-exit", "-no_splash", "time.tcl", cwd=out)
    assert code == 0
    assert not re.findall(r".*(?:Error|syntax).*", log)
    assert "slack (MET)" in log
    assert config(out)["PNR_SDC_FILE"] == "dir::../../constraints/model.sdc"
