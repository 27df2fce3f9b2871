// A table of constants, read a clock later; FILE has a number in hexadecimal on each line.
`default_nettype none

module lpu_table #(
    parameter WIDTH = 16,
    parameter DEPTH = 256,
    parameter ADDRESS = 8,
    parameter FILE = ""
) (
    input  wire clk,
    input  wire [ADDRESS-1:0] address,
    output reg  [WIDTH-1:0] q
);
    reg [WIDTH-1:0] words [0:DEPTH-1];

    generate
        if (FILE != "") begin : filled
            initial $readmemh(FILE, words);
        end
    endgenerate

    always @(posedge clk) q <= words[address];
endmodule
`default_nettype wire
