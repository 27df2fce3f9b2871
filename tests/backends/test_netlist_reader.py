"""The reader of netlists refuses what it does not know: a proof of what it skips would be none."""

import pytest

from flow.backends.netlist_text import read_verilog_netlist
from flow.errors import ToolFailed
from flow.tech.registry import load

TEXT = """module top (
    input  wire a,
    output wire [1:0] y
);
    wire n1;
    INVX1 u1 (.A(a), .Y(n1));
    assign y[0] = n1;
    assign y[1] = a;
endmodule
"""


def test_a_netlist_is_read():
    netlist = read_verilog_netlist(TEXT, load("egfet"))
    assert (netlist.drivers, len(netlist.instances)) == (("n1", "a"), 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("= n1", "= ~n1", "'~' has no place in it"),
        ("= a;", "= a & n1;", "'&' has no place in it"),
        ("endmodule\n", "endmodule\nmodule more", "'module' comes after the module"),
        ("y[1] = a", "y[0] = a", "y[0] is assigned twice"),
        ("    assign y[1]", "    assign n1", "'y[1]'"),
        ("INVX1 u1 (", "INVX1 u1 #(", "'#' has no place in it"),
    ],
)
def test_what_is_no_netlist_is_refused(old, new, message):
    with pytest.raises(ToolFailed) as caught:
        read_verilog_netlist(TEXT.replace(old, new), load("egfet"))
    assert caught.value.message == f"not a structural Verilog netlist: {message}"
