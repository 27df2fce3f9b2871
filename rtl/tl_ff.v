// A clocked threshold cell: q is [sum of the weights of the inputs that are 1 >= T] from the edge on.
//
// This is the behaviour of a flash cell. Weights are 8 bits each, unsigned, that of x[0] lowest. A
// technology with flash cells replaces the module; what it decides is then programmed, as the
// programming file says. The start value is for simulation: a cell has none.
`default_nettype none

module tl_ff #(
    parameter N = 2,
    parameter [8*N-1:0] WEIGHTS = {N{8'd1}},
    parameter [15:0] T = 1
) (
    input  wire         clk,
    input  wire [N-1:0] x,
    output reg          q
);
    reg [15:0] sum;
    integer i;

    always @* begin
        sum = 16'd0;
        for (i = 0; i < N; i = i + 1)
            sum = sum + (x[i] ? {8'd0, WEIGHTS[8*i +: 8]} : 16'd0);
    end

    initial q = 1'b0;
    always @(posedge clk) q <= sum >= T;
endmodule

`default_nettype wire
