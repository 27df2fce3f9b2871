"""Runs the cocotb test of the chip: python tb/run.py [BUILD_FOLDER].

The variable SIM chooses the simulator: icarus by default, or verilator, which a chip of more than a
few thousand weights needs. Needs cocotb 2 and the simulator.
"""

import os
import shutil
import sys
from pathlib import Path

from cocotb_tools.check_results import get_results
from named_signals import chosen

HERE = Path(__file__).resolve().parent
# Without its graph of data flow, Verilator keeps equal cells of different arrays one function.
MORE = ("-fno-dfg", "--output-split", "0")


def main() -> int:
    """0 where every test passed, else 1."""
    build = Path(sys.argv[1] if len(sys.argv) > 1 else HERE / "sim_build").resolve()
    simulator = os.environ.get("SIM", "icarus")
    runner, control, arguments = chosen(simulator, build, [("chip", "*")], MORE)
    runner.build(
        sources=[*control, *sorted((HERE.parent / "rtl").glob("*.v"))],
        hdl_toplevel="chip",
        build_dir=build,
        build_args=arguments,
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
