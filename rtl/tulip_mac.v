// A simplified multiply-accumulate unit, for integers of the first layer and scores of the last.
//
// load puts the bias, sign-extended, into the sum; en adds x * w. Both are two's complement.
`default_nettype none

module tulip_mac #(
    parameter XBITS = 9,
    parameter WBITS = 2,
    parameter BITS = 24
) (
    input  wire clk,
    input  wire load,
    input  wire en,
    input  wire signed [BITS-1:0] bias,
    input  wire signed [XBITS-1:0] x,
    input  wire signed [WBITS-1:0] w,
    output reg  signed [BITS-1:0] sum
);
    wire signed [XBITS+WBITS-1:0] product = x * w;
    wire signed [BITS-1:0] wide = {{(BITS - XBITS - WBITS) {product[XBITS+WBITS-1]}}, product};

    initial sum = 0;
    always @(posedge clk)
        if (load) sum <= bias;
        else if (en) sum <= sum + wide;
endmodule

`default_nettype wire
