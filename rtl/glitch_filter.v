// Brings a line of another clock to this one, and follows it after LENGTH equal samples.
//
// Pulses shorter than LENGTH - 1 clocks are never seen: at 40 MHz the usual 3 take out the 50 ns that
// the I2C specification names for its fast modes. An idle line is 1, and so is the reset state.
`default_nettype none

module glitch_filter #(
    parameter LENGTH = 3,
    parameter TMR = 0
) (
    input  wire clk,
    input  wire rst,
    input  wire line,
    output wire level,
    output wire wrong
);
    // From the top: the level, the last LENGTH samples, and two flip-flops against metastability.
    localparam WIDTH = LENGTH + 3;

    wire [WIDTH-1:0] state;
    wire [WIDTH-1:0] differ;
    wire [LENGTH-1:0] seen = state[LENGTH+1:2];
    wire next = (&seen) | (level & (|seen));

    held_register #(
        .WIDTH(WIDTH),
        .TMR  (TMR),
        .RESET({WIDTH{1'b1}})
    ) held (
        .clk(clk),
        .rst(rst),
        .d({next, state[LENGTH:0], line}),
        .q(state),
        .wrong(differ)
    );

    assign level = state[WIDTH-1];
    assign wrong = |differ;
endmodule

`default_nettype wire
