// Votes bit by bit among three words.
`default_nettype none

module majority #(
    parameter WIDTH = 8
) (
    input  wire [WIDTH-1:0] a,
    input  wire [WIDTH-1:0] b,
    input  wire [WIDTH-1:0] c,
    output wire [WIDTH-1:0] y
);
    assign y = (a & b) | (a & c) | (b & c);
endmodule

`default_nettype wire
