// How many of N bits are 1: two halves and one bit more as the carry.
`default_nettype none

module mac_count #(
    parameter N = 3
) (
    input  wire [N-1:0] x,
    output wire [$clog2(N+1)-1:0] count
);
    localparam W = $clog2(N + 1);
    localparam LEFT = N / 2;
    localparam RIGHT = N - 1 - LEFT;
    generate
        if (N == 1) begin : one
            assign count = x;
        end else if (N == 2) begin : two
            assign count = {x[1] & x[0], x[1] ^ x[0]};
        end else begin : more
            wire [$clog2(LEFT+1)-1:0] left;
            wire [$clog2(RIGHT+1)-1:0] right;
            mac_count #(.N(LEFT)) one_half (.x(x[LEFT-1:0]), .count(left));
            mac_count #(.N(RIGHT)) other (.x(x[LEFT+:RIGHT]), .count(right));
            mac_add #(.W(W)) both (
                .a({{(W-$clog2(LEFT+1)){1'b0}}, left}),
                .b({{(W-$clog2(RIGHT+1)){1'b0}}, right}),
                .c(x[N-1]), .s(count)
            );
        end
    endgenerate
endmodule

`default_nettype wire
