// Holds one word of a stream: valid and data are flip-flops, ready passes through.
//
// A word is taken at a rising edge where valid and ready are 1, on either side; one each clock
// while both sides agree. s_ready depends on m_ready within the clock; m_valid and m_data do not
// depend on the s side. resetn is synchronous and active low; s_valid must be 0 while it is 0.
`default_nettype none

module axis_register #(
    parameter WIDTH = 8
) (
    input  wire clk,
    input  wire resetn,
    input  wire s_valid,
    output wire s_ready,
    input  wire [WIDTH-1:0] s_data,
    output reg  m_valid,
    input  wire m_ready,
    output reg  [WIDTH-1:0] m_data
);
    assign s_ready = m_ready | ~m_valid;

    always @(posedge clk)
        if (!resetn) m_valid <= 1'b0;
        else if (s_ready) m_valid <= s_valid;

    always @(posedge clk)
        if (s_ready) m_data <= s_data;
endmodule

`default_nettype wire
