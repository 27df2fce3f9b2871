// Clocked binary neurons: q is [2a + b + c + d >= t] from the edge on, for an edge with en.
//
// WIDTH of them have the same threshold. This is the behaviour of the cell: a technology with a
// mixed-signal threshold cell replaces the module by one of the same ports with WIDTH cells;
// tulip_neuron_gates is the same in ordinary gates. The model is flow.mapping.tulip.elements.fires.
// The start value is for simulation: no program reads it.
`default_nettype none

module tulip_neuron #(
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
    initial q = 0;
    always @(posedge clk)
        if (en)
            case (t)
                3'd0: q <= {WIDTH{1'b1}};
                3'd1: q <= a | b | c | d;
                3'd2: q <= a | (b & c) | (b & d) | (c & d);
                3'd3: q <= (a & (b | c | d)) | (b & c & d);
                3'd4: q <= a & ((b & c) | (b & d) | (c & d));
                3'd5: q <= a & b & c & d;
                default: q <= {WIDTH{1'b0}};
            endcase
endmodule

`default_nettype wire
