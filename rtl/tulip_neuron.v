// A clocked binary neuron: q is [2a + b + c + d >= t] from the edge on, for one edge with en.
//
// This is the behaviour of the cell. A technology with a mixed-signal threshold cell replaces the
// module by one of the same ports; tulip_neuron_gates is the same in ordinary gates. The model is
// flow.mapping.tulip.elements.fires. The start value is for simulation: no program reads it.
`default_nettype none

module tulip_neuron (
    input  wire clk,
    input  wire en,
    input  wire a,
    input  wire b,
    input  wire c,
    input  wire d,
    input  wire [2:0] t,
    output reg  q
);
    wire [2:0] sum = {1'b0, a, 1'b0} + {2'b0, b} + {2'b0, c} + {2'b0, d};

    initial q = 1'b0;
    always @(posedge clk) if (en) q <= sum >= t;
endmodule

`default_nettype wire
