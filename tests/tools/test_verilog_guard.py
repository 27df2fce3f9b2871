"""Verilog that would have Yosys run C functions or read other files is refused before Yosys."""

import pytest

from flow.errors import UsageError
from flow.frontend.circuits.read import read_circuit
from flow.pipeline.reopening import TASKS, _task
from flow.tools.yosys import yosys

C_CALL = """module t(input a, output y);
import "DPI-C" function chandle calloc(integer n, integer m);
import "DPI-C" function chandle memset(chandle p, integer v, integer n);
import "DPI-C" function integer mkdir(chandle p, integer m);
localparam [63:0] p = calloc(16, 1);
localparam [63:0] q = memset(p, 67, 3);
localparam r = mkdir(q, 511);
assign y = a ^ r[0];
endmodule
"""
"""Makes the folder CCC where Yosys reads it."""
TOP = "module t(input a, output y);\n{}\nassign y = a;\nendmodule\n"


def test_no_script_reads_verilog_that_calls_c(tmp_path):
    (tmp_path / "t.v").write_text(C_CALL)
    with pytest.raises(UsageError) as caught:
        yosys(["read_verilog -sv t.v", "hierarchy -auto-top"], cwd=tmp_path)
    assert caught.value.show() == (
        "error: the Verilog holds 'DPI', which could run programs or read other files\n"
        "  at t.v:2\n"
        "  hint: a circuit does not need it; take it out, also of comments"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["t.v"]


@pytest.mark.parametrize(
    "line", ["read_verilog t.v", 'read_verilog -lib "t.v"', " read_verilog  t.v "]
)
def test_every_form_of_the_command_is_looked_at(tmp_path, line):
    (tmp_path / "t.v").write_text(C_CALL.replace("import", "im``port").replace("DPI", "D"))
    with pytest.raises(UsageError, match="holds '``'"):
        yosys(line, cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (C_CALL, "DPI"),
        (TOP.format('`include "/etc/passwd"'), "`include"),
        (TOP.format('reg m [0:3]; initial $readmemh("/etc/hostname", m);'), "$readmem"),
        (TOP.format('integer f; initial f = $fopen("canary", "w");'), "$fopen"),
    ],
    ids=["c", "include", "memory", "file"],
)
def test_a_circuit_of_the_user_reads_no_other_file(tmp_path, text, word):
    (tmp_path / "t.v").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_circuit(tmp_path / "t.v")
    assert caught.value.message == (
        f"the Verilog holds {word!r}, which could run programs or read other files"
    )


@pytest.mark.tool("yosys")
def test_macros_that_explode_end_at_the_limit_of_memory(tmp_path):
    steps = [f"`define a{k + 1} `a{k}" + f"+`a{k}" * 9 for k in range(7)]
    text = "\n".join(["`define a0 1" + "+1" * 9, *steps, TOP.format("wire z = `a7 > a;")])
    (tmp_path / "t.v").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_circuit(tmp_path / "t.v")
    assert caught.value.message.startswith("Yosys cannot read it within 900 MiB and 7 s of ")


@pytest.mark.parametrize(
    "text",
    [
        'parameter A = "/*"; initial $system("x"); // "*/"',
        'wire \\a/* ; initial $system("x"); wire \\b*/ ;',
        'parameter A = "//"; initial $system("x");',
    ],
)
def test_what_looks_like_a_comment_hides_no_call(text):
    assert _task(text, TASKS) == "$system"


def test_a_call_in_a_comment_is_none():
    assert _task('/* $a */ assign y = a; // $b "\n`default_nettype none\n', TASKS) is None
