// A memory of the chip that is written by one port and read by one, a clock later.
`default_nettype none

module lpu_memory #(
    parameter WIDTH = 32,
    parameter DEPTH = 1024,
    parameter ADDRESS = 10
) (
    input  wire clk,
    input  wire write,
    input  wire [ADDRESS-1:0] write_address,
    input  wire [WIDTH-1:0] data,
    input  wire [ADDRESS-1:0] address,
    output reg  [WIDTH-1:0] q
);
    reg [WIDTH-1:0] words [0:DEPTH-1];

    always @(posedge clk) begin
        if (write) words[write_address] <= data;
        q <= words[address];
    end
endmodule
`default_nettype wire
