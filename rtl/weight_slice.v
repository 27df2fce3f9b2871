// Holds BYTES bytes of a weight bank, at most 256; a module of its own, so that all slices are synthesised once.
//
// With TMR each byte and its parity are held in three copies, voted, and written back each clock:
// differ says that copies differ now, lost that a byte has lost its parity. here chooses the slice.
// The attribute is that of Yosys.
`default_nettype none

(* keep_hierarchy *)
module weight_slice #(
    parameter BYTES = 64,
    parameter TMR = 0
) (
    input  wire clk,
    input  wire here,
    input  wire write,
    input  wire [7:0] place,
    input  wire [7:0] data,
    output reg  [7:0] read,
    output wire differ,
    output wire lost,
    output reg  [8*BYTES-1:0] weights
);
    // A byte has its parity where a vote may be wrong.
    localparam EACH = TMR != 0 ? 9 : 8;

    wire [EACH*BYTES-1:0] held;
    wire [EACH*BYTES-1:0] wrong;
    reg [EACH*BYTES-1:0] next;
    reg [BYTES-1:0] odd;
    held_register #(
        .WIDTH(EACH * BYTES),
        .TMR  (TMR)
    ) bytes (
        .clk(clk),
        .rst(1'b0),
        .d(next),
        .q(held),
        .wrong(wrong)
    );
    assign differ = |wrong;
    assign lost = |odd;

    // What is held on: the voted bytes with their parity made anew, or what is written.
    integer k;
    always @* begin
        next = held;
        odd = 0;
        weights = 0;
        for (k = 0; k < BYTES; k = k + 1) begin
            weights[8*k+:8] = held[EACH*k+:8];
            if (here && write && place == k[7:0]) next[EACH*k+:8] = data;
            if (EACH == 9) begin
                next[EACH*k+EACH-1] = ^next[EACH*k+:8];
                odd[k] = ^held[EACH*k+:EACH];
            end
        end
    end

    integer m;
    always @* begin
        read = 0;
        for (m = 0; m < BYTES; m = m + 1)
            read = read | ({8{here && place == m[7:0]}} & weights[8*m+:8]);
    end
endmodule

`default_nettype wire
