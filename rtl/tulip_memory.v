// A memory of DEPTH words: one write port with an enable for each of LANES parts, one clocked read port.
//
// What is written in a clock is read from the next clock on. A technology replaces it by a macro.
`default_nettype none

module tulip_memory #(
    parameter WIDTH = 32,
    parameter DEPTH = 256,
    parameter LANES = 1,
    parameter ADDRESS = 8
) (
    input  wire clk,
    input  wire [LANES-1:0] write,
    input  wire [ADDRESS-1:0] write_address,
    input  wire [WIDTH-1:0] data,
    input  wire read,
    input  wire [ADDRESS-1:0] read_address,
    output reg  [WIDTH-1:0] q
);
    localparam LANE = WIDTH / LANES;
    reg [WIDTH-1:0] words[0:DEPTH-1];

    initial q = 0;
    integer k;
    always @(posedge clk) begin
        for (k = 0; k < LANES; k = k + 1)
            if (write[k]) words[write_address][LANE*k+:LANE] <= data[LANE*k+:LANE];
        if (read) q <= words[read_address];
    end
endmodule

`default_nettype wire
