// An I2C target with 16-bit byte addresses: writes and reads bytes of a memory, the address counts up.
//
// Write: start, ADDRESS + 0, high byte of the address, low byte, bytes ..., stop. Read: the same up to
// the address, then start, ADDRESS + 1, bytes ..., which the controller acknowledges except the last.
// sda_low pulls the line down; it is never driven high. No clock stretching. A byte is written in
// the clock in which write is 1; read must hold the byte at address within the clock.
`default_nettype none

module i2c_target #(
    parameter [6:0] ADDRESS = 7'h42,
    parameter FILTER = 3,
    parameter TMR = 0
) (
    input  wire clk,
    input  wire rst,
    input  wire scl_in,
    input  wire sda_in,
    output wire sda_low,
    output wire write,
    output wire [15:0] address,
    output wire [7:0] data,
    input  wire [7:0] read,
    output wire wrong
);
    localparam [2:0] IDLE = 0, SELECT = 1, HIGH = 2, LOW = 3, WRITE = 4, READ = 5;
    localparam [3:0] ACKNOWLEDGE = 8, END = 9;
    localparam WIDTH = 3 + 4 + 8 + 16 + 1 + 1 + 2;

    wire scl;
    wire sda;
    wire scl_wrong;
    wire sda_wrong;
    glitch_filter #(
        .LENGTH(FILTER),
        .TMR(TMR)
    ) scl_filter (
        .clk(clk),
        .rst(rst),
        .line(scl_in),
        .level(scl),
        .wrong(scl_wrong)
    );
    glitch_filter #(
        .LENGTH(FILTER),
        .TMR(TMR)
    ) sda_filter (
        .clk(clk),
        .rst(rst),
        .line(sda_in),
        .level(sda),
        .wrong(sda_wrong)
    );

    // Which byte comes, which of its bits, the bits, the address, whether to read, the pull, the lines
    // one clock ago.
    wire [2:0] stage;
    wire [3:0] count;
    wire [7:0] shift;
    wire [15:0] pointer;
    wire reading;
    wire pull;
    wire scl_before;
    wire sda_before;
    reg [2:0] stage_next;
    reg [3:0] count_next;
    reg [7:0] shift_next;
    reg [15:0] pointer_next;
    reg reading_next;
    reg pull_next;
    wire [WIDTH-1:0] differ;
    held_register #(
        .WIDTH(WIDTH),
        .TMR  (TMR),
        .RESET({{(WIDTH - 2) {1'b0}}, 2'b11})
    ) held (
        .clk(clk),
        .rst(rst),
        .d({stage_next, count_next, shift_next, pointer_next, reading_next, pull_next, scl, sda}),
        .q({stage, count, shift, pointer, reading, pull, scl_before, sda_before}),
        .wrong(differ)
    );

    wire rise = scl & ~scl_before;
    wire fall = ~scl & scl_before;
    wire start = scl & scl_before & ~sda & sda_before;
    wire stop = scl & scl_before & sda & ~sda_before;

    assign write   = fall & ~start & ~stop & stage == WRITE & count == ACKNOWLEDGE;
    assign address = pointer;
    assign data    = shift;
    assign sda_low = pull;
    assign wrong   = scl_wrong | sda_wrong | (|differ);

    always @* begin
        stage_next = stage;
        count_next = count;
        shift_next = shift;
        pointer_next = pointer;
        reading_next = reading;
        pull_next = pull;
        if (start) begin
            stage_next = SELECT;
            count_next = 0;
            pull_next  = 0;
        end else if (stop) begin
            stage_next = IDLE;
            pull_next  = 0;
        end else if (stage == READ) begin
            if (rise && count == ACKNOWLEDGE) begin
                // The controller's answer: 0 asks for another byte.
                shift_next = {7'd0, sda};
            end else if (fall && count == ACKNOWLEDGE) begin
                count_next = 0;
                shift_next = read;
                stage_next = shift[0] ? IDLE : READ;
                pull_next  = ~shift[0] & ~read[7];
            end else if (fall && count == 7) begin
                count_next = ACKNOWLEDGE;
                pull_next = 0;
                pointer_next = pointer + 1;
            end else if (fall) begin
                count_next = count + 1;
                shift_next = {shift[6:0], 1'b0};
                pull_next  = ~shift[6];
            end
        end else if (stage != IDLE) begin
            if (rise && count < ACKNOWLEDGE) begin
                count_next = count + 1;
                shift_next = {shift[6:0], sda};
            end else if (fall && count == ACKNOWLEDGE) begin
                count_next = END;
                pull_next  = 1;
                case (stage)
                    SELECT: begin
                        reading_next = shift[0];
                        if (shift[7:1] != ADDRESS) begin
                            stage_next = IDLE;
                            pull_next  = 0;
                        end
                    end
                    HIGH: pointer_next[15:8] = shift;
                    LOW: pointer_next[7:0] = shift;
                    default: pointer_next = pointer + 1;
                endcase
            end else if (fall && count == END) begin
                count_next = 0;
                pull_next  = 0;
                case (stage)
                    SELECT: begin
                        stage_next = reading ? READ : HIGH;
                        if (reading) begin
                            shift_next = read;
                            pull_next  = ~read[7];
                        end
                    end
                    HIGH: stage_next = LOW;
                    default: stage_next = WRITE;
                endcase
            end
        end
    end
endmodule

`default_nettype wire
