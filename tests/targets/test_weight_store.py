"""A tiny network whose weights are registers in three copies, or banks, built with real tools."""

import json
import re
import shutil

import pytest
from small_build import flow, write_model

from flow.backends.emission import Store
from flow.errors import UsageError
from flow.pipeline.chip import COPIES, ChipMeasures, copies_verdict, measure_chip, register_bits
from flow.pipeline.config import BuildConfig, check_config
from flow.pipeline.reopening import foreign, reopen
from flow.pipeline.verifying_store import verify_store
from flow.tech.registry import load
from flow.verify.simulate import simulate_chip

WORDS = ("build", "model.onnx", "--data", "data.csv", "--target", "asic", "--effort", "fast",
         "--simulator", "icarus", "--input-bits", "3", "--weight-bits", "3",
         "--activation-bits", "3", "--passes", "plain")  # fmt: skip
TAKEN = "bank.slices[0].slice.bytes.triple.copy_c"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registers")
    write_model(folder)
    done = flow(*WORDS, "--weights", "registers", "--tmr", "all", "-o", "out", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "out"


@pytest.mark.slow
@pytest.mark.tool("yosys")
@pytest.mark.tool("icarus")
def test_every_check_of_the_chip_holds(built):
    report = json.loads((built / "report.json").read_text())
    checks = {check["check"]: check for check in report["checks"]}
    assert {check["status"] for check in checks.values()} == {"proved", "passed"}
    assert checks["cocotb test of the chip with icarus"]["detail"] == "56 samples, 4 tests"
    assert checks["cocotb test of the chip's netlist with icarus"]["status"] == "passed"
    assert checks["Verilog = circuit"]["status"] == "proved"
    said = checks["copies of registers in the netlist"]["detail"]
    # 73 bits of weights are 10 bytes of 9 bits; the port has 47, two counters 32.
    assert said == "507 flip-flops, 169 bits of them in three copies"
    assert any(note.startswith("chip: ") and "circuit takes" in note for note in report["notes"])
    assert "--weights registers --tmr all" in report["summary"]["command"]


@pytest.mark.slow
@pytest.mark.tool("verilator")
def test_verilator_runs_the_bench_of_the_chip_and_sees_an_upset_that_no_vote_repairs(
    built, tmp_path
):
    verdict = simulate_chip(built, 10, "verilator")
    assert (verdict.check, verdict.status) == ("cocotb test of the chip with verilator", "passed")
    assert verdict.detail == "56 samples, 4 tests"
    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    vote = copy / "rtl" / "majority.v"
    vote.write_text(re.sub(r"assign y = .*;", "assign y = a;", vote.read_text()))
    assert simulate_chip(copy, 10, "verilator").status == "failed"


@pytest.mark.slow
def test_the_files_name_the_chip_where_they_should(built):
    config = json.loads((built / "synth/librelane/config.json").read_text())
    assert (config["DESIGN_NAME"], config["CLOCK_PORT"]) == ("model_chip", "clk")
    assert config["VERILOG_FILES"][-1] == "dir::../../rtl/model_chip.v"
    assert "create_clock -name clk" in (built / "constraints/model_chip.sdc").read_text()
    layout = json.loads((built / "vectors/layout.json").read_text())
    assert layout["store"] == {
        "top": "model_chip", "port": "x1", "bits": 73, "tmr_weights": True, "tmr_control": True,
        "bank": 64, "address": 0x42, "bytes": 10, "counters": 2, "first_counter": 0,
    }  # fmt: skip


@pytest.mark.slow
def test_its_benches_run_again_only_as_flow_wrote_them(built, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    assert foreign(reopen(copy), 1) is None
    bench = copy / "tb" / "chip_bench.py"
    bench.write_text(bench.read_text() + "\n")
    assert foreign(reopen(copy), 1) == (
        "tb/chip_bench.py is not what flow writes, and it is a program"
    )


@pytest.mark.slow
@pytest.mark.tool("yosys")
@pytest.mark.parametrize("changed", [False, True])
def test_the_netlist_of_a_chip_is_proved_module_by_module(built, tmp_path, changed):
    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    emission = reopen(copy).emission
    if changed:
        netlist = copy / "netlist" / "model_chip.v"
        head, name, slices = netlist.read_text().partition("module weight_slice_80")
        slices, count = re.subn(r"(__nor2_1 \S+ \(\s*\.A\()[^)]*\)", r"\g<1>1'b0)", slices, count=1)
        assert count == 1
        netlist.write_text(head + name + slices)
    found = verify_store(reopen(copy), emission.store, load("sky130"), 100, 1)
    assert [(verdict.check, verdict.status) for verdict in found] == [
        ("copies of registers in the netlist", "passed"),
        ("netlist = Verilog, slices of 10 bytes", "disproved" if changed else "proved"),
        ("netlist = Verilog, around slices and circuit", "proved"),
    ]


@pytest.mark.slow
@pytest.mark.tool("yosys")
@pytest.mark.parametrize("tmr", ["none", "control"])
def test_the_netlist_of_bytes_held_once_is_proved_too(tmp_path, tmr):
    write_model(tmp_path)
    words = [word if word != "icarus" else "none" for word in WORDS]
    done = flow(*words, "--weights", "registers", "--tmr", tmr, "-o", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    design = reopen(tmp_path / "out")
    found = verify_store(design, design.emission.store, load("sky130"), 100, 1)
    assert [(verdict.check, verdict.status) for verdict in found] == [
        ("copies of registers in the netlist", "passed"),
        ("netlist = Verilog, slices of 10 bytes", "proved"),
        ("netlist = Verilog, around slices and circuit", "proved"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "text", "check", "detail"),
    [
        ("json", "{}", "copies of registers in the netlist",
         "not a netlist of Yosys: 'modules'"),
        ("v", None, "the chip's netlist", "it cannot be read: FileNotFoundError"),
    ],
)  # fmt: skip
def test_a_netlist_of_a_chip_that_is_no_netlist_fails(built, tmp_path, file, text, check, detail):
    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    place = copy / "netlist" / f"model_chip.{file}"
    place.unlink() if text is None else place.write_text(text)
    design = reopen(copy)
    found = verify_store(design, design.emission.store, load("sky130"), 0.0, 1)
    assert ("failed", detail) in [(v.status, v.detail) for v in found if v.check == check]


def test_a_copy_that_synthesis_took_is_found():
    store = Store("chip", "x1", 76, tmr_weights=True, tmr_control=False)
    copies = {
        f"{path}.{copy}": bits
        for path, (bits, triple) in register_bits(store).items()
        for copy in (COPIES if triple else COPIES[:1])
    }
    whole = ChipMeasures("chip", copies, {}, 0.0, 0.0)
    assert copies_verdict(whole, store).detail == "333 flip-flops, 90 bits of them in three copies"
    merged = {path: bits for path, bits in copies.items() if path != TAKEN}
    verdict = copies_verdict(ChipMeasures("chip", merged, {}, 0.0, 0.0), store)
    assert (verdict.status, verdict.detail) == (
        "failed", f"{TAKEN} has 0 flip-flops of 90",
    )  # fmt: skip


def test_a_slice_that_is_there_twice_counts_twice():
    flop, inverter = "sky130_fd_sc_hd__dfxtp_1", "sky130_fd_sc_hd__inv_1"

    def module(attributes=(), **cells):
        return {
            "attributes": dict.fromkeys(attributes, "1"),
            "cells": {name: {"type": kind} for name, kind in cells.items()},
        }

    slices = {f"bank.slices[{k}].slice": "weight_slice_8" for k in (0, 1)}
    modules = {
        "chip": module(**slices, core="circuit", port=inverter),
        "weight_slice_8": module(**{"bytes.copy_a": "register_copy_8", "vote": inverter}),
        "register_copy_8": module(**{f"q{i}": flop for i in range(8)}),
        "circuit": module(["blackbox"]),
    }
    found = measure_chip(json.dumps({"modules": modules}), "chip", load("sky130", None))
    assert found.copies == {f"{path}.bytes.copy_a": 8 for path in slices}
    assert found.cells == {flop: 16, inverter: 3}
    assert 0 < found.flipflop_um2 < found.um2


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"weight_store": "banks=1"},
            "banks=1 takes 0 models beside the first, and --bank names 0",
        ),
        (
            {"weight_store": "banks=3"},
            "banks=3 takes 2 models beside the first, and --bank names 0",
        ),
        ({"weight_store": "banks=x"}, "--weights banks=x is unknown"),
        ({"tmr": "all"}, "--tmr all needs weights in registers"),
        ({"tmr": "some"}, "--tmr some is unknown"),
        (
            {"weight_store": "registers", "axis": True},
            "--axis has no place for weights in registers",
        ),
    ],
)  # fmt: skip
def test_choices_that_make_no_sense_are_refused(choices, message):
    with pytest.raises(UsageError) as error:
        check_config(BuildConfig(**choices))
    assert error.value.message == message


@pytest.mark.slow
def test_a_target_that_cannot_hold_weights_says_so(tmp_path):
    write_model(tmp_path)
    done = flow(
        "build", "model.onnx", "--data", "data.csv", "--weights", "registers", "-o", "out",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        "error: the target printed cannot hold weights in registers\n  hint: --target asic can\n"
    )
