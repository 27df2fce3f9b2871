// A host of the array `tulip` as a circuit: sets it up, then gives it one batch over and over.
//
// Its tables stand outside, each a `tulip_host_table` whose word for the address of a clock is there in the
// next one: 56 bits of a line of the set-up; an image word with 16 bits of address, 16 of the
// sample, and the marks of an integer and of the last word; a kernel word below the mark of a tile's
// last.
`default_nettype none

module tulip_host_table #(
    parameter WIDTH = 56,
    parameter ADDRESS = 16
) (
    input  wire clk,
    input  wire [ADDRESS-1:0] address,
    output reg  [WIDTH-1:0] q
);
    always @(posedge clk) q <= address;
endmodule

module tulip_host #(
    parameter ROWS = 32,
    parameter XBITS = 9,
    parameter KBITS = 64,
    parameter DATA = 32,
    parameter CONFIGS = 1,
    parameter IMAGES = 1,
    parameter KERNELS = 1
) (
    input  wire clk,
    input  wire rst,
    output wire config_shift,
    output wire [31:0] config_data,
    output wire config_write,
    output wire [1:0] config_memory,
    output wire [15:0] config_address,
    input  wire image_ready,
    output wire image_write,
    output wire image_pixel,
    output wire [15:0] image_sample,
    output wire [15:0] image_address,
    output wire [ROWS-1:0] image_data,
    output wire [XBITS-1:0] pixel_data,
    output wire image_last,
    input  wire kernel_ready,
    output wire kernel_valid,
    output wire kernel_last,
    output wire [KBITS-1:0] kernel_data
);
    reg [15:0] config_at;
    reg [15:0] image_at;
    reg [15:0] kernel_at;
    wire [55:0] line;
    wire [DATA+33:0] image;
    wire [KBITS:0] kernel;

    wire ready = !rst && config_at == CONFIGS;
    wire set = !rst && config_at != CONFIGS;
    assign image_write = ready && image_ready;
    assign kernel_valid = ready;
    wire [15:0] config_next = rst ? 16'd0 : config_at + {15'd0, set};
    wire [15:0] image_next = rst ? 16'd0 : !image_write ? image_at :
        image_at == IMAGES - 1 ? 16'd0 : image_at + 16'd1;
    wire [15:0] kernel_next = rst ? 16'd0 : !(kernel_valid && kernel_ready) ? kernel_at :
        kernel_at == KERNELS - 1 ? 16'd0 : kernel_at + 16'd1;
    always @(posedge clk) begin
        config_at <= config_next;
        image_at <= image_next;
        kernel_at <= kernel_next;
    end

    tulip_host_table #(.WIDTH(56), .ADDRESS(16)) lines (
        .clk(clk), .address(config_next), .q(line)
    );
    tulip_host_table #(.WIDTH(DATA + 34), .ADDRESS(16)) images (
        .clk(clk), .address(image_next), .q(image)
    );
    tulip_host_table #(.WIDTH(KBITS + 1), .ADDRESS(16)) kernels (
        .clk(clk), .address(kernel_next), .q(kernel)
    );

    assign config_shift = set && line[52];
    assign config_data = line[31:0];
    assign config_write = set && line[53];
    assign config_memory = line[49:48];
    assign config_address = line[47:32];
    assign image_pixel = image[DATA+32];
    assign image_sample = image[DATA+16+:16];
    assign image_address = image[DATA+:16];
    assign image_data = image[ROWS-1:0];
    assign pixel_data = image[XBITS-1:0];
    assign image_last = image_write && image[DATA+33];
    assign kernel_last = kernel[KBITS];
    assign kernel_data = kernel[KBITS-1:0];
endmodule

`default_nettype wire
