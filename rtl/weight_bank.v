// Holds BYTES bytes of weights that a byte-wide port writes and reads, and counts upsets.
//
// Bytes lie from address 0. With TMR_WEIGHTS each byte and its parity are held in three copies, voted, and
// written back each clock. A bank is BANK bytes; at 0x8000 + 2 * bank stands how many clocks saw
// its copies differ (they were repaired), one above how many saw a byte lose its parity: two copies
// of one bit were upset at once, and the byte must be written again. Behind the last bank stands the
// same for the control registers, which are counted with TMR_CONTROL. Counters stop at 255; any
// write at 0x8000 or above clears them all.
`default_nettype none

module weight_bank #(
    parameter BYTES = 16,
    parameter BANK = 64,
    parameter TMR_WEIGHTS = 0,
    parameter TMR_CONTROL = 0
) (
    input  wire clk,
    input  wire rst,
    input  wire write,
    input  wire [15:0] address,
    input  wire [7:0] data,
    output wire [7:0] read,
    input  wire upset,
    output wire [8*BYTES-1:0] weights
);
    localparam BANKS = (BYTES + BANK - 1) / BANK;
    // A byte has its parity where a vote may be wrong.
    localparam EACH = TMR_WEIGHTS != 0 ? 9 : 8;
    localparam COUNTED = (TMR_WEIGHTS != 0 ? BANKS : 0) + (TMR_CONTROL != 0 ? 1 : 0);
    localparam FIRST = TMR_WEIGHTS != 0 ? 0 : BANKS;

    wire [EACH*BYTES-1:0] held;
    wire [EACH*BYTES-1:0] differ;
    reg [EACH*BYTES-1:0] kept;
    reg [EACH*BYTES-1:0] next;
    reg [8*BYTES-1:0] words;
    reg [BYTES-1:0] lost;
    reg [7:0] found;
    held_register #(
        .WIDTH(EACH * BYTES),
        .TMR  (TMR_WEIGHTS)
    ) bytes (
        .clk(clk),
        .rst(1'b0),
        .d(next),
        .q(held),
        .wrong(differ)
    );
    assign weights = words;

    // What is held, and what is held on: the voted bytes with their parity made anew.
    integer k;
    always @* begin
        kept = held;
        lost = 0;
        words = 0;
        for (k = 0; k < BYTES; k = k + 1) begin
            words[8*k+:8] = held[EACH*k+:8];
            if (EACH == 9) begin
                kept[EACH*k+EACH-1] = ^held[EACH*k+:8];
                lost[k] = ^held[EACH*k+:EACH];
            end
        end
    end

    integer n;
    always @* begin
        next = kept;
        for (n = 0; n < BYTES; n = n + 1)
            if (write && address == n[15:0]) begin
                if (EACH == 9) next[EACH*n+EACH-1] = ^data;
                next[EACH*n+:8] = data;
            end
    end

    integer m;
    always @* begin
        found = 0;
        for (m = 0; m < BYTES; m = m + 1)
            found = found | ({8{address == m[15:0]}} & words[8*m+:8]);
    end

    // Counters: 16 bits each, repaired below lost.
    wire [7:0] counted;
    genvar i;
    genvar j;
    generate
        if (COUNTED > 0) begin : counters
            wire [16*COUNTED-1:0] total;
            wire [16*COUNTED-1:0] total_next;
            wire [16*COUNTED-1:0] total_differ;
            wire clear = write & address[15];
            wire [2*COUNTED-1:0] event_now;
            wire [16*COUNTED-1:0] shown;
            // Without copies of one kind, some of these are not looked at.
            wire unused = &{1'b0, upset, total_differ, differ, lost};
            held_register #(
                .WIDTH(16 * COUNTED),
                .TMR  (TMR_CONTROL)
            ) totals (
                .clk(clk),
                .rst(rst),
                .d(total_next),
                .q(total),
                .wrong(total_differ)
            );
            for (i = 0; i < COUNTED; i = i + 1) begin : count
                if (TMR_WEIGHTS != 0 && i < BANKS) begin : bank
                    localparam LAST = (i + 1) * BANK < BYTES ? (i + 1) * BANK : BYTES;
                    assign event_now[2*i] = |differ[EACH*LAST-1:EACH*BANK*i];
                    assign event_now[2*i+1] = |lost[LAST-1:BANK*i];
                end else begin : control
                    assign event_now[2*i] = upset | (|total_differ);
                    assign event_now[2*i+1] = 1'b0;
                end
            end
            for (i = 0; i < 2 * COUNTED; i = i + 1) begin : step
                localparam integer PLACE = 32768 + 2 * FIRST + i;
                wire [7:0] now = total[8*i+:8];
                assign total_next[8*i+:8] = clear ? 8'd0 : now + {7'd0, event_now[i] & ~&now};
                for (j = 0; j < 8; j = j + 1) begin : bits
                    assign shown[2*COUNTED*j+i] = now[j] & address == PLACE[15:0];
                end
            end
            for (j = 0; j < 8; j = j + 1) begin : reads
                assign counted[j] = |shown[2*COUNTED*j+:2*COUNTED];
            end
        end else begin : silent
            wire unused = &{1'b0, upset, rst, differ, lost};
            assign counted = 8'd0;
        end
    endgenerate

    assign read = counted | found;
endmodule

`default_nettype wire
