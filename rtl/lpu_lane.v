// The lane of the vector engine: multiplies and adds, shifts, looks up, saturates, writes.
//
// An element takes eight clocks: two until its operands are there, then the product, the sum, the
// shift, the look-up, the limits, the write. One enters each clock.
`default_nettype none

module lpu_lane (
    input  wire clk,
    input  wire rst,
    /* verilator lint_off UNUSEDSIGNAL */
    input  wire [351:0] word,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire valid,
    input  wire first,
    input  wire last,
    input  wire [31:0] d_address,
    input  wire [15:0] index,
    input  wire [31:0] heat,
    input  wire [31:0] inverse,
    input  wire [31:0] point,
    // Added to a literal.
    input  wire [15:0] picked,
    // Operands, two clocks after the element.
    input  wire signed [31:0] scratch_a,
    input  wire signed [31:0] scratch_b,
    input  wire signed [15:0] embedding,
    input  wire signed [31:0] array,
    input  wire signed [15:0] factor,
    input  wire signed [7:0] cache,
    input  wire signed [15:0] cosine,
    input  wire signed [15:0] sine,
    // Curves and exponentials, read in the sixth clock.
    output wire [15:0] curve_address,
    input  wire signed [15:0] curve,
    output wire [7:0] exponential_address,
    input  wire [15:0] exponential,
    output reg  write_scratch,
    output reg  write_cache,
    output reg  write_planes,
    output reg  [31:0] address,
    output reg  signed [31:0] value,
    output reg  signed [63:0] sum,
    output reg  [31:0] total,
    output reg  [31:0] largest,
    output reg  signed [31:0] top,
    output reg  [31:0] drawn,
    output wire busy
);
    wire [1:0] a = word[5:4];
    wire below = word[6];
    wire [2:0] b = word[9:7];
    wire odd = word[10];
    wire [1:0] post = word[14:13];
    wire [1:0] to = word[17:16];
    wire track = word[18];
    wire add_up = word[19];
    wire draw = word[20];
    wire keep = word[21];
    wire [5:0] shift = word[16*15+:6];
    wire [5:0] bits = word[16*15+8+:6];
    wire [15:0] lookup = word[16*16+:16];
    wire [3:0] lookup_bits = word[16*17+:4];

    reg [7:1] there;
    reg first1, first2, first3, last1, last2, last3, last4, last5, last6;
    reg [31:0] d1, d2, d3, d4, d5, d6;
    reg [15:0] i1, i2, i3, i4, i5, i6, i7;
    reg signed [32:0] first_operand, second_operand;
    reg signed [63:0] product, moved, held;
    reg [4:0] fall;
    reg result;
    reg [31:0] running;
    reg found;

    assign busy = valid || there != 0 || result;

    // Operands.
    always @(*) begin
        case (a)
            2'd0: first_operand = {scratch_a[31], scratch_a};
            2'd1: first_operand = {{17{embedding[15]}}, embedding};
            2'd2: first_operand = {array[31], array};
            default: first_operand = {word[16*20+15], word[16*19+:32]} + {17'd0, picked};
        endcase
        if (below) first_operand = {top[31], top} - first_operand;
        case (b)
            3'd0: second_operand = 33'sd1;
            3'd1: second_operand = {scratch_b[31], scratch_b};
            3'd2: second_operand = {{17{factor[15]}}, factor};
            3'd3: second_operand = {1'b0, inverse};
            3'd4: second_operand = {1'b0, heat};
            3'd5: second_operand = {{25{cache[7]}}, cache};
            default:
                if (first2 ^ odd) second_operand = {{17{cosine[15]}}, cosine};
                else if (odd) second_operand = {{17{sine[15]}}, sine};
                else second_operand = -{{17{sine[15]}}, sine};
        endcase
    end

    // Shifted to the right, halves up.
    wire signed [63:0] half = shift == 6'd0 ? 64'sd0 : 64'sd1 <<< (shift - 6'd1);
    wire signed [63:0] rounded = (sum + half) >>> shift;
    // Held to the number of bits of the address of a curve, or of the result.
    wire signed [63:0] curve_top = (64'sd1 <<< (lookup_bits - 4'd1)) - 64'sd1;
    /* verilator lint_off UNUSEDSIGNAL */
    wire signed [63:0] entry =
        moved > curve_top ? curve_top : moved < ~curve_top ? ~curve_top : moved;
    /* verilator lint_on UNUSEDSIGNAL */
    assign curve_address = lookup + entry[15:0] + (16'd1 << (lookup_bits - 4'd1));
    assign exponential_address = moved[7:0];
    wire signed [63:0] limit = (64'sd1 <<< (bits - 6'd1)) - 64'sd1;
    wire signed [63:0] chosen =
        post == 2'd1 ? {{48{curve[15]}}, curve} :
        post == 2'd2 ? {48'd0, exponential >> fall} : held;
    /* verilator lint_off UNUSEDSIGNAL */
    wire signed [63:0] limited = chosen > limit ? limit : chosen < ~limit ? ~limit : chosen;
    /* verilator lint_on UNUSEDSIGNAL */

    // The first result of a pass begins what is kept of all.
    wire begins7 = i7 == 16'd0 && !keep;
    wire [31:0] next_running = (begins7 ? 32'd0 : running) + value;

    always @(posedge clk) begin
        there <= {there[6:1], valid};
        {first1, first2, first3} <= {first, first1, first2};
        {last1, last2, last3} <= {last, last1, last2};
        {d1, d2, d3, d4, d5, d6} <= {d_address, d1, d2, d3, d4, d5};
        {i1, i2, i3, i4, i5, i6, i7} <= {index, i1, i2, i3, i4, i5, i6};
        product <= first_operand * second_operand;
        last4 <= there[3] && last3;
        if (there[3]) sum <= (first3 ? 64'sd0 : sum) + product;
        last5 <= last4;
        if (last4) moved <= rounded;
        last6 <= last5;
        held <= moved;
        fall <= moved > 64'sd4095 ? 5'd16 : {1'b0, moved[11:8]};
        result <= last6;
        write_scratch <= last6 && to == 2'd1;
        write_cache <= last6 && to == 2'd2;
        write_planes <= last6 && to == 2'd3;
        value <= limited[31:0];
        address <= d6;
        if (result) begin
            if (track && (begins7 || value > top)) begin
                top <= value;
                largest <= {16'd0, i7};
            end
            if (add_up) total <= (begins7 ? 32'd0 : total) + value;
            if (draw) begin
                running <= next_running;
                found <= next_running > point || (!begins7 && found);
                if (next_running > point && (begins7 || !found)) drawn <= {16'd0, i7};
            end
        end
        if (rst) begin
            there <= 0;
            result <= 1'b0;
            {write_scratch, write_cache, write_planes} <= 3'd0;
        end
    end
endmodule
`default_nettype wire
