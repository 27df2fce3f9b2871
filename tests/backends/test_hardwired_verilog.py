"""An array of hardwired neurons as Verilog: Icarus gives the dot products; a re-spin is wires."""

import re

import numpy as np
import pytest

from flow.backends.hardwired import ARRAY, NEURON, WIRES, array_files, read_wires, wire_lines
from flow.errors import ToolFailed
from flow.frontend.language.codes import VALUES
from flow.mapping.hardwired.embedding import base_for, embed, unwired
from flow.tools import icarus

INPUTS, NEURONS, BITS = 20, 5, 8
BENCH = """module bench;
    reg clk = 0, first = 0, last = 0;
    reg [{inputs}-1:0] planes [0:{planes}-1];
    reg [{inputs}-1:0] x;
    wire [{outputs}-1:0] y;
    integer i;
    array dut (.clk(clk), .x(x), .first(first), .last(last), .y(y));
    initial begin
        $readmemb("planes.txt", planes);
        for (i = 0; i < {planes}; i = i + 1) begin
            x = planes[i]; first = i % {bits} == 0; last = i % {bits} == {bits} - 1;
            #1 if (last) $display("%b", y);
            clk = 1; #1 clk = 0;
        end
        $finish;
    end
endmodule
"""


def weights(seed):
    return np.random.default_rng(seed).choice(VALUES["fp4"], (NEURONS, INPUTS)).astype(np.int8)


def texts(wiring):
    return {name: "".join(lines) for name, lines in array_files(wiring, INPUTS).items()}


@pytest.fixture(scope="module")
def base():
    """Room for both sets of weights."""
    return base_for(np.concatenate([weights(0), weights(1)]), BITS)


def test_other_weights_change_the_wires_only(base):
    first, second = (texts(embed(weights(seed), base)) for seed in (0, 1))
    assert list(first) == [NEURON, ARRAY, WIRES]
    assert [name for name in first if first[name] != second[name]] == [WIRES]
    assert texts(embed(weights(0), base)) == first


@pytest.mark.tool("icarus")
def test_the_array_gives_every_dot_product(base, tmp_path):
    w = weights(0)
    for name, text in texts(embed(w, base)).items():
        (tmp_path / name).write_text(text)
    x = np.random.default_rng(3).integers(-128, 128, (12, INPUTS))
    x[0], x[1] = -128, 127
    planes = [
        "".join(str(value >> k & 1) for value in reversed(row.tolist()))
        for row in x
        for k in range(BITS)
    ]
    (tmp_path / "planes.txt").write_text("\n".join(planes))
    word = BITS - 1 + base.width + 2
    bench = BENCH.format(inputs=INPUTS, planes=len(planes), outputs=NEURONS * word, bits=BITS)
    (tmp_path / "bench.v").write_text(bench)
    files = ["bench.v", NEURON, ARRAY, WIRES]
    log = icarus.compile_verilog(files, "bench", "bench.vvp", cwd=tmp_path).log
    assert "error" not in log
    said = icarus.simulate("bench.vvp", cwd=tmp_path).log.split()
    rows = [line for line in said if set(line) <= set("01") and len(line) == NEURONS * word]
    found = []
    for line in rows:
        parts = [line[i : i + word] for i in range(0, len(line), word)][::-1]
        found.append([int(p, 2) - (int(p[0]) << word) for p in parts])
    assert found == (x @ w.T).tolist()


def test_wires_are_read_back_as_weights_and_constants(base):
    w = weights(0)
    text = "".join(wire_lines(embed(w, base), INPUTS))
    found, biases = unwired(read_wires(text, base, INPUTS), INPUTS)
    assert (found.tolist(), biases.tolist()) == (w.tolist(), [0] * NEURONS)
    for old, new, message in (
        ("x[0]", "y[0]", "a port is fed by 'y[0]'"),
        ("first,", "x[0],", "a constant is fed by neither `first` nor 0"),
        ("1'b0,", "", "the wires"),
        ("p[", "q[", "the wires p["),
    ):
        body = text[text.index("assign") :]
        with pytest.raises(ToolFailed, match="^" + re.escape(message)):
            read_wires("    " + body.replace(old, new, 1), base, INPUTS)
