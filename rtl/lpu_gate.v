// A clock that runs only while it is wanted: what an array costs while it rests is its leakage.
`default_nettype none

module lpu_gate (
    input  wire clk,
    input  wire enable,
    output wire gated
);
    reg open;

    always @(negedge clk) open <= enable;
    assign gated = clk & open;
endmodule
`default_nettype wire
