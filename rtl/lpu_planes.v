// The inputs of the arrays: INT8 values come in one by one and leave bit by bit, the lowest first.
//
// The last value is at the top. After eight turns everything is where it was.
`default_nettype none

module lpu_planes #(
    parameter INPUTS = 64
) (
    input  wire clk,
    input  wire load,
    input  wire [7:0] value,
    input  wire turn,
    output wire [INPUTS-1:0] plane
);
    reg [INPUTS-1:0] p0, p1, p2, p3, p4, p5, p6, p7;

    assign plane = p0;

    always @(posedge clk)
        if (load) begin
            p0 <= {value[0], p0[INPUTS-1:1]};
            p1 <= {value[1], p1[INPUTS-1:1]};
            p2 <= {value[2], p2[INPUTS-1:1]};
            p3 <= {value[3], p3[INPUTS-1:1]};
            p4 <= {value[4], p4[INPUTS-1:1]};
            p5 <= {value[5], p5[INPUTS-1:1]};
            p6 <= {value[6], p6[INPUTS-1:1]};
            p7 <= {value[7], p7[INPUTS-1:1]};
        end else if (turn) begin
            p0 <= p1;
            p1 <= p2;
            p2 <= p3;
            p3 <= p4;
            p4 <= p5;
            p5 <= p6;
            p6 <= p7;
            p7 <= p0;
        end
endmodule
`default_nettype wire
