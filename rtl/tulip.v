// The whole accelerator: array, MACs, memories of images and kernels in two halves, sequencer.
//
// 1. Set up: words of 32 bits are shifted in with config_shift, the first becoming the lowest, and
//    config_write puts them into memory config_memory (0 descriptors, 1 programs, 2 classes) at
//    config_address.
// 2. A batch of COLS samples goes into the free half of the image memory while image_ready: with
//    image_write a word of bits (image_pixel = 0) or one integer of a sample; then image_last.
// 3. Kernel words stream in with kernel_valid and kernel_ready, kernel_last with the last of each
//    tile; again for each batch.
// 4. scores_valid: the sums of MROWS classes, from class scores_base on, of all samples stand on
//    `scores`, sample c from bit c * MROWS * SBITS. `finished`: the batch is done, and `classes`
//    holds the class of the largest score of each sample.
`default_nettype none

module tulip #(
    parameter ROWS = 32,
    parameter COLS = 8,
    parameter MROWS = 4,
    parameter MASKS = 0,
    parameter GATES = 0,
    parameter XBITS = 9,
    parameter WBITS = 2,
    parameter SBITS = 24,
    parameter KBITS = 64,
    parameter IMAGE = 10,
    parameter PIXELS = 10,
    parameter KERNEL = 10,
    parameter PROGRAM = 10,
    parameter LAYERS = 6,
    parameter CLASSES = 6
) (
    input  wire clk,
    input  wire rst,
    input  wire config_shift,
    input  wire [31:0] config_data,
    input  wire config_write,
    input  wire [1:0] config_memory,
    input  wire [15:0] config_address,
    output wire image_ready,
    input  wire image_write,
    input  wire image_pixel,
    input  wire [15:0] image_sample,
    input  wire [15:0] image_address,
    input  wire [ROWS-1:0] image_data,
    input  wire [XBITS-1:0] pixel_data,
    input  wire image_last,
    output wire kernel_ready,
    input  wire kernel_valid,
    input  wire kernel_last,
    input  wire [KBITS-1:0] kernel_data,
    output wire scores_valid,
    output wire [15:0] scores_base,
    output wire [COLS*MROWS*SBITS-1:0] scores,
    output wire finished,
    output wire [16*COLS-1:0] classes,
    output wire busy
);
    localparam FIELDS = 29;
    localparam LANES = ROWS / MROWS;
    localparam MBITS = $clog2(MROWS);

    // Set-up.
    reg [32*15-1:0] shifted;
    always @(posedge clk) if (config_shift) shifted <= {config_data, shifted[32*15-1:32]};
    wire [16*FIELDS-1:0] descriptor;
    wire [95:0] fetched;
    wire [15:0] class_offset;
    wire [15:0] descriptor_address;
    wire [15:0] program_address;
    wire [15:0] class_address;
    tulip_memory #(
        .WIDTH(16 * FIELDS), .DEPTH(1 << LAYERS), .ADDRESS(LAYERS)
    ) descriptors (
        .clk(clk),
        .write(config_write && config_memory == 2'd0),
        .write_address(config_address[LAYERS-1:0]),
        .data(shifted[16*FIELDS-1:0]),
        .read(1'b1),
        .read_address(descriptor_address[LAYERS-1:0]),
        .q(descriptor)
    );
    tulip_memory #(
        .WIDTH(96), .DEPTH(1 << PROGRAM), .ADDRESS(PROGRAM)
    ) programs (
        .clk(clk),
        .write(config_write && config_memory == 2'd1),
        .write_address(config_address[PROGRAM-1:0]),
        .data(shifted[32*15-1-:96]),
        .read(1'b1),
        .read_address(program_address[PROGRAM-1:0]),
        .q(fetched)
    );
    tulip_memory #(
        .WIDTH(16), .DEPTH(1 << CLASSES), .ADDRESS(CLASSES)
    ) offsets (
        .clk(clk),
        .write(config_write && config_memory == 2'd2),
        .write_address(config_address[CLASSES-1:0]),
        .data(shifted[32*14+:16]),
        .read(1'b1),
        .read_address(class_address[CLASSES-1:0]),
        .q(class_offset)
    );

    // Which halves are full, which is filled and which is worked on.
    reg [1:0] image_full;
    reg image_in;
    reg image_use;
    reg [1:0] kernel_full;
    reg kernel_in;
    reg kernel_use;
    reg [KERNEL-1:0] kernel_at;
    wire image_done;
    wire kernel_done;
    assign image_ready = !image_full[image_in];
    assign kernel_ready = !kernel_full[kernel_in];
    wire kernel_take = kernel_valid && kernel_ready;
    always @(posedge clk)
        if (rst) begin
            image_full <= 2'd0;
            image_in <= 1'b0;
            image_use <= 1'b0;
            kernel_full <= 2'd0;
            kernel_in <= 1'b0;
            kernel_use <= 1'b0;
            kernel_at <= 0;
        end else begin
            if (image_last) begin
                image_full[image_in] <= 1'b1;
                image_in <= !image_in;
            end
            if (image_done) begin
                image_full[image_use] <= 1'b0;
                image_use <= !image_use;
            end
            if (kernel_take) begin
                kernel_at <= kernel_last ? {KERNEL{1'b0}} : kernel_at + 1'b1;
                if (kernel_last) begin
                    kernel_full[kernel_in] <= 1'b1;
                    kernel_in <= !kernel_in;
                end
            end
            if (kernel_done) begin
                kernel_full[kernel_use] <= 1'b0;
                kernel_use <= !kernel_use;
            end
        end

    // Sequencer.
    wire kernel_read;
    wire [15:0] kernel_address;
    wire image_read;
    wire pixel_read;
    wire [15:0] read_address;
    wire [91:0] word;
    wire first;
    wire pad;
    wire take;
    wire constant;
    wire own;
    wire mac;
    wire pixels;
    wire [MBITS-1:0] bias;
    wire write;
    wire is_scores;
    wire [15:0] write_address;
    wire [LANES-1:0] write_lanes;
    tulip_control #(
        .FIELDS(FIELDS), .MROWS(MROWS), .LANES(LANES)
    ) control (
        .clk(clk),
        .rst(rst),
        .image_full(image_full[image_use]),
        .image_done(image_done),
        .kernel_full(kernel_full[kernel_use]),
        .kernel_done(kernel_done),
        .descriptor_address(descriptor_address),
        .descriptor(descriptor),
        .program_address(program_address),
        .fetched(fetched),
        .class_address(class_address),
        .class_offset(class_offset),
        .kernel_read(kernel_read),
        .kernel_address(kernel_address),
        .image_read(image_read),
        .pixel_read(pixel_read),
        .image_address(read_address),
        .word(word),
        .first(first),
        .pad(pad),
        .take(take),
        .constant(constant),
        .own(own),
        .mac(mac),
        .pixels(pixels),
        .bias(bias),
        .write(write),
        .scores(is_scores),
        .write_address(write_address),
        .write_lanes(write_lanes),
        .busy(busy),
        .finished(finished)
    );

    assign scores_valid = write && is_scores;
    assign scores_base = write_address;

    // Kernels.
    wire [KBITS-1:0] kernel;
    tulip_memory #(
        .WIDTH(KBITS), .DEPTH(2 << KERNEL), .ADDRESS(KERNEL + 1)
    ) kernels (
        .clk(clk),
        .write(kernel_take),
        .write_address({kernel_in, kernel_at}),
        .data(kernel_data),
        .read(kernel_read),
        .read_address({kernel_use, kernel_address[KERNEL-1:0]}),
        .q(kernel)
    );

    // Images, a memory of bits and one of integers for each sample; MACs; results.
    wire [ROWS*COLS-1:0] channels;
    wire [2*COLS-1:0] activations;
    wire [ROWS*COLS-1:0] answers;
    wire bits_write = write && !is_scores;
    wire [LANES-1:0] host_lanes = {LANES{1'b1}};
    reg was_mac;
    always @(posedge clk) was_mac <= mac;
    genvar c;
    genvar m;
    generate
        for (c = 0; c < COLS; c = c + 1) begin : sample
            wire mine = image_write && image_sample == c;
            wire [ROWS-1:0] q;
            wire [XBITS-1:0] pixel;
            wire [MROWS-1:0] fired;
            // A sum that is not negative reaches its threshold. The other lanes of its word are
            // cleared with the first.
            wire [ROWS-1:0] spread = write_lanes[0] ?
                {{(ROWS - MROWS) {1'b0}}, fired} : {LANES{fired}};
            wire host = mine && !image_pixel;
            // The host has the free half, the sequencer the other: each half has its own memory.
            wire [ROWS-1:0] q_half[0:1];
            for (m = 0; m < 2; m = m + 1) begin : half
                localparam [0:0] HALF = m;
                wire used = image_use == HALF;
                wire filled = host && image_in == HALF;
                tulip_memory #(
                    .WIDTH(ROWS), .DEPTH(1 << IMAGE), .LANES(LANES), .ADDRESS(IMAGE)
                ) bits (
                    .clk(clk),
                    .write(filled ? host_lanes :
                           bits_write && used ? write_lanes : {LANES{1'b0}}),
                    .write_address(filled ? image_address[IMAGE-1:0] : write_address[IMAGE-1:0]),
                    .data(filled ? image_data :
                          was_mac ? spread : answers[ROWS*c+:ROWS]),
                    .read(image_read && used),
                    .read_address(read_address[IMAGE-1:0]),
                    .q(q_half[m])
                );
            end
            assign q = image_use ? q_half[1] : q_half[0];
            tulip_memory #(
                .WIDTH(XBITS), .DEPTH(2 << PIXELS), .ADDRESS(PIXELS + 1)
            ) integers (
                .clk(clk),
                .write(mine && image_pixel),
                .write_address({image_in, image_address[PIXELS-1:0]}),
                .data(pixel_data),
                .read(pixel_read),
                .read_address({image_use, read_address[PIXELS-1:0]}),
                .q(pixel)
            );

            // What is left of a word: two bits go in a step, or one to the MACs.
            reg [ROWS-1:0] rest;
            wire [ROWS-1:0] now = first ? q : rest;
            initial rest = 0;
            always @(posedge clk) if (take) rest <= mac ? now >> 1 : now >> 2;
            assign activations[2*c+:2] = now[1:0];
            assign channels[ROWS*c+:ROWS] = q;

            wire [XBITS-1:0] bit_x = {{(XBITS - 1) {1'b0}}, now[0]};
            wire [XBITS-1:0] x = pad ? {XBITS{1'b0}} : pixels ? pixel : bit_x;
            for (m = 0; m < MROWS; m = m + 1) begin : unit
                wire [SBITS-1:0] sum;
                tulip_mac #(
                    .XBITS(XBITS), .WBITS(WBITS), .BITS(SBITS)
                ) mac_unit (
                    .clk(clk),
                    .load(mac && constant && bias == m),
                    .en(mac && take),
                    .bias(kernel[SBITS-1:0]),
                    .x(x),
                    .w(kernel[WBITS*m+:WBITS]),
                    .sum(sum)
                );
                assign fired[m] = !sum[SBITS-1];
                assign scores[SBITS*(MROWS*c+m)+:SBITS] = sum;
            end
            tulip_scores #(
                .MROWS(MROWS), .BITS(SBITS)
            ) largest (
                .clk(clk),
                .take(write && is_scores),
                .first(write_address == 16'd0),
                .base(scores_base),
                .scores(scores[SBITS*MROWS*c+:SBITS*MROWS]),
                .answer(classes[16*c+:16])
            );
        end
    endgenerate

    tulip_array #(
        .ROWS(ROWS), .COLS(COLS), .MASKS(MASKS), .GATES(GATES)
    ) array (
        .clk(clk),
        .word(word),
        .pad(pad),
        .constant(constant),
        .own(own),
        .weights(kernel[2*ROWS*(1+MASKS)-1:0]),
        .activations(activations),
        .channels(channels),
        .answers(answers)
    );

    // Addresses are wider than small memories need.
    wire unused = &{1'b0, descriptor_address, program_address, class_address, kernel_address,
                    read_address, image_address, config_address, shifted};
endmodule

`default_nettype wire
