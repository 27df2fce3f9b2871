"""The sequencer of the language chip: passes, arrays, clocks, picked experts and windows."""

import pytest
from rtl.lpu_benches import hexed, ran

from flow.mapping.lpu.clocks import EMPTY, clocks
from flow.mapping.lpu.words import A, B, Op, To, Word, literal

LARGEST, TOP, LINE, WINDOW = 3, 5, 5, 2

CONTROL = """
module bench;
    reg clk = 0, rst = 1, in_valid = 0;
    reg [351:0] words [0:15];
    wire [3:0] pc;
    reg [351:0] word;
    wire in_ready, out_valid, full, valid, first, last, unit_start, turn, run, pf, pl;
    wire [31:0] out_token, a, b, d, heat, random;
    wire [15:0] index, array, picked;
    wire [1:0] kind;
    reg [6:0] there = 0;
    reg [5:0] busy = 0;
    integer clocks = 0, k;
    lpu_control #(.HIDDEN(6), .LINE(5), .PAIRS(2), .PC(4), {parameters}) control (.clk(clk),
        .rst(rst), .in_valid(in_valid), .in_ready(in_ready), .in_token(32'd7), .in_first(k == 0),
        .in_ask(1'b1), .heat_in(32'd0), .seed(32'd9), .out_valid(out_valid), .out_ready(1'b1),
        .out_token(out_token), .full(full), .pc(pc), .word(word), .valid(valid), .first(first),
        .last(last), .a_address(a), .b_address(b), .d_address(d), .index(index), .heat(heat),
        .lane_busy(valid || there != 0), .largest(32'd{largest}), .top(32'd{top}), .drawn(32'd0),
        .array(array), .picked(picked), .unit_start(unit_start), .unit_kind(kind),
        .random(random), .unit_busy(busy != 0), .turn(turn), .run(run),
        .plane_first(pf), .plane_last(pl));
    always #1 clk = !clk;
    always @(posedge clk) begin
        word <= words[pc];
        there <= {{there[5:0], valid}};
        // As long as a quotient of the shift 18 takes.
        busy <= unit_start ? 6'd19 : busy == 0 ? 6'd0 : busy - 6'd1;
        clocks <= clocks + 1;
        if (valid)
            $display("1 %0d %0d %0d %0d %0d %0d %0d %0d", a, b, d, index, first, last, array,
                picked);
        if (run) $display("2 %0d %0d %0d %0d", pf, pl, turn, array);
        if (unit_start) $display("3 %0d", kind);
    end
    initial begin
        $readmemh("words.hex", words);
        repeat (2) @(negedge clk);
        rst = 0;
        for (k = 0; k < 4 && !full; k = k + 1) begin
            in_valid = 1;
            @(negedge clk);
            clocks = 0;
            in_valid = 0;
            while (!out_valid) @(negedge clk);
            $display("4 %0d %0d", out_token, clocks);
            @(negedge clk);
            @(negedge clk);
        end
        $display("5 %0d %0d", k, in_ready);
        $finish;
    end
endmodule
"""


def walked(word, position):
    """The elements of a pass: addresses, index, first, last; no array, no expert."""
    outer = position + 1 if word.seen_outer else word.outer
    inner = position + 1 if word.seen_inner else word.inner
    a_base = word.a_base + (7 * 6 if word.a is A.EMBEDDING else 0)
    b_base = word.b_base + (2 * position if word.b is B.TURN else 0)
    d_base = word.d_base + (5 * position if word.to is To.CACHE else 0)
    return [
        [1, a_base + o * word.a_outer + i * word.a_inner,
         b_base + o * word.b_outer + i * word.b_inner, d_base + o * word.d_outer, o,
         int(i == 0), int(i == inner - 1), 0, 0]
        for o in range(outer) for i in range(inner)
    ]  # fmt: skip


@pytest.mark.tool("icarus")
def test_the_sequencer_walks_every_pass_drives_the_arrays_and_takes_the_clocks_of_the_model(
    tmp_path,
):
    words = [
        Word(op=Op.PASS, outer=3, a=A.EMBEDDING, a_outer=1, d_base=70000, d_outer=2),
        Word(op=Op.PASS, outer=2, inner=3, a_base=9, a_inner=4, a_outer=1, b=B.TURN, b_base=20,
             b_inner=7, b_outer=2, to=To.CACHE, d_base=3, d_outer=1),
        Word(op=Op.APPLY),
        Word(op=Op.PASS, seen_outer=True, inner=1, a_outer=1),
        Word(op=Op.PASS, outer=2, seen_inner=True, a_inner=2, a_outer=9),
        Word(op=Op.DIVIDE, shift=18),
        Word(op=Op.ASKED),
        Word(op=Op.GREEDY),
    ]  # fmt: skip
    rest = [(0,)] * (16 - len(words))
    hexed(tmp_path / "words.hex", [*((word.encode(),) for word in words), *rest], (352,))
    wanted = []
    for position in range(3):
        for word in words:
            if word.op is Op.PASS:
                wanted += walked(word, position)
            elif word.op is Op.APPLY:
                wanted += [[2, int(k == 0), int(k == 7), int(k < 8), 0] for k in range(9)]
            elif word.op is Op.DIVIDE:
                wanted.append([3, 1])
        wanted.append([4, 11, sum(clocks(word, position) for word in words)])
    wanted.append([5, 3, 0])
    assert (
        ran(tmp_path, CONTROL.format(parameters=".POSITIONS(3)", largest=11, top=0), "lpu_control")
        == wanted
    )
    assert EMPTY == 8


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
        wanted.append([4, LARGEST, sum(clocks(word, position) for word in words)])
    parameters = f".POSITIONS(4), .WINDOW({WINDOW}), .EXPERTS(1)"
    bench = CONTROL.format(parameters=parameters, largest=LARGEST, top=TOP)
    # Of a pass its addresses, array and expert; of a turn of an array its number.
    shown = {1: (0, 1, 2, 3, 7, 8), 2: (0, 4), 4: (0, 1, 2)}
    lines = [line for line in ran(tmp_path, bench, "lpu_control") if line[0] in shown]
    assert [[line[k] for k in shown[line[0]]] for line in lines] == wanted
