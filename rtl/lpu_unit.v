// The slow unit: a square root and a quotient, a quotient, or a share of a total, bit by bit.
//
// kind 0: 2**shift / floor(sqrt(sum + epsilon)); 1: 2**shift / total; 2: point = random * total / 2**32.
// All are rounded down. 32 clocks for a root or a product, shift + 1 for a quotient.
`default_nettype none

module lpu_unit (
    input  wire clk,
    input  wire rst,
    input  wire start,
    input  wire [1:0] kind,
    input  wire [5:0] shift,
    input  wire [63:0] sum,
    input  wire [47:0] epsilon,
    input  wire [31:0] total,
    input  wire [31:0] random,
    output wire busy,
    output reg  [31:0] inverse,
    output reg  [31:0] point
);
    localparam [1:0] REST = 0, ROOT = 1, DIVIDE = 2, MULTIPLY = 3;
    reg [1:0] state;
    reg [5:0] left;
    reg [63:0] number;
    /* verilator lint_off UNUSEDSIGNAL */
    reg [33:0] rest;
    /* verilator lint_on UNUSEDSIGNAL */
    reg [31:0] root, divisor, factor;
    reg lead;

    wire [33:0] taken = {rest[31:0], number[63:62]};
    wire [33:0] trial = {root, 2'b01};
    wire fits = taken >= trial;
    wire [31:0] rooted = {root[30:0], fits};
    wire [32:0] part = {rest[31:0], lead};
    wire whole = part >= {1'b0, divisor};
    /* verilator lint_off UNUSEDSIGNAL */
    wire [32:0] partial = {1'b0, point} + (factor[0] ? {1'b0, total} : 33'd0);
    /* verilator lint_on UNUSEDSIGNAL */

    assign busy = state != REST;

    always @(posedge clk) begin
        case (state)
            REST: if (start) begin
                number <= sum + {16'd0, epsilon};
                rest <= 0;
                root <= 0;
                divisor <= total;
                factor <= random;
                lead <= 1'b1;
                left <= kind == 2'd1 ? shift : 6'd31;
                state <= kind == 2'd0 ? ROOT : kind == 2'd1 ? DIVIDE : MULTIPLY;
                if (kind == 2'd1) inverse <= 0;
                if (kind == 2'd2) point <= 0;
            end
            ROOT: begin
                number <= number << 2;
                rest <= fits ? taken - trial : taken;
                root <= rooted;
                left <= left - 6'd1;
                if (left == 6'd0) begin
                    divisor <= rooted;
                    rest <= 0;
                    inverse <= 0;
                    left <= shift;
                    state <= DIVIDE;
                end
            end
            DIVIDE: begin
                rest <= whole ? {1'b0, part - {1'b0, divisor}} : {1'b0, part};
                inverse <= {inverse[30:0], whole};
                lead <= 1'b0;
                left <= left - 6'd1;
                if (left == 6'd0) state <= REST;
            end
            default: begin
                point <= partial[32:1];
                factor <= factor >> 1;
                left <= left - 6'd1;
                if (left == 6'd0) state <= REST;
            end
        endcase
        if (rst) state <= REST;
    end
endmodule
`default_nettype wire
