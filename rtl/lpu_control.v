// The sequencer: fetches words, walks over the elements of a pass, drives the arrays.
//
// A word is 22 fields of 16 bits (flow.mapping.lpu.words lists them). A pass begins when the lane is
// empty, so that no element is read before it is written. The clocks of each word are those of
// flow.mapping.lpu.clocks.
`default_nettype none

module lpu_control #(
    parameter HIDDEN = 64,
    parameter POSITIONS = 512,
    parameter LINE = 32,
    parameter PAIRS = 4,
    parameter PC = 10,
    // Positions of passes that read the last ones only, and whether arrays are picked: 0 for neither.
    parameter WINDOW = 0,
    parameter EXPERTS = 0
) (
    input  wire clk,
    input  wire rst,
    // A token comes in: the first of a text, and whether the next one is asked for.
    input  wire in_valid,
    output wire in_ready,
    input  wire [31:0] in_token,
    input  wire in_first,
    input  wire in_ask,
    // The slope of a draw, 0 for the largest, and where its random numbers begin: at the first.
    input  wire [31:0] heat_in,
    input  wire [31:0] seed,
    output reg  out_valid,
    input  wire out_ready,
    output reg  [31:0] out_token,
    output wire full,
    // Memory of words.
    output reg  [PC-1:0] pc,
    /* verilator lint_off UNUSEDSIGNAL */
    input  wire [351:0] word,
    /* verilator lint_on UNUSEDSIGNAL */
    // An element into the lane.
    output reg  valid,
    output reg  first,
    output reg  last,
    output reg  [31:0] a_address,
    output reg  [31:0] b_address,
    output reg  [31:0] d_address,
    output reg  [15:0] index,
    output reg  [31:0] heat,
    input  wire lane_busy,
    input  wire [31:0] largest,
    /* verilator lint_off UNUSEDSIGNAL */
    input  wire [31:0] top,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [31:0] drawn,
    // Root, quotient, point.
    output reg  unit_start,
    output wire [1:0] unit_kind,
    output reg  [31:0] random,
    input  wire unit_busy,
    // Planes of bits and the arrays.
    output wire turn,
    output wire [15:0] array,
    output wire [15:0] picked,
    output reg  run,
    output reg  plane_first,
    output reg  plane_last
);
    localparam [2:0] IDLE = 0, FETCH = 1, START = 2, WALK = 3, DRAIN = 4, PLANES = 5, UNIT = 6,
        ANSWER = 7;
    localparam [3:0] PASS = 1, APPLY = 2, ROOT = 3, DIVIDE = 4, ASKED = 5, GREEDY = 6,
        POINT = 7, TAKE = 8;

    reg [2:0] state;
    // The expert that was taken, and where the window begins in the caches.
    reg [15:0] expert;
    reg [31:0] begun;
    reg ask;
    reg [31:0] position, line, turned, embedded;
    reg [15:0] outer, inner;
    reg [31:0] a_row, b_row;
    reg [3:0] plane;

    wire [3:0] op = word[3:0];
    wire [1:0] a = word[5:4];
    wire [2:0] b = word[9:7];
    wire held = WINDOW != 0 && word[16+6] && position >= WINDOW;
    // A bit that flips must not make a pass walk on and on: it never goes beyond the positions.
    wire [15:0] seen = held ? WINDOW[15:0] : position >= POSITIONS ? 16'd1 :
        position[15:0] + 16'd1;
    wire [31:0] further = EXPERTS != 0 ? expert * word[16*21+:16] : 32'd0;
    wire [15:0] outers = word[11] ? seen : word[16*2+:16];
    wire [15:0] inners = word[12] ? seen : word[16*3+:16];
    wire [31:0] a_base = word[16*4+:32] + (a == 2'd1 ? embedded : 32'd0)
        + (word[16+7] ? further : 32'd0);
    wire [15:0] a_inner = word[16*6+:16];
    wire [15:0] a_outer = word[16*7+:16];
    wire [31:0] b_base = word[16*8+:32] + (b == 3'd6 ? turned : 32'd0)
        + (word[16+8] ? further : 32'd0) + (held && b == 3'd5 ? begun : 32'd0);
    wire [15:0] b_inner = word[16*10+:16];
    wire [15:0] b_outer = word[16*11+:16];
    wire [31:0] d_base = word[16*12+:32] + (word[17:16] == 2'd2 ? line : 32'd0)
        + (word[16+9] ? further : 32'd0);
    wire [15:0] d_outer = word[16*14+:16];

    assign full = position == POSITIONS;
    assign in_ready = state == IDLE && (!full || in_first);
    assign picked = EXPERTS != 0 && word[16+10] ? expert : 16'd0;
    assign array = word[16*18+:16] + picked;
    assign unit_kind = op == ROOT ? 2'd0 : op == DIVIDE ? 2'd1 : 2'd2;
    assign turn = run && plane != 4'd9;

    // xorshift32
    wire [31:0] shaken = random ^ (random << 13);
    wire [31:0] stirred = shaken ^ (shaken >> 17);

    always @(posedge clk) begin
        unit_start <= 1'b0;
        valid <= 1'b0;
        case (state)
            IDLE: if (in_valid && in_ready) begin
                ask <= in_ask;
                embedded <= in_token * HIDDEN;
                pc <= 0;
                state <= FETCH;
                if (in_first) begin
                    position <= 0;
                    line <= 0;
                    begun <= 0;
                    turned <= 0;
                    heat <= heat_in;
                    random <= seed;
                end
            end
            FETCH: state <= START;
            START: begin
                outer <= 0;
                inner <= 0;
                a_row <= a_base;
                b_row <= b_base;
                a_address <= a_base;
                b_address <= b_base;
                d_address <= d_base;
                index <= 0;
                first <= 1'b1;
                plane <= 0;
                case (op)
                    PASS: begin
                        valid <= 1'b1;
                        last <= inners == 16'd1;
                        state <= WALK;
                    end
                    APPLY: begin
                        run <= 1'b1;
                        plane_first <= 1'b1;
                        plane_last <= 1'b0;
                        plane <= 4'd1;
                        state <= PLANES;
                    end
                    ROOT, DIVIDE, POINT: begin
                        unit_start <= 1'b1;
                        if (op == POINT) random <= stirred ^ (stirred << 5);
                        state <= UNIT;
                    end
                    ASKED: begin
                        pc <= pc + 1'b1;
                        state <= ask ? FETCH : ANSWER;
                    end
                    TAKE: begin
                        pc <= pc + 1'b1;
                        state <= FETCH;
                        if (EXPERTS != 0) expert <= word[16+2] ? top[15:0] : largest[15:0];
                    end
                    GREEDY: begin
                        pc <= pc + 1'b1;
                        state <= heat == 32'd0 ? ANSWER : FETCH;
                        out_token <= largest;
                        out_valid <= heat == 32'd0;
                    end
                    default: begin
                        out_token <= drawn;
                        out_valid <= ask;
                        state <= ANSWER;
                    end
                endcase
            end
            WALK: begin
                // The element that is in the registers goes; the next one follows.
                valid <= 1'b1;
                if (inner + 16'd1 < inners) begin
                    inner <= inner + 16'd1;
                    a_address <= a_address + {16'd0, a_inner};
                    b_address <= b_address + {16'd0, b_inner};
                    first <= 1'b0;
                    last <= inner + 16'd2 == inners;
                end else begin
                    inner <= 0;
                    outer <= outer + 16'd1;
                    index <= index + 16'd1;
                    a_row <= a_row + {16'd0, a_outer};
                    b_row <= b_row + {16'd0, b_outer};
                    a_address <= a_row + {16'd0, a_outer};
                    b_address <= b_row + {16'd0, b_outer};
                    d_address <= d_address + {16'd0, d_outer};
                    first <= 1'b1;
                    last <= inners == 16'd1;
                    if (outer + 16'd1 >= outers) begin
                        valid <= 1'b0;
                        state <= DRAIN;
                    end
                end
            end
            DRAIN: if (!lane_busy) begin
                pc <= pc + 1'b1;
                state <= FETCH;
            end
            PLANES: begin
                plane <= plane + 4'd1;
                plane_first <= 1'b0;
                plane_last <= plane == 4'd7;
                if (plane == 4'd9) begin
                    run <= 1'b0;
                    pc <= pc + 1'b1;
                    state <= FETCH;
                end
            end
            UNIT: if (!unit_start && !unit_busy) begin
                pc <= pc + 1'b1;
                state <= FETCH;
            end
            default: if (!out_valid || out_ready) begin
                out_valid <= 1'b0;
                position <= position + 1;
                line <= line + LINE;
                if (WINDOW != 0 && position + 32'd1 >= WINDOW) begun <= begun + LINE;
                turned <= turned + PAIRS;
                state <= IDLE;
            end
        endcase
        if (rst) begin
            state <= IDLE;
            out_valid <= 1'b0;
            valid <= 1'b0;
            run <= 1'b0;
            position <= 0;
            line <= 0;
            begun <= 0;
            turned <= 0;
            expert <= 0;
            heat <= 0;
            random <= 32'd1;
        end
    end
endmodule
`default_nettype wire
