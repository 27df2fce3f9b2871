"""Runs the cocotb test of the chip: python tb/run.py [BUILD_FOLDER].

The variable SIM chooses the simulator: icarus by default, or verilator, which a chip of more than a
few thousand weights needs. Needs cocotb 2 and the simulator.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import Verilator, VerilatorControlFile, get_runner

HERE = Path(__file__).resolve().parent
ARGUMENTS = {
    "icarus": ["-g2005"],
    # Without its graph of data flow, equal cells of different arrays stay one function. The
    # makefile of the wheel does not say how a precompiled header is named.
    "verilator": [
        "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-timing", "-fno-dfg",
        "--output-split", "0", "-Wno-fatal", "-Wno-lint",
    ],
}  # fmt: skip
MAKE = "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1 CFG_CXXFLAGS_PCH_I=-include"
PORTS = '`verilator_config\npublic_flat_rw -module "chip" -var "*"\n'


class PortsOnly(Verilator):
    """Verilator as cocotb runs it, but for the nets inside the chip: the test sees ports alone."""

    def _build_command(self) -> Any:
        commands = super()._build_command()
        return [[word for word in one if word != "--public-flat-rw"] for one in commands]


def main() -> int:
    """0 where every test passed, else 1."""
    build = Path(sys.argv[1] if len(sys.argv) > 1 else HERE / "sim_build").resolve()
    simulator = os.environ.get("SIM", "icarus")
    sources: list[Any] = sorted((HERE.parent / "rtl").glob("*.v"))
    runner = get_runner(simulator)
    if simulator == "verilator":
        build.mkdir(parents=True, exist_ok=True)
        (build / "ports.vlt").write_text(PORTS)
        sources.insert(0, VerilatorControlFile(build / "ports.vlt"))
        os.environ["MAKEFLAGS"] = MAKE
        runner = PortsOnly()
    runner.build(
        sources=sources,
        hdl_toplevel="chip",
        build_dir=build,
        build_args=ARGUMENTS.get(simulator, []),
        timescale=("1ns", "1ps"),
    )
    # The tables of the chip are read from where it runs.
    shutil.copytree(HERE.parent / "mem", build / "mem", dirs_exist_ok=True)
    results = runner.test(
        hdl_toplevel="chip",
        test_module="test_chip",
        build_dir=build,
        test_dir=build,
        results_xml=str(build / "results.xml"),
        seed=1,
    )
    tests, failures = get_results(results)
    verdict = "FAIL" if failures or not tests else "PASS"
    sys.stdout.write(f"{verdict} {tests - failures} of {tests} tests\n")
    return int(failures > 0 or tests == 0)


if __name__ == "__main__":
    sys.exit(main())
