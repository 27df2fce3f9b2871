// Holds BYTES bytes of weights that a byte-wide port writes and reads, and counts upsets.
//
// Bytes lie from address 0 in slices of BANK bytes, a power of two and at most 256. With TMR_WEIGHTS each
// byte and its parity are held in three copies, voted, and written back each clock. At 0x8000 + 2 *
// slice stands how many clocks saw its copies differ (they were repaired), one above how many saw a
// byte lose its parity: two copies of one bit were upset at once, and the byte must be written
// again. Behind the last slice stands the same for the control registers, which are counted with
// TMR_CONTROL. Counters stop at 255; any write at 0x8000 or above clears them all.
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
    localparam COUNTED = (TMR_WEIGHTS != 0 ? BANKS : 0) + (TMR_CONTROL != 0 ? 1 : 0);
    localparam FIRST = TMR_WEIGHTS != 0 ? 0 : BANKS;

    wire [BANKS-1:0] differ;
    wire [BANKS-1:0] lost;
    wire [8*BANKS-1:0] shares;
    localparam integer LOW = BANK - 1;
    wire [7:0] place = address[7:0] & LOW[7:0];
    genvar i;
    genvar j;
    generate
        for (i = 0; i < BANKS; i = i + 1) begin : slices
            localparam SIZE = (i + 1) * BANK < BYTES ? BANK : BYTES - i * BANK;
            localparam integer START = i * BANK;
            (* keep *)
            weight_slice #(
                .BYTES(SIZE),
                .TMR  (TMR_WEIGHTS)
            ) slice (
                .clk(clk),
                .here((address & ~LOW[15:0]) == START[15:0]),
                .write(write),
                .place(place),
                .data(data),
                .read(shares[8*i+:8]),
                .differ(differ[i]),
                .lost(lost[i]),
                .weights(weights[8*BANK*i+:8*SIZE])
            );
        end
    endgenerate

    reg [7:0] found;
    integer m;
    always @* begin
        found = 0;
        for (m = 0; m < BANKS; m = m + 1) found = found | shares[8*m+:8];
    end

    // Counters: 16 bits each, repaired below lost.
    wire [7:0] counted;
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
                    assign event_now[2*i] = differ[i];
                    assign event_now[2*i+1] = lost[i];
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
