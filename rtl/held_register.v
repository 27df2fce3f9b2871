// A register, with TMR in three copies and a vote: q is d of the clock before, RESET after rst.
//
// Who holds a value writes q back to d, so that a copy that was upset is right again after one
// clock. wrong has the bits in which the copies differ now; it is 0 without TMR.
`default_nettype none

module held_register #(
    parameter WIDTH = 8,
    parameter TMR = 0,
    parameter [WIDTH-1:0] RESET = {WIDTH{1'b0}}
) (
    input  wire clk,
    input  wire rst,
    input  wire [WIDTH-1:0] d,
    output wire [WIDTH-1:0] q,
    output wire [WIDTH-1:0] wrong
);
    wire [WIDTH-1:0] load = rst ? RESET : d;
    wire [WIDTH-1:0] a;

    (* keep *)
    register_copy #(
        .WIDTH(WIDTH)
    ) copy_a (
        .clk(clk),
        .d(load),
        .q(a)
    );

    generate
        if (TMR != 0) begin : triple
            wire [WIDTH-1:0] b;
            wire [WIDTH-1:0] c;
            (* keep *)
            register_copy #(
                .WIDTH(WIDTH)
            ) copy_b (
                .clk(clk),
                .d(load),
                .q(b)
            );
            (* keep *)
            register_copy #(
                .WIDTH(WIDTH)
            ) copy_c (
                .clk(clk),
                .d(load),
                .q(c)
            );
            majority #(
                .WIDTH(WIDTH)
            ) vote (
                .a(a),
                .b(b),
                .c(c),
                .y(q)
            );
            assign wrong = (a ^ b) | (a ^ c);
        end else begin : single
            assign q = a;
            assign wrong = {WIDTH{1'b0}};
        end
    endgenerate
endmodule

`default_nettype wire
