"""The lane where literals are read, what is picked is added, and sums go on."""

import pytest
from rtl.lpu_benches import hexed, ran, signed

from flow.mapping.lpu.words import A, B, Op, Post, To, Word, literal

LARGEST, TOP, LINE, WINDOW = 3, 5, 10, 2

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
