// Holds one copy of a register, as a module of its own, so that synthesis does not merge it with another.
//
// The attributes are those of Yosys (keep_hierarchy) and Vivado (dont_touch).
`default_nettype none

(* keep_hierarchy, dont_touch = "yes" *)
module register_copy #(
    parameter WIDTH = 8
) (
    input  wire clk,
    input  wire [WIDTH-1:0] d,
    output reg  [WIDTH-1:0] q
);
    always @(posedge clk) q <= d;
endmodule

`default_nettype wire
