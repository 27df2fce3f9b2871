// A multiply-accumulate accelerator for dense layers of bits: the rival of the TULIP array.
//
// UNITS units see the same LANES activations in a clock, each with its own weights. A tile of UNITS
// neurons takes as many clocks as its inputs have words, and one more to write its answers. Layers
// follow each other by `program`: {scores, tiles, steps, from, to}; `from` and `to` are words of the
// activations. A tile of the last layer, of scores, comes out as sums instead: `valid` with `sums`.
// UNITS divides LANES. The kernel has {weights of unit UNITS - 1, ..., of unit 0} in the order in
// which tiles and steps ask for them.
`default_nettype none

module mac_array #(
    parameter LANES = 32,
    parameter UNITS = 16,
    parameter SUM = 12,
    parameter LAYERS = 1,
    parameter ACTIVATIONS = 32,
    parameter KERNEL = 1,
    parameter TILES = 1,
    parameter KERNEL_FILE = "kernel.hex",
    parameter START_FILE = "start.hex",
    parameter PROGRAM_FILE = "program.hex"
) (
    input  wire clk,
    input  wire reset,
    input  wire load,
    input  wire [15:0] address,
    input  wire [LANES-1:0] data,
    input  wire go,
    output reg  valid,
    output wire [UNITS*SUM-1:0] sums,
    output reg  done
);
    localparam PARTS = LANES / UNITS;
    reg [LANES-1:0] activations [0:ACTIVATIONS-1];
    reg [UNITS*LANES-1:0] kernel [0:KERNEL-1];
    reg [UNITS*SUM-1:0] starts [0:TILES-1];
    reg [64:0] program_words [0:LAYERS-1];
    integer k;
    initial begin
        for (k = 0; k < ACTIVATIONS; k = k + 1) activations[k] = {LANES{1'b0}};
        $readmemh(KERNEL_FILE, kernel);
        $readmemh(START_FILE, starts);
        $readmemh(PROGRAM_FILE, program_words);
    end

    reg busy;
    reg finish;
    reg [15:0] layer, tile, step, kernel_at, start_at;
    wire [64:0] now = program_words[layer];
    wire scores = now[64];
    wire [15:0] tiles = now[63:48];
    wire [15:0] steps = now[47:32];
    wire last_step = step + 16'd1 == steps;
    wire last_tile = tile + 16'd1 == tiles;
    wire [15:0] read = now[31:16] + step;
    wire [15:0] write = now[15:0] + tile / PARTS;
    wire [15:0] part = tile % PARTS;
    wire [LANES-1:0] x = activations[read];
    wire [UNITS*LANES-1:0] w = kernel[kernel_at];
    wire [UNITS*SUM-1:0] start = starts[start_at];
    wire [UNITS-1:0] answers;

    genvar u;
    generate
        for (u = 0; u < UNITS; u = u + 1) begin : unit
            mac_unit #(
                .LANES(LANES), .DATA(1), .SUM(SUM)
            ) mac (
                .clk(clk), .first(step == 16'd0), .x(x), .w(w[LANES*u+:LANES]),
                .start(start[SUM*u+:SUM]), .y(answers[u]), .total(sums[SUM*u+:SUM])
            );
        end
    endgenerate

    always @(posedge clk) begin
        valid <= 1'b0;
        done <= 1'b0;
        if (load) activations[address] <= data;
        if (reset) begin
            busy <= 1'b0;
            finish <= 1'b0;
        end else if (!busy) begin
            busy <= go;
            {layer, tile, step, kernel_at, start_at} <= 80'd0;
        end else if (finish) begin
            finish <= 1'b0;
            if (!scores) activations[write][UNITS*part+:UNITS] <= answers;
            start_at <= start_at + 16'd1;
            step <= 16'd0;
            tile <= last_tile ? 16'd0 : tile + 16'd1;
            if (last_tile) begin
                layer <= layer + 16'd1;
                if (layer + 1 == LAYERS) begin
                    busy <= 1'b0;
                    done <= 1'b1;
                end
            end
        end else begin
            kernel_at <= kernel_at + 16'd1;
            if (last_step) begin
                finish <= 1'b1;
                valid <= scores;
            end else step <= step + 16'd1;
        end
    end
endmodule

`default_nettype wire
