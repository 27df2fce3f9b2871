"""Circuits that the soak found, reduced: Verilog that a simulator refused once."""

from __future__ import annotations

from pathlib import PurePosixPath

from flow.backends.verilog import emit_verilog
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Compare, Input


def test_a_comparison_of_a_value_with_itself_is_a_constant():
    """Verilator warns of it, and a warning ends the build."""
    x = Input("x", 0, 0, 3)
    lanes = tuple(Compare(x, x, relation) for relation in ("lt", "le", "eq", "ne"))
    emission = emit_verilog(Circuit("same", (Port("x", (x,)),), (Port("y", lanes),)))
    text = emission.files[PurePosixPath("rtl/same.v")]
    lines = [line.split("=")[1].split(";")[0].strip() for line in text.splitlines() if " wire " in
             f" {line}" and "=" in line and "y" not in line.split("=")[0]]  # fmt: skip
    assert [line for line in lines if line.startswith("1'd")] == ["1'd0", "1'd1", "1'd1", "1'd0"]
