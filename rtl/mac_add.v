// s = a + b + c modulo 2**W.
`default_nettype none

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

`default_nettype wire
