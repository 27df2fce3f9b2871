"""A build that shares its arithmetic over steps: every check holds, and the folder opens again."""

import json
import re

import pytest
from small_build import flow, write_model

pytestmark = [pytest.mark.tool("yosys"), pytest.mark.tool("icarus")]


def build(folder, *options):
    write_model(folder)
    return flow(
        "build", "model.onnx", "--data", "data.csv", "-o", "out", "--weight-bits", "3",
        "--activation-bits", "4", "--input-bits", "4", "--target", "fpga", "--tech", "ecp5",
        "--simulator", "none", *options, cwd=folder,
    )  # fmt: skip


def test_a_folded_circuit_is_proved_part_by_part_and_verified_again(tmp_path):
    done = build(tmp_path, "--ii", "3", "--axis")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["latency"] == {"cycles": 7, "interval": 3}
    # What the steps share is counted once, for the layer whose sums it computes.
    assert all(row["adders"] > 0 for row in report["layers"] if row["weights"])
    states = {check["check"]: check["status"] for check in report["checks"]}
    open_check = "netlist = circuit"
    assert states.pop(open_check) == "not checked"
    assert set(states.values()) == {"passed", "proved"}
    parts = ("entry", "element0", "between0", "element1", "between1")
    assert "pass fold over 3 steps" in states
    assert states.keys() >= {f"Verilog = circuit, {part}" for part in parts}
    # Simulates what the build did not: the Verilog, the wrapper and the netlist.
    again = flow("verify", "out", "--json", cwd=tmp_path)
    assert again.returncode == 0
    checks = ("simulation with Icarus Verilog", "cocotb test of the AXI4-Stream wrapper",
              "netlist in Icarus Verilog")  # fmt: skip
    assert all(check in again.stdout for check in checks)
    assert "failed" not in again.stdout


def test_a_limit_of_look_up_tables_that_nothing_keeps_is_refused(tmp_path):
    done = build(tmp_path, "--max-luts", "5")
    assert done.returncode == 2
    first, hint = done.stderr.splitlines()
    assert first == "error: no number of steps keeps --max-luts 5"
    assert re.fullmatch(
        r"  hint: \d+ of them need \d+, the fewest by the estimate; fewer bits need less", hint
    )
