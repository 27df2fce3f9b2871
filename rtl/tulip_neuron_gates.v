// A clocked binary neuron in ordinary gates, equal to tulip_neuron at every edge.
//
// The four thresholds that differ in kind are formed of three gates of b, c and d, and t picks one.
`default_nettype none

module tulip_neuron_gates (
    input  wire clk,
    input  wire en,
    input  wire a,
    input  wire b,
    input  wire c,
    input  wire d,
    input  wire [2:0] t,
    output reg  q
);
    wire some = b | c | d;
    wire most = (b & c) | (b & d) | (c & d);
    wire each = b & c & d;
    // Of t = 2 k + odd: at least 1 and 3 where odd, 2 and 4 where even, and so on.
    wire low = t[0] ? some : most;
    wire fires = t[2] ? (~t[1] & a & (t[0] ? each : most))
               : t[1] ? (t[0] ? (a & some) | each : a | most)
                      : (~t[0] | a | low);

    initial q = 1'b0;
    always @(posedge clk) if (en) q <= fires;
endmodule

`default_nettype wire
