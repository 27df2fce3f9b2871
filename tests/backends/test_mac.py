"""The multiply-accumulate rival: its RTL answers as the binary layers do."""

import numpy as np
import pytest

from flow.analysis.binary_layers import Neurons, Scores, Wiring, evaluate_binary
from flow.assets import asset
from flow.backends.mac import RTL, MacShape, mac_design
from flow.errors import UnsupportedModel, UsageError
from flow.tools import icarus

BENCH = """\
`timescale 1ns/1ps
module bench;
    reg clk = 0; always #5 clk = ~clk;
    reg reset = 1, load = 0, go = 0;
    reg [15:0] address; reg [LAST:0] data;
    wire valid, done; wire [WIDE:0] sums;
    mac_top dut(.clk(clk), .reset(reset), .load(load), .address(address), .data(data), .go(go),
                .valid(valid), .sums(sums), .done(done));
    reg [LAST:0] images [0:IMAGES*WORDS-1];
    integer i, k, clocks;
    initial begin
        $readmemh("images.hex", images);
        @(negedge clk); @(negedge clk); reset = 0;
        for (i = 0; i < IMAGES; i = i + 1) begin
            for (k = 0; k < WORDS; k = k + 1) begin
                load = 1; address = k; data = images[i*WORDS+k]; @(negedge clk);
            end
            load = 0; go = 1; clocks = 0;
            while (!done) begin
                @(negedge clk); go = 0; clocks = clocks + 1;
                if (valid) $display("sums %h", sums);
            end
            $display("clocks %0d", clocks);
        end
        $finish;
    end
endmodule
"""


def dense(name, source, inputs, count, random, bias=None):
    """A random layer of neurons."""
    weights = random.choice([-1, 1], (inputs, count))
    threshold = random.integers(0, inputs + 2, count)
    wiring = Wiring((source,), np.arange(inputs))
    return Neurons(name, wiring, weights, threshold, np.full(count, inputs))


def network(random):
    """Two layers of neurons and scores, of sizes that fill no word."""
    weights = random.choice([-1, 1], (18, 5))
    one = np.ones(5, dtype=object)
    scores = Scores(
        "s", Wiring((1,), np.arange(18)), weights, np.full(5, 18), one, 0 * one, False, (5,)
    )
    return dense("a", -1, 21, 26, random), dense("b", 0, 26, 18, random), scores


@pytest.mark.tool("icarus")
@pytest.mark.parametrize("shape", [MacShape(8, 4), MacShape(16, 16), MacShape(8, 1)])
def test_the_accelerator_counts_as_the_layers_do(tmp_path, shape):
    random = np.random.default_rng(3)
    layers = network(random)
    design = mac_design(layers, 21, shape)
    images = random.integers(0, 2, (6, 21))
    for name, text in design.files.items():
        (tmp_path / name).write_text(text)
    words = -(-21 // shape.lanes)
    padded = np.pad(images, ((0, 0), (0, words * shape.lanes - 21))).reshape(-1, shape.lanes)
    rows = [f"{int(''.join(map(str, row[::-1])), 2):x}" for row in padded.tolist()]
    (tmp_path / "images.hex").write_text("\n".join(rows))
    top = design.files["mac_top.v"]
    wide = top.split("wire [")[3].split(":")[0]
    sizes = {"LAST": shape.lanes - 1, "WIDE": wide, "IMAGES": 6, "WORDS": words}
    bench = BENCH
    for name, value in sizes.items():
        bench = bench.replace(name, str(value))
    (tmp_path / "bench.v").write_text(bench)
    icarus.compile_verilog(["bench.v", "mac_top.v", *RTL], "bench", "b.vvp", tmp_path, 60)
    lines = icarus.simulate("b.vvp", tmp_path, 60).log.splitlines()
    counts = [line.split()[1] for line in lines if line.startswith("sums")]
    expected = evaluate_binary(layers, (images,))[-1]
    width = (int(wide) + 1) // shape.units
    tiles = -(-5 // shape.units)
    got = []
    for i in range(6):
        values = [int(v, 16) for v in counts[i * tiles : (i + 1) * tiles]]
        got.append([values[j // shape.units] >> width * (j % shape.units) & ((1 << width) - 1)
                    for j in range(5)])  # fmt: skip
    assert got == expected.tolist()
    assert {line for line in lines if line.startswith("clocks")} == {f"clocks {design.clocks}"}


@pytest.mark.tool("icarus")
def test_words_of_twelve_bits_are_added_or_taken_off(tmp_path):
    random = np.random.default_rng(4)
    x, w = random.integers(-1500, 1500, (40, 5)), random.integers(0, 2, (40, 5))
    rows = []
    for k in range(40):
        word = sum((int(v) & 0xFFF) << 12 * i for i, v in enumerate(x[k]))
        weights = sum(int(v) << i for i, v in enumerate(w[k]))
        begin = (7 if k % 4 == 0 else 0) & 0xFFFFF
        rows.append(f"{weights << 80 | begin << 60 | word:x}")
    (tmp_path / "rows.hex").write_text("\n".join(rows))
    (tmp_path / "bench.v").write_text(
        "module bench; reg clk = 0; reg [84:0] rows [0:39]; integer k; wire y;"
        " wire [19:0] total; reg [84:0] r;"
        " mac_unit #(.LANES(5), .DATA(12), .SUM(20)) u(.clk(clk), .first(k % 4 == 0),"
        " .x(r[59:0]), .start(r[79:60]), .w(r[84:80]), .y(y), .total(total));"
        ' initial begin $readmemh("rows.hex", rows);'
        " for (k = 0; k < 40; k = k + 1) begin r = rows[k]; #5 clk = 1; #1"
        ' $display("%0d %0d", $signed(total), y); #4 clk = 0; end $finish; end endmodule\n'
    )
    sources = [asset("rtl", name) for name in RTL[1:]]
    icarus.compile_verilog(["bench.v", *sources], "bench", "b.vvp", tmp_path, 60)
    lines = icarus.simulate("b.vvp", tmp_path, 60).log.splitlines()
    each = np.where(w > 0, x, -x).sum(axis=1).reshape(10, 4)
    sums = (7 + np.cumsum(each, axis=1)).ravel().tolist()
    assert lines[:40] == [f"{s} {int(s >= 0)}" for s in sums]


def test_what_the_units_cannot_take_is_named():
    random = np.random.default_rng(5)
    first, second, scores = network(random)
    second.weights[3, 4] = 0
    with pytest.raises(UnsupportedModel) as caught:
        mac_design((first, second, scores), 21, MacShape())
    assert caught.value.message == (
        "b: the multiply-accumulate units take dense layers of bits with weights -1 and 1, each "
        "of the whole layer before"
    )
    with pytest.raises(UsageError) as refused:
        MacShape(32, 12)
    assert refused.value.message == "12 units of 32 lanes"
