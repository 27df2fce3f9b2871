// A multiply-accumulate unit for weights -1 and 1: the rival of the processing element.
//
// In each clock LANES products are added to the sum, which begins at `start` where `first` is 1:
// the sum of a neuron that begins at minus its threshold, so that `y` says whether it is reached.
// With DATA = 1 a product is x XNOR w and counts 0 or 1; else it is x or -x, of DATA signed bits.
// SUM must hold every sum with its sign. Adders ripple and counts are trees of full adders: what
// takes the least energy.
`default_nettype none

module mac_unit #(
    parameter LANES = 32,
    parameter DATA = 1,
    parameter SUM = 12
) (
    input  wire clk,
    input  wire first,
    input  wire [LANES*DATA-1:0] x,
    input  wire [LANES-1:0] w,
    input  wire [SUM-1:0] start,
    output wire y,
    output wire [SUM-1:0] total
);
    localparam WIDE = $clog2(LANES + 1);
    reg [SUM-1:0] sum;
    initial sum = {SUM{1'b0}};
    wire [SUM-1:0] before = first ? start : sum;
    wire [SUM-1:0] after;
    assign y = ~sum[SUM-1];
    assign total = sum;
    always @(posedge clk) sum <= after;

    genvar k;
    generate
        if (DATA == 1) begin : bits
            wire [WIDE-1:0] count;
            mac_count #(.N(LANES)) products (.x(~(x ^ w)), .count(count));
            mac_add #(.W(SUM)) add (
                .a(before), .b({{(SUM-WIDE){1'b0}}, count}), .c(1'b0), .s(after)
            );
        end else begin : words
            localparam EACH = DATA + $clog2(LANES);
            wire [LANES*EACH-1:0] terms;
            for (k = 0; k < LANES; k = k + 1) begin : lane
                wire [DATA-1:0] term = x[DATA*k+:DATA] ^ {DATA{~w[k]}};
                assign terms[EACH*k+:EACH] = {{(EACH-DATA){term[DATA-1]}}, term};
            end
            wire [EACH-1:0] signed_sum;
            wire [WIDE-1:0] negative;
            wire [SUM-1:0] partial;
            mac_total #(.N(LANES), .W(EACH)) products (.x(terms), .total(signed_sum));
            mac_count #(.N(LANES)) signs (.x(~w), .count(negative));
            mac_add #(.W(SUM)) add (
                .a(before), .b({{(SUM-EACH){signed_sum[EACH-1]}}, signed_sum}), .c(1'b0), .s(partial)
            );
            mac_add #(.W(SUM)) correct (
                .a(partial), .b({{(SUM-WIDE){1'b0}}, negative}), .c(1'b0), .s(after)
            );
        end
    endgenerate
endmodule

// s = a + b + c modulo 2**W.
module mac_add #(
    parameter W = 4
) (
    input  wire [W-1:0] a,
    input  wire [W-1:0] b,
    input  wire c,
    output wire [W-1:0] s
);
    wire [W:0] carry;
    assign carry[0] = c;
    genvar k;
    generate
        for (k = 0; k < W; k = k + 1) begin : column
            assign s[k] = a[k] ^ b[k] ^ carry[k];
            assign carry[k+1] = (a[k] & b[k]) | (carry[k] & (a[k] ^ b[k]));
        end
    endgenerate
endmodule

// How many of N bits are 1: two halves and one bit more as the carry.
module mac_count #(
    parameter N = 3
) (
    input  wire [N-1:0] x,
    output wire [$clog2(N+1)-1:0] count
);
    localparam W = $clog2(N + 1);
    localparam LEFT = N / 2;
    localparam RIGHT = N - 1 - LEFT;
    generate
        if (N == 1) begin : one
            assign count = x;
        end else if (N == 2) begin : two
            assign count = {x[1] & x[0], x[1] ^ x[0]};
        end else begin : more
            wire [$clog2(LEFT+1)-1:0] left;
            wire [$clog2(RIGHT+1)-1:0] right;
            mac_count #(.N(LEFT)) one_half (.x(x[LEFT-1:0]), .count(left));
            mac_count #(.N(RIGHT)) other (.x(x[LEFT+:RIGHT]), .count(right));
            mac_add #(.W(W)) both (
                .a({{(W-$clog2(LEFT+1)){1'b0}}, left}),
                .b({{(W-$clog2(RIGHT+1)){1'b0}}, right}),
                .c(x[N-1]), .s(count)
            );
        end
    endgenerate
endmodule

// The sum of N numbers of W bits, modulo 2**W.
module mac_total #(
    parameter N = 2,
    parameter W = 4
) (
    input  wire [N*W-1:0] x,
    output wire [W-1:0] total
);
    localparam LEFT = N / 2;
    generate
        if (N == 1) begin : one
            assign total = x;
        end else begin : more
            wire [W-1:0] left;
            wire [W-1:0] right;
            mac_total #(.N(LEFT), .W(W)) one_half (.x(x[LEFT*W-1:0]), .total(left));
            mac_total #(.N(N-LEFT), .W(W)) other (.x(x[N*W-1:LEFT*W]), .total(right));
            mac_add #(.W(W)) both (.a(left), .b(right), .c(1'b0), .s(total));
        end
    endgenerate
endmodule

`default_nettype wire
