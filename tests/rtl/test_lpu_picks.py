"""Sequencer and lane where experts are picked, windows slide, literals are read and sums go on."""

import pytest
from rtl.test_lpu_modules import hexed, ran, signed

from flow.mapping.lpu.clocks import clocks
from flow.mapping.lpu.words import A, B, Op, Post, To, Word, literal

LARGEST, TOP, LINE, WINDOW = 3, 5, 10, 2

CONTROL = """
module bench;
    reg clk = 0, rst = 1, in_valid = 0;
    reg [351:0] words [0:15];
    wire [3:0] pc;
    reg [351:0] word;
    wire out_valid, valid, run;
    wire [31:0] out_token, a, b, d;
    wire [15:0] array, picked;
    reg [6:0] there = 0;
    integer clocks = 0, k;
    lpu_control #(.HIDDEN(6), .POSITIONS(4), .LINE(10), .PAIRS(2), .PC(4), .WINDOW(2), .EXPERTS(1))
        control (.clk(clk), .rst(rst), .in_valid(in_valid), .in_ready(), .in_token(32'd7),
        .in_first(k == 0), .in_ask(1'b1), .heat_in(32'd0), .seed(32'd9), .out_valid(out_valid),
        .out_ready(1'b1), .out_token(out_token), .full(), .pc(pc), .word(word), .valid(valid),
        .first(), .last(), .a_address(a), .b_address(b), .d_address(d), .index(), .heat(),
        .lane_busy(valid || there != 0), .largest(32'd3), .top(32'd5), .drawn(32'd0),
        .unit_start(), .unit_kind(), .random(), .unit_busy(1'b0), .turn(), .array(array),
        .picked(picked), .run(run), .plane_first(), .plane_last());
    always #1 clk = !clk;
    always @(posedge clk) begin
        word <= words[pc];
        there <= {there[5:0], valid};
        clocks <= clocks + 1;
        if (valid) $display("1 %0d %0d %0d %0d %0d", a, b, d, array, picked);
        if (run) $display("2 %0d", array);
    end
    initial begin
        $readmemh("words.hex", words);
        repeat (2) @(negedge clk);
        rst = 0;
        for (k = 0; k < 4; k = k + 1) begin
            in_valid = 1;
            @(negedge clk);
            clocks = 0;
            in_valid = 0;
            while (!out_valid) @(negedge clk);
            $display("3 %0d", clocks);
            @(negedge clk);
            @(negedge clk);
        end
        $finish;
    end
endmodule
"""


@pytest.mark.tool("icarus")
def test_the_sequencer_adds_the_expert_and_moves_the_window(tmp_path):
    words = [
        Word(op=Op.TAKE),
        Word(op=Op.PASS, outer=2, a_base=100, a_outer=1, b_base=200, d_base=300, array=40,
             pick_a=True, epsilon=literal(0, 7)),
        Word(op=Op.TAKE, track=True),
        Word(op=Op.PASS, outer=1, b_base=200, d_base=300, pick_b=True, pick_d=True, array=40,
             pick_array=True, epsilon=literal(0, 9)),
        Word(op=Op.APPLY, array=40, pick_array=True),
        Word(op=Op.PASS, seen_outer=True, a_outer=1, b=B.CACHE, b_base=500, b_outer=LINE,
             window=WINDOW),
        Word(op=Op.PASS, seen_outer=True, a_outer=1, b=B.FACTORS, b_base=500, window=WINDOW),
        Word(op=Op.PASS, seen_outer=True, a_outer=1, b=B.CACHE, b_base=500, b_outer=LINE),
        Word(op=Op.GREEDY),
    ]  # fmt: skip
    rest = [(0,)] * (16 - len(words))
    hexed(tmp_path / "words.hex", [*((word.encode(),) for word in words), *rest], (352,))
    wanted = []
    for position in range(4):
        begin = max(0, position + 1 - WINDOW)
        held = range(begin, position + 1)
        wanted += [[1, 100 + 7 * LARGEST + k, 200, 300, 40, 0] for k in range(2)]
        wanted.append([1, 0, 200 + 9 * TOP, 300 + 9 * TOP, 40 + TOP, TOP])
        wanted += [[2, 40 + TOP]] * 9
        wanted += [[1, k, 500 + LINE * place, 0, 0, 0] for k, place in enumerate(held)]
        wanted += [[1, k, 500, 0, 0, 0] for k, _ in enumerate(held)]
        wanted += [[1, k, 500 + LINE * k, 0, 0, 0] for k in range(position + 1)]
        wanted.append([3, sum(clocks(word, position) for word in words)])
    assert ran(tmp_path, CONTROL, "lpu_control") == wanted


LANE = """
module bench;
    reg clk = 0, rst = 1;
    reg [351:0] words [0:{last}], word;
    reg valid = 0;
    reg signed [31:0] data [0:{last}], operand, later;
    reg [7:0] count [0:{last}];
    reg [15:0] index = 0;
    wire ws, wc, wp, busy;
    wire signed [31:0] value, top;
    wire [31:0] total;
    reg [15:0] exponential;
    wire [7:0] exponential_address;
    integer k, n;
    lpu_lane lane (.clk(clk), .rst(rst), .word(word), .valid(valid), .first(1'b1), .last(1'b1),
        .d_address(32'd0), .index(index), .heat(32'd0), .inverse(32'd0), .point(32'd0),
        .picked(16'd6), .scratch_a(later), .scratch_b(32'd0), .embedding(16'd0), .array(32'd0),
        .factor(16'd3), .cache(8'd0), .cosine(16'd0), .sine(16'd0), .curve_address(), .curve(16'd0),
        .exponential_address(exponential_address), .exponential(exponential),
        .write_scratch(ws), .write_cache(wc), .write_planes(wp), .address(), .value(value),
        .sum(), .total(total), .largest(), .top(top), .drawn(), .busy(busy));
    always #1 clk = !clk;
    always @(posedge clk) begin
        later <= operand;
        exponential <= 16'd32768 - {{exponential_address, 6'd0}};
    end
    initial begin
        $readmemh("words.hex", words);
        $readmemh("data.hex", data);
        $readmemh("count.hex", count);
        word = words[0];
        repeat (2) @(negedge clk);
        rst = 0;
        for (k = 0; k <= {last}; k = k + 1) begin
            word = words[k];
            operand = data[k];
            for (n = 0; n < count[k]; n = n + 1) begin
                valid = 1;
                index = n;
                @(negedge clk);
            end
            valid = 0;
            repeat (12) begin
                if (ws) $display("1 %0d", value);
                @(negedge clk);
            end
            $display("2 %0d %0d", top, total);
        end
        $finish;
    end
endmodule
"""


@pytest.mark.tool("icarus")
def test_the_lane_reads_literals_and_goes_on_from_what_was_kept(tmp_path):
    share = {"below": True, "post": Post.EXPONENTIAL, "total": True, "to": To.SCRATCH}
    passes = [
        # A literal times a factor; what is picked is added to it.
        (Word(op=Op.PASS, a=A.LITERAL, epsilon=literal(1 << 20), b=B.FACTORS, to=To.SCRATCH), 0),
        (Word(op=Op.PASS, a=A.LITERAL, epsilon=literal(-1 << 31), to=To.SCRATCH), 0),
        # The largest of two passes, though the first of the second has the index 0.
        (Word(op=Op.PASS, track=True), 70), (Word(op=Op.PASS, track=True, keep=True), 50),
        # Their shares, and the sum of both.
        (Word(op=Op.PASS, **share), 50), (Word(op=Op.PASS, keep=True, **share), 70),
        (Word(op=Op.PASS, track=True), 50),
    ]  # fmt: skip
    last = len(passes) - 1
    hexed(tmp_path / "words.hex", [(word.encode(),) for word, _ in passes], (352,))
    hexed(tmp_path / "data.hex", [(value,) for _, value in passes], (32,))
    hexed(tmp_path / "count.hex", [(1,) for _ in passes], (8,))
    found = ran(tmp_path, LANE.format(last=last), "lpu_lane")
    shares = [32768 - (20 << 6), 32768]
    assert [line[1] for line in found if line[0] == 1] == [
        3 * ((1 << 20) + 6), signed((1 << 31) + 6), *shares,
    ]  # fmt: skip
    kept = [line[1:] for line in found if line[0] == 2]
    assert [top for top, _ in kept[2:]] == [70, 70, 70, 70, 50]
    assert [total for _, total in kept[4:]] == [shares[0], sum(shares), sum(shares)]
