"""The modules of the language chip, each against what its first lines say, in every clock."""

from math import isqrt
from random import Random

import pytest
from rtl.lpu_benches import hexed, ran, signed

from flow.assets import asset
from flow.backends.lpu import MODULES
from flow.mapping.lpu.clocks import clocks
from flow.mapping.lpu.words import A, B, Op, Post, To, Word
from flow.tools import icarus, verilator
from flow.tools.yosys import yosys

FILES = [asset("rtl", f"{module}.v") for module in MODULES]
WORD, HALF = 1 << 32, 1 << 31


@pytest.mark.tool("icarus")
@pytest.mark.tool("verilator")
@pytest.mark.tool("yosys")
@pytest.mark.parametrize("module", MODULES)
def test_three_readers_have_nothing_to_complain_about(tmp_path, module):
    file = asset("rtl", f"{module}.v")
    assert icarus.compile_verilog([file], module, "x.vvp", tmp_path, 60).log == ""
    given = ['-GFILE="t.hex"'] if module == "lpu_table" else []
    verilator.lint([file], module, tmp_path, 60, given)
    script = [f"read_verilog {file}", f"hierarchy -check -top {module}", "proc", "check -assert"]
    assert "Warning" not in yosys(script, cwd=tmp_path).log


UNIT = """
module bench;
    reg clk = 0, rst = 1, start = 0;
    reg [215:0] cases [0:{last}];
    reg [215:0] now = 0;
    wire busy;
    wire [31:0] inverse, point;
    integer k, taken;
    lpu_unit unit (.clk(clk), .rst(rst), .start(start), .kind(now[1:0]), .shift(now[7:2]),
        .sum(now[71:8]), .epsilon(now[119:72]), .total(now[151:120]), .random(now[183:152]),
        .busy(busy), .inverse(inverse), .point(point));
    always #1 clk = !clk;
    initial begin
        $readmemh("cases.hex", cases);
        repeat (2) @(negedge clk);
        rst = 0;
        for (k = 0; k <= {last}; k = k + 1) begin
            now = cases[k];
            start = 1;
            @(negedge clk);
            start = 0;
            taken = 0;
            while (busy) begin
                @(negedge clk);
                taken = taken + 1;
            end
            $display("%0d %0d %0d", inverse, point, taken);
        end
        $finish;
    end
endmodule
"""


@pytest.mark.tool("icarus")
def test_the_slow_unit_is_floor_of_root_quotient_and_point_in_the_clocks_of_the_model(tmp_path):
    random = Random(1)
    cases = [(2, 0, 0, 1, 3, HALF), (0, 30, 0, 1, 0, 0), (0, 30, (1 << 63) - 1, 1, 0, 0),
             (1, 38, 0, 1, 64, 0), (1, 38, 0, 1, HALF, 0), (2, 0, 0, 1, WORD - 1, WORD - 1),
             (2, 0, 0, 1, 1, WORD - 1), (0, 30, 24, 1, 0, 0), (0, 30, 25, 1, 0, 0),
             (1, 0, 0, 1, 2, 0)]  # fmt: skip
    for _ in range(60):
        cases.append(
            (random.randrange(3), random.randrange(39), random.getrandbits(random.randrange(1, 63)),
             random.getrandbits(random.randrange(1, 48)) | 1,
             random.getrandbits(random.randrange(7, 32)) | 128, random.getrandbits(32))
        )  # fmt: skip
    hexed(tmp_path / "cases.hex", cases, (2, 6, 64, 48, 32, 32))
    inverse, point = None, 0
    wanted = []
    for kind, shift, total_of_squares, epsilon, total, drawn in cases:
        if kind == 0:
            inverse = (1 << shift) // isqrt(total_of_squares + epsilon) % WORD
            taken = clocks(Word(op=Op.ROOT, shift=shift), 0)
        elif kind == 1:
            inverse = (1 << shift) // total % WORD
            taken = clocks(Word(op=Op.DIVIDE, shift=shift), 0)
        else:
            point = drawn * total // WORD
            taken = clocks(Word(op=Op.POINT), 0)
        # Two clocks fetch and begin a word, two more start the unit and see that it is done.
        wanted.append([inverse, point, taken - 4])
    assert ran(tmp_path, UNIT.format(last=len(cases) - 1), "lpu_unit") == wanted


@pytest.mark.tool("icarus")
def test_planes_leave_bit_by_bit_and_are_whole_again_after_eight_turns(tmp_path):
    values = [5, 0x80, 0xFF, 0x33, 0]
    bench = f"""
module bench;
    reg clk = 0, load = 0, turn = 0;
    reg [7:0] value = 0;
    wire [4:0] plane;
    integer k;
    lpu_planes #(.INPUTS(5)) planes (.clk(clk), .load(load), .value(value), .turn(turn),
        .plane(plane));
    always #1 clk = !clk;
    initial begin
        load = 1;
        for (k = 0; k < 5; k = k + 1) begin
            value = 40'h{"".join(f"{v:02x}" for v in reversed(values))} >> 8 * k;
            @(negedge clk);
        end
        load = 0;
        for (k = 0; k < 16; k = k + 1) begin
            $display("%0d", plane);
            turn = k != 12;
            @(negedge clk);
        end
        $finish;
    end
endmodule
"""
    bits = [sum((v >> k & 1) << place for place, v in enumerate(values)) for k in range(8)]
    # In clock 12 nothing turns.
    wanted = [*bits, *bits[:5], bits[4], bits[5], bits[6]]
    assert ran(tmp_path, bench, "lpu_planes") == [[plane] for plane in wanted]


@pytest.mark.tool("icarus")
def test_memories_and_tables_answer_a_clock_later_and_a_read_beside_a_write_is_the_old_word(
    tmp_path,
):
    (tmp_path / "table.hex").write_text("0a\n0b\n0c\n")
    bench = """
module bench;
    reg clk = 0, write = 0;
    reg [1:0] to = 0, from = 0;
    reg [7:0] data = 0;
    wire [7:0] q, t;
    lpu_memory #(.WIDTH(8), .DEPTH(3), .ADDRESS(2)) memory (.clk(clk), .write(write),
        .write_address(to), .data(data), .address(from), .q(q));
    lpu_table #(.WIDTH(8), .DEPTH(3), .ADDRESS(2), .FILE("table.hex")) table_ (.clk(clk),
        .address(from), .q(t));
    always #1 clk = !clk;
    task step(input w, input [1:0] at, input [7:0] d, input [1:0] a);
        begin
            write = w; to = at; data = d; from = a;
            @(negedge clk);
            if (w < 2 && q !== 8'hxx) $display("%0d %0d", q, t);
        end
    endtask
    initial begin
        step(1, 0, 7, 1);
        step(1, 1, 8, 0);
        step(1, 0, 9, 0);
        step(0, 0, 1, 0);
        step(1, 2, 3, 1);
        step(0, 0, 0, 2);
        $finish;
    end
endmodule
"""
    found = ran(tmp_path, bench, "lpu_memory", "lpu_table")
    assert found == [[7, 10], [7, 10], [9, 10], [8, 11], [3, 12]]


@pytest.mark.tool("icarus")
def test_a_gated_clock_has_whole_pulses_only_and_one_for_each_clock_that_wants_it(tmp_path):
    bench = """
module bench;
    reg clk = 0, enable = 0;
    wire gated;
    integer risen = 0, odd = 0, k;
    time up = 0;
    lpu_gate gate (.clk(clk), .enable(enable), .gated(gated));
    always #5 clk = !clk;
    always @(posedge gated) begin risen = risen + 1; up = $time; end
    always @(negedge gated) if (risen > 0 && $time - up != 5) odd = odd + 1;
    // Whatever happens while the clock is high, its next pulse is that of the low half.
    reg [9:0] wanted = 10'b0110010111;
    initial begin
        for (k = 0; k < 10; k = k + 1) begin
            @(posedge clk);
            #1 enable = !enable;
            #2 enable = wanted[k];
        end
        @(posedge clk);
        @(negedge clk);
        #1 $display("%0d %0d", risen, odd);
        $finish;
    end
endmodule
"""
    assert ran(tmp_path, bench, "lpu_gate") == [[6, 0]]


LANE = """
module bench;
    reg clk = 0, rst = 1;
    reg [{width}:0] rows [0:{last}];
    reg [{width}:0] now = 0;
    reg [351:0] word = 0;
    wire ws, wc, wp, busy;
    wire [31:0] address, total, largest, drawn;
    wire signed [31:0] value;
    wire [15:0] curve_address;
    wire [7:0] exponential_address;
    reg [15:0] curve, exponential;
    reg [63:0] later [0:1];
    integer k;
    wire valid = now[0];
    // Operands come two clocks after their element.
    reg [{width}:0] one = 0, two = 0;
    lpu_lane lane (.clk(clk), .rst(rst), .word(word), .valid(valid), .first(now[1]), .last(now[2]),
        .d_address(now[34:3]), .index(now[50:35]), .heat(32'd3000000000), .inverse(32'd4000000000),
        .point(32'd{point}), .scratch_a(two[82:51]), .scratch_b(two[114:83]),
        .embedding(two[66:51]), .array(two[82:51]), .factor(two[98:83]), .cache(two[90:83]),
        .cosine(two[98:83]), .sine(two[114:99]), .curve_address(curve_address), .curve(curve),
        .exponential_address(exponential_address), .exponential(exponential),
        .write_scratch(ws), .write_cache(wc), .write_planes(wp), .address(address), .value(value),
        .sum(), .total(total), .largest(largest), .drawn(drawn), .busy(busy));
    always #1 clk = !clk;
    always @(posedge clk) begin
        one <= now;
        two <= one;
        curve <= curve_address * 16'd7 + 16'd1;
        exponential <= 16'd32768 - {{exponential_address, 6'd0}};
    end
    initial begin
        $readmemh("rows.hex", rows);
        $readmemh("word.hex", words);
        word = words[0];
        repeat (2) @(negedge clk);
        rst = 0;
        for (k = 0; k <= {last} + 12; k = k + 1) begin
            now = k <= {last} ? rows[k] : 0;
            @(negedge clk);
            if (ws || wc || wp) $display("%0d %0d %0d", {{wp, wc, ws}}, address, value);
        end
        $display("%0d %0d %0d %0d", total, largest, drawn, busy);
        $finish;
    end
    reg [351:0] words [0:0];
endmodule
"""


def laned(word, elements, point):
    """What lpu_lane.v says: (to, address, value) of each result, then total, largest, drawn.

    `elements` are (d, [(a, b, other), ...]): a sum each.
    """
    results, kept = [], []
    for d, pairs in elements:
        whole = 0
        for k, (a, b, other) in enumerate(pairs):
            first = signed(a, 16) if word.a is A.EMBEDDING else signed(a)
            turn = (signed(b, 16), -signed(other, 16), signed(other, 16))
            second = {
                B.ONE: 1, B.SCRATCH: signed(b | other << 16), B.FACTORS: signed(b, 16),
                B.INVERSE: 4000000000, B.HEAT: 3000000000, B.CACHE: signed(b, 8),
                B.TURN: (turn[2] if k == 0 else turn[0]) if word.odd else turn[min(k, 1)],
            }[word.b]  # fmt: skip
            whole += first * second
        moved = whole + (1 << word.shift >> 1) >> word.shift
        top = 1 << word.bits - 1
        if word.post is Post.LOOKUP:
            half = 1 << word.lookup_bits - 1
            moved = signed((word.lookup + half + max(-half, min(half - 1, moved))) * 7 + 1, 16)
        elif word.post is Post.EXPONENTIAL:
            fall = min(16, moved >> 8)
            moved = 32768 - (moved % 256 << 6) >> fall
        value = max(-top, min(top - 1, moved))
        kept.append(value)
        kinds = {To.NOWHERE: 0, To.SCRATCH: 1, To.CACHE: 2, To.PLANES: 4}
        if kinds[word.to]:
            results.append([kinds[word.to], d, value])
    largest = kept.index(max(kept)) if word.track else None
    sums = [sum(kept[: k + 1]) for k in range(len(kept))]
    drawn = next((k for k, s in enumerate(sums) if s > point), None) if word.draw else None
    return results, (sums[-1] if word.total else None, largest, drawn)


LANES = {
    "scale": Word(op=Op.PASS, b=B.FACTORS, shift=9, bits=16, to=To.SCRATCH),
    "no shift, saturated to 8 bits": Word(op=Op.PASS, b=B.ONE, bits=8, to=To.PLANES),
    "products of words": Word(op=Op.PASS, b=B.SCRATCH, shift=15, bits=16, to=To.SCRATCH),
    "sums of squares of bytes": Word(op=Op.PASS, b=B.CACHE, inner=4, track=True, total=True),
    "an inverse": Word(op=Op.PASS, b=B.INVERSE, shift=31, bits=32, to=To.CACHE),
    "a turned pair, first": Word(op=Op.PASS, b=B.TURN, inner=2, shift=14, bits=16, to=To.SCRATCH),
    "a turned pair, second": Word(op=Op.PASS, b=B.TURN, inner=2, odd=True, shift=14, bits=16,
                                  to=To.SCRATCH),
    "the embedding": Word(op=Op.PASS, a=A.EMBEDDING, b=B.ONE, bits=16, to=To.SCRATCH),
    "a curve": Word(op=Op.PASS, b=B.ONE, shift=4, post=Post.LOOKUP, lookup=300, lookup_bits=8,
                    bits=16, to=To.SCRATCH),
    "an exponential": Word(op=Op.PASS, b=B.ONE, shift=2, post=Post.EXPONENTIAL, total=True,
                           to=To.SCRATCH),
    "the first of equal ones": Word(op=Op.PASS, b=B.ONE, bits=4, track=True),
    "a draw": Word(op=Op.PASS, b=B.ONE, draw=True, total=True),
}  # fmt: skip


@pytest.mark.tool("icarus")
@pytest.mark.parametrize("name", LANES)
def test_the_lane_multiplies_adds_shifts_and_keeps(tmp_path, name):
    word, random = LANES[name], Random(name)
    positive = word.post is Post.EXPONENTIAL or word.draw
    bits = {"scale": 20, "no shift, saturated to 8 bits": 9, "a curve": 13}.get(name, 16)
    elements, rows = [], []
    for index in range(40):
        pairs = []
        for k in range(word.inner):
            a = random.randrange(0 if positive else -1 << bits - 1, 1 << bits - 1)
            pair = (a % WORD, random.getrandbits(16), random.getrandbits(16))
            pairs.append(pair)
            d = index * 3 + 1
            rows.append((1, k == 0, k == word.inner - 1, d, index, *pair))
            if random.random() < 0.2:
                rows.append((0,) * 8)
        elements.append((d, pairs))
    point = random.randrange(20 << bits - 1)
    widths = (1, 1, 1, 32, 16, 32, 16, 16)
    hexed(tmp_path / "rows.hex", rows, widths)
    hexed(tmp_path / "word.hex", [(word.encode(),)], (352,))
    bench = LANE.format(width=sum(widths) - 1, last=len(rows) - 1, point=point)
    *results, (total, largest, drawn, busy) = ran(tmp_path, bench, "lpu_lane")
    wanted, (total_wanted, largest_wanted, drawn_wanted) = laned(word, elements, point)
    assert results == wanted
    assert busy == 0
    if word.total:
        assert total == total_wanted % WORD
    if word.track:
        assert largest == largest_wanted
    if word.draw:
        assert drawn == drawn_wanted
