// Holds up to two words of a stream; both of its ready and valid are flip-flops.
//
// A word is taken at a rising edge where valid and ready are 1, on either side. Words leave in the
// order in which they came, one each clock while both sides agree. s_ready does not depend on
// m_ready within a clock, nor m_valid and m_data on the s side: every output is a register, or its
// complement. resetn is synchronous and active low; s_valid must be 0 while it is 0.
`default_nettype none

module axis_skid #(
    parameter WIDTH = 8
) (
    input  wire clk,
    input  wire resetn,
    input  wire s_valid,
    output wire s_ready,
    input  wire [WIDTH-1:0] s_data,
    output wire m_valid,
    input  wire m_ready,
    output wire [WIDTH-1:0] m_data
);
    reg head_full;
    reg spare_full;
    reg [WIDTH-1:0] head;
    reg [WIDTH-1:0] spare;

    assign s_ready = ~spare_full;
    assign m_valid = head_full;
    assign m_data = head;

    wire room = m_ready | ~head_full;

    always @(posedge clk)
        if (!resetn) begin
            head_full <= 1'b0;
            spare_full <= 1'b0;
        end else if (room) begin
            head_full <= spare_full | s_valid;
            spare_full <= 1'b0;
        end else if (s_valid) begin
            spare_full <= 1'b1;
        end

    // The spare follows the input until it is full: what it holds then came while head was kept.
    always @(posedge clk) begin
        if (room) head <= spare_full ? spare : s_data;
        if (!spare_full) spare <= s_data;
    end
endmodule

`default_nettype wire
