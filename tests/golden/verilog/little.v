// little: made by flow 0.1.0
// model    small.h5
// command  flow build small.h5 --target printed
// seed     7
// latency  0 registers: combinational
//
// Lanes of the ports, two's complement where signed:
//   input x, 8 bits
//     0: bits 3:0, signed, [-8, 7]
//     1: bits 7:4, unsigned, [0, 15]
//   output y, 8 bits
//     0: bits 5:0, signed, [-4, 28]
//     1: bits 7:6, unsigned, [0, 3]
`default_nettype none

module little (
    input  wire [7:0] x,
    output wire [7:0] y
);

    function [3:0] lut;
        input [3:0] index;
        lut = (index[3] ? (index[2] ? 4'd4 : (index[1] ? (index[0] ? 4'd4 : 4'd3) :
            (index[0] ? 4'd2 : 4'd1))) : (index[2] ? (index[1] ? (index[0] ? -4'd6 : -4'd5) :
            4'd4) : 4'd4));
    endfunction

    wire signed [3:0] x_0 = x[3:0];  // [-8, 7]
    wire [3:0] x_1 = x[7:4];  // [0, 15]
    wire signed [5:0] dense_1_acc_0 = {{2{x_0[3]}}, x_0} + {2'd0, x_1};  // [-8, 22]
    wire [4:0] dense_1_act_0 = dense_1_acc_0[5] ? 5'd0 : dense_1_acc_0[4:0];  // [0, 22]
    wire signed [3:0] dense_2_t4 = lut(x_0);  // [-6, 4]
    wire signed [5:0] dense_2_acc_0 = {1'd0, dense_1_act_0} - {{2{dense_2_t4[3]}}, dense_2_t4};  // [-4, 28]
    wire [1:0] dense_1_t6 = dense_1_acc_0[5] ? 2'd0 : (dense_1_acc_0 > 6'sd3) ? 2'd3 : dense_1_acc_0[1:0];  // [0, 3]

    assign y[5:0] = dense_2_acc_0;  // [-4, 28]
    assign y[7:6] = dense_1_t6;  // [0, 3]

endmodule

`default_nettype wire
