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

`default_nettype wire
