// The sum of N numbers of W bits, modulo 2**W.
`default_nettype none

module mac_total #(
    parameter N = 2,
    parameter W = 4
) (
    input  wire [N*W-1:0] x,
    output wire [W-1:0] total
);
    localparam LEFT = N / 2;
    generate
        if (N == 1) begin : one
            assign total = x;
        end else begin : more
            wire [W-1:0] left;
            wire [W-1:0] right;
            mac_total #(.N(LEFT), .W(W)) one_half (.x(x[LEFT*W-1:0]), .total(left));
            mac_total #(.N(N-LEFT), .W(W)) other (.x(x[N*W-1:LEFT*W]), .total(right));
            mac_add #(.W(W)) both (.a(left), .b(right), .c(1'b0), .s(total));
        end
    endgenerate
endmodule

`default_nettype wire
