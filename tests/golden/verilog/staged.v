// staged: made by flow 0.1.0
// model    small.h5
// command  flow build small.h5 --target printed
// seed     7
// latency  2 registers; a new sample every clock
//
// Lanes of the ports, two's complement where signed:
//   input x, 8 bits
//     0: bits 3:0, signed, [-8, 7]
//     1: bits 7:4, unsigned, [0, 15]
//   output y, 8 bits
//     0: bits 7:0, signed, [-120, 105]
`default_nettype none

module staged (
    input  wire clk,
    input  wire [7:0] x,
    output wire [7:0] y
);

    wire signed [3:0] x_0 = x[3:0];  // [-8, 7]
    wire [3:0] x_1 = x[7:4];  // [0, 15]
    wire signed [7:0] dense_1_acc_0 = $signed({{4{x_0[3]}}, x_0}) * $signed({4'd0, x_1});  // [-120, 105]
    reg signed [7:0] dense_1_stage_0;  // [-120, 105]
    reg [3:0] dense_1_r4;  // [0, 15]
    wire dense_1_t5 = dense_1_stage_0 <= $signed({4'd0, dense_1_r4});  // [0, 1]
    wire signed [7:0] dense_1_t6 = dense_1_t5 ? {4'd0, dense_1_r4} : dense_1_stage_0;  // [-120, 105]
    reg signed [7:0] dense_1_r7;  // [-120, 105]

    assign y = dense_1_r7;  // [-120, 105]

    always @(posedge clk) begin
        dense_1_stage_0 <= dense_1_acc_0;
        dense_1_r4 <= x_1;
        dense_1_r7 <= dense_1_t6;
    end

endmodule

`default_nettype wire
