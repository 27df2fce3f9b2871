"""OpenSTA: what it prints is read, and what it cannot read is reported."""

import pytest

from flow.errors import ToolFailed
from flow.tools import sta

REPORT = """\
Startpoint: f1 (rising edge-triggered flip-flop clocked by clk)
Endpoint: f2 (rising edge-triggered flip-flop clocked by clk)
Path Group: clk
Path Type: max

Fanout        Slew       Delay        Time   Description
---------------------------------------------------------------------------------
         0.000000    0.000000    0.000000   clock clk (rise edge)
                     0.000000    0.000000   clock network delay (ideal)
         0.000000    0.000000    0.000000 ^ f1/CLK (DFFPOSX1)
         0.081000    0.210000    0.210000 v f1/Q (DFFPOSX1)
    2                                       n1 (net)
         0.050000    0.090000    0.300000 ^ u1/Y (INVX1)
    1                                       n2 (net)
         0.050000    0.000000    0.300000 ^ f2/D (DFFPOSX1)
                                 0.300000   data arrival time

         0.000000   10.000000   10.000000   clock clk (rise edge)
                     0.000000   10.000000 ^ f2/CLK (DFFPOSX1)
                    -0.125000    9.875000   library setup time
                                 9.875000   data required time
---------------------------------------------------------------------------------
                                 9.875000   data required time
                                -0.300000   data arrival time
---------------------------------------------------------------------------------
                                 9.575000   slack (MET)
"""


def test_a_path_between_flip_flops_is_read():
    assert sta.read_path(REPORT) == sta.Worst(
        "f1",
        "f2",
        (
            sta.Point("f1", "Q", "DFFPOSX1", "n1", "fall", 0.21),
            sta.Point("u1", "Y", "INVX1", "n2", "rise", 0.3),
        ),
        0.3,
        0.125,
        9.575,
    )


def test_no_path_is_no_failure():
    assert sta.read_path("No paths found.\n") is None


def test_what_is_no_report_fails():
    with pytest.raises(ToolFailed) as error:
        sta.read_path("Warning: nothing\n")
    assert error.value.message == "OpenSTA reported no path that can be read"


@pytest.mark.tool("sta")
def test_a_file_that_it_refuses_is_a_failure(tmp_path):
    if not sta.available():
        pytest.skip("not checked: OpenSTA is not installed")
    (tmp_path / "cells.lib").write_text("library (x) { }\n")
    (tmp_path / "top.v").write_text("module top (input a, output y); NONE u (.A(a)); endmodule\n")
    with pytest.raises(ToolFailed) as error:
        sta.worst_path(
            tmp_path, "cells.lib", "top.v", "other", period=1.0, clock=None, inputs=["a"]
        )
    assert error.value.message.startswith("OpenSTA ")
