// Clocked binary neurons in ordinary gates, equal to tulip_neuron at every edge.
//
// Three gates of b, c and d serve all thresholds; t, the same for all, picks what becomes of them.
`default_nettype none

module tulip_neuron_gates #(
    parameter WIDTH = 1
) (
    input  wire clk,
    input  wire en,
    input  wire [WIDTH-1:0] a,
    input  wire [WIDTH-1:0] b,
    input  wire [WIDTH-1:0] c,
    input  wire [WIDTH-1:0] d,
    input  wire [2:0] t,
    output reg  [WIDTH-1:0] q
);
    wire [WIDTH-1:0] some = b | c | d;
    wire [WIDTH-1:0] most = (b & c) | ((b | c) & d);
    wire [WIDTH-1:0] each = b & c & d;
    // Where a is 1 two less are needed: [b + c + d >= t - 2], else [b + c + d >= t].
    wire [WIDTH-1:0] with_a = ({WIDTH{t <= 3'd2}}) | ({WIDTH{t == 3'd3}} & some)
                            | ({WIDTH{t == 3'd4}} & most) | ({WIDTH{t == 3'd5}} & each);
    wire [WIDTH-1:0] without = ({WIDTH{t == 3'd0}}) | ({WIDTH{t == 3'd1}} & some)
                             | ({WIDTH{t == 3'd2}} & most) | ({WIDTH{t == 3'd3}} & each);

    initial q = 0;
    always @(posedge clk) if (en) q <= without | (a & with_a);
endmodule

`default_nettype wire
