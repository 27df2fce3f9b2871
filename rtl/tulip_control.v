// The sequencer of the array: layers, tiles of neurons, positions, taps of the window, steps.
//
// A layer is one descriptor, or several where a neuron is summed in chunks: a word of fields of 16
// bits (flow.mapping.tulip.plan.Descriptor lists them). For each tile of neurons it waits for a half of
// the kernel memory, then walks over the positions of the result; at each it runs the
// micro-program of the layer, or, with `mac`, the biases and then the taps of the MACs.
//
// Three clocks lie between an instruction and its effect: in F the program memory is read, in D
// the memories of activations and kernels are addressed, in X the elements take their step; one
// clock later the answers are written. The model is flow.mapping.tulip.timeline.
`default_nettype none

module tulip_control #(
    parameter FIELDS = 29,
    parameter MROWS = 4,
    parameter LANES = 8
) (
    input  wire clk,
    input  wire rst,
    // A half of the image memory is full and can be worked on; it is done with.
    input  wire image_full,
    output wire image_done,
    // The same of the kernel memory.
    input  wire kernel_full,
    output wire kernel_done,
    // Memories of descriptors, programs and classes.
    output wire [15:0] descriptor_address,
    input  wire [16*FIELDS-1:0] descriptor,
    output wire [15:0] program_address,
    input  wire [95:0] fetched,
    output wire [15:0] class_address,
    input  wire [15:0] class_offset,
    // D: where to read.
    output wire kernel_read,
    output wire [15:0] kernel_address,
    output wire image_read,
    output wire pixel_read,
    output wire [15:0] image_address,
    // X: what to do.
    output reg  [91:0] word,
    output reg  first,
    output reg  pad,
    output reg  take,
    output reg  constant,
    output reg  own,
    output reg  mac,
    output reg  pixels,
    output reg  [$clog2(MROWS)-1:0] bias,
    // One clock later: what to write.
    output reg  write,
    output reg  scores,
    output reg  [15:0] write_address,
    output reg  [LANES-1:0] write_lanes,
    output wire busy,
    output reg  finished
);
    localparam [2:0] IDLE = 0, FETCH = 1, START = 2, RUN = 3, DRAIN = 4;

    // Fields of the descriptor.
    wire [15:0] flags = descriptor[15:0];
    wire is_mac = flags[0];
    wire is_own = flags[1];
    wire is_pixels = flags[2];
    wire is_scores = flags[3];
    wire is_last = flags[4];
    wire is_stop = flags[5];
    wire has_classes = flags[6];
    wire has_kernel = flags[7];
    wire is_single = flags[8];
    wire is_resumed = flags[9];
    wire [15:0] program_start = descriptor[16*1+:16];
    wire signed [15:0] height = descriptor[16*2+:16];
    wire signed [15:0] width = descriptor[16*3+:16];
    wire [15:0] origin = descriptor[16*4+:16];
    wire [15:0] rows = descriptor[16*5+:16];
    wire [15:0] taps = descriptor[16*6+:16];
    wire [15:0] tap_words = descriptor[16*7+:16];
    wire [15:0] last_items = descriptor[16*8+:16];
    wire [15:0] full_items = descriptor[16*9+:16];
    wire signed [15:0] stride_y = descriptor[16*10+:16];
    wire signed [15:0] stride_x = descriptor[16*11+:16];
    wire signed [15:0] start_y = descriptor[16*12+:16];
    wire signed [15:0] start_x = descriptor[16*13+:16];
    wire signed [15:0] dilation_y = descriptor[16*14+:16];
    wire signed [15:0] dilation_x = descriptor[16*15+:16];
    wire [15:0] position_y = descriptor[16*16+:16];
    wire [15:0] position_x = descriptor[16*17+:16];
    wire [15:0] row_step = descriptor[16*18+:16];
    wire [15:0] tap_step = descriptor[16*19+:16];
    wire [15:0] out_rows = descriptor[16*20+:16];
    wire [15:0] out_cols = descriptor[16*21+:16];
    wire [15:0] out_base = descriptor[16*22+:16];
    wire [15:0] out_words = descriptor[16*23+:16];
    wire [15:0] leaf_base = descriptor[16*24+:16];
    wire [15:0] constant_base = descriptor[16*25+:16];
    wire [15:0] class_base = descriptor[16*26+:16];
    wire [15:0] tiles = descriptor[16*27+:16];
    wire [15:0] first_segment = descriptor[16*28+:16];

    reg [2:0] state;
    reg [15:0] segment;
    reg [15:0] tile;
    reg [15:0] oy;
    reg [15:0] ox;
    reg [15:0] position;
    reg [15:0] out_address;
    reg [15:0] step;
    reg ready;

    reg ends;

    // Where the window stands.
    reg signed [15:0] y;
    reg signed [15:0] x;
    reg signed [15:0] x_start;
    reg [15:0] at_row;
    reg [15:0] at_tap;
    reg [15:0] at_word;
    reg [15:0] row;
    reg [15:0] tap;
    reg [15:0] in_tap;
    reg [15:0] item;
    reg [15:0] leaf;
    reg [15:0] constants;

    // F and D: `ready` says that `fetched` is the word to do; MACs need none.
    wire issue = state == RUN && ready;
    wire biases = is_mac && !is_resumed && constants != MROWS;
    wire do_take = issue && (is_mac ? !biases : fetched[92]);
    wire do_constant = issue && (is_mac ? biases : fetched[93]);
    wire [15:0] items = in_tap + 16'd1 == tap_words ? last_items : full_items;
    wire word_ends = item + 16'd1 == items;
    wire tap_ends = word_ends && in_tap + 16'd1 == tap_words;
    wire row_ends = tap_ends && tap + 16'd1 == taps;
    wire window_ends = row_ends && row + 16'd1 == rows;
    wire do_end = issue && (is_mac ? do_take && window_ends : fetched[95]);
    wire outside = y < 0 || y >= height || x < 0 || x >= width;
    wire reads = do_take && item == 16'd0 && !outside;

    assign descriptor_address = segment;
    assign program_address = state == START ? program_start : step;
    assign class_address = class_base + position;
    assign kernel_read = do_take || do_constant;
    assign kernel_address =
        do_constant ? constant_base + (has_classes ? class_offset : 16'd0) + constants : leaf;
    assign image_read = reads && !is_pixels;
    assign pixel_read = reads && is_pixels;
    assign image_address = at_word;
    assign busy = state != IDLE;

    wire waits = has_kernel && !kernel_full;
    wire row_done = ox + 16'd1 == out_cols;
    wire positions_done = row_done && oy + 16'd1 == out_rows;
    wire tiles_done = tile + 16'd1 == tiles;
    wire job_ends = do_end && is_last && positions_done;
    assign kernel_done = job_ends && has_kernel;
    assign image_done = state == DRAIN && !ends && !write;

    // The place of the window: products of small counters, once at each position.
    wire [15:0] place = origin + (is_own ? tile : 16'd0) + oy * position_y + ox * position_x;
    wire signed [15:0] place_y = start_y + $signed(oy) * stride_y;
    wire signed [15:0] place_x = start_x + $signed(ox) * stride_x;
    localparam LANE_BITS = $clog2(LANES);
    wire [15:0] tile_word = is_mac ? tile >> LANE_BITS : tile;

    always @(posedge clk)
        if (rst) begin
            state <= IDLE;
            ready <= 1'b0;
        end else
            case (state)
                IDLE: begin
                    segment <= 16'd0;
                    tile <= 16'd0;
                    oy <= 16'd0;
                    ox <= 16'd0;
                    position <= 16'd0;
                    out_address <= 16'd0;
                    if (image_full) state <= FETCH;
                end
                FETCH: state <= START;
                START:
                if (!waits) begin
                    state <= RUN;
                    ready <= 1'b1;
                    step <= program_start + 16'd1;
                    y <= place_y;
                    x <= place_x;
                    x_start <= place_x;
                    at_row <= place;
                    at_tap <= place;
                    at_word <= place;
                    row <= 16'd0;
                    tap <= 16'd0;
                    in_tap <= 16'd0;
                    item <= 16'd0;
                    leaf <= leaf_base;
                    constants <= 16'd0;
                end
                RUN: begin
                    step <= step + 16'd1;
                    if (do_constant) constants <= constants + 16'd1;
                    if (do_take) begin
                        leaf <= leaf + 16'd1;
                        item <= word_ends ? 16'd0 : item + 16'd1;
                        if (word_ends) begin
                            in_tap <= tap_ends ? 16'd0 : in_tap + 16'd1;
                            at_word <= at_word + 16'd1;
                        end
                        if (tap_ends) begin
                            tap <= row_ends ? 16'd0 : tap + 16'd1;
                            x <= row_ends ? x_start : x + dilation_x;
                            at_tap <= at_tap + tap_step;
                            at_word <= at_tap + tap_step;
                        end
                        if (row_ends) begin
                            row <= row + 16'd1;
                            y <= y + dilation_y;
                            at_row <= at_row + row_step;
                            at_tap <= at_row + row_step;
                            at_word <= at_row + row_step;
                        end
                    end
                    if (do_end) begin
                        ready <= 1'b0;
                        state <= is_single && !job_ends ? START : FETCH;
                        if (!is_last) segment <= segment + 16'd1;
                        else begin
                            segment <= first_segment;
                            ox <= row_done ? 16'd0 : ox + 16'd1;
                            position <= position + 16'd1;
                            out_address <= out_address + out_words;
                            if (row_done) oy <= oy + 16'd1;
                            if (positions_done) begin
                                oy <= 16'd0;
                                position <= 16'd0;
                                out_address <= 16'd0;
                                tile <= tile + 16'd1;
                                if (tiles_done) begin
                                    tile <= 16'd0;
                                    segment <= segment + 16'd1;
                                    if (is_stop) state <= DRAIN;
                                end
                            end
                        end
                    end
                end
                default: if (image_done) state <= IDLE;
            endcase

    // X, and the write after it.
    reg x_scores;
    reg [15:0] x_address;
    reg [LANES-1:0] x_lanes;
    initial write = 1'b0;
    always @(posedge clk) begin
        word <= issue && !is_mac ? fetched[91:0] : 92'd0;
        first <= do_take && item == 16'd0;
        pad <= do_take && outside;
        take <= do_take;
        constant <= do_constant;
        own <= issue && !is_mac && fetched[94];
        mac <= is_mac;
        pixels <= is_pixels;
        bias <= constants[$clog2(MROWS)-1:0];
        ends <= do_end && is_last && !rst;
        x_scores <= is_scores;
        // Of scores, the first class.
        x_address <= is_scores ? tile << $clog2(MROWS) : out_base + out_address + tile_word;
        // The first lane clears the others of its word.
        x_lanes <= is_mac && tile[LANE_BITS-1:0] != 0 ?
            {{(LANES - 1) {1'b0}}, 1'b1} << tile[LANE_BITS-1:0] : {LANES{1'b1}};
        write <= ends && !rst;
        scores <= x_scores;
        write_address <= x_address;
        write_lanes <= x_lanes;
        finished <= image_done && !rst;
    end

    wire unused = &{1'b0, flags[15:10]};
endmodule

`default_nettype wire
