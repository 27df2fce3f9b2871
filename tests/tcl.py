"""Runs Tcl scripts of vendors' tools in tclsh with stubs: what was called, and nothing unknown."""

from __future__ import annotations

import subprocess
from pathlib import Path

from programs import found

VIVADO = (
    "read_verilog", "read_xdc", "synth_design", "opt_design", "place_design", "route_design",
    "report_utilization", "report_timing_summary", "report_power", "write_checkpoint",
)  # fmt: skip
CONSTRAINTS = (
    "create_clock", "set_clock_uncertainty", "set_input_delay", "set_output_delay",
    "get_ports", "get_clocks",
)  # fmt: skip


def calls(script: Path, commands: tuple[str, ...], *arguments: str) -> list[str]:
    """Every call of `commands` in order, a Tcl list each; other unknown commands are an error.

    Runs in the folder above that of the script. A call answers with its last argument, as the
    `get_` commands do.
    """
    program = found("tclsh", "tclsh")
    stubs = [
        f'proc {name} args {{puts "{name} $args"; return [lindex $args end]}}' for name in commands
    ]
    text = "\n".join(
        [*stubs, f"set argv [list {' '.join(arguments)}]", f"set argc {len(arguments)}",
         f"source {script.parent.name}/{script.name}"]
    )  # fmt: skip
    done = subprocess.run(
        [program], input=text, cwd=script.parent.parent, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()
