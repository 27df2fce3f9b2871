// WIDTH processing elements that do the same: four [2,1,1,1;T] neurons each, four banks of 16 bits.
//
// `word` says what they do in this clock: two pairs of 24 bits from bit 0, then four banks of 11
// bits, as flow.mapping.tulip.machine lays them out. A pair fetches three operands of any source:
// 0, 1, the external bits e0 and e1, the four read ports, the four neurons. Its carry neuron sees
// them at once, its sum neuron in the next clock. A bank writes what a neuron answered before.
// Bit k of every bus belongs to element k; `answer` is neuron 0. The model is
// flow.mapping.tulip.elements.Elements. GATES = 1 takes the neurons of ordinary gates.
`default_nettype none

module tulip_pe #(
    parameter WIDTH = 1,
    parameter GATES = 0
) (
    input  wire clk,
    input  wire [91:0] word,
    input  wire [WIDTH-1:0] e0,
    input  wire [WIDTH-1:0] e1,
    output wire [WIDTH-1:0] answer
);
    wire [4*WIDTH-1:0] q;
    wire [4*WIDTH-1:0] r;
    // Sources of an operand: 0, 1, e0, e1, banks, neurons.
    wire [12*WIDTH-1:0] sources = {q, r, e1, e0, {WIDTH{1'b1}}, {WIDTH{1'b0}}};

    genvar k;
    genvar j;
    generate
        for (k = 0; k < 4; k = k + 1) begin : bank
            wire [10:0] field = word[48+11*k+:11];
            reg [WIDTH-1:0] bits[0:15];
            integer n;
            initial for (n = 0; n < 16; n = n + 1) bits[n] = 0;
            assign r[WIDTH*k+:WIDTH] = bits[field[3:0]];
            always @(posedge clk) if (field[10]) bits[field[7:4]] <= q[WIDTH*field[9:8]+:WIDTH];
        end
        for (k = 0; k < 2; k = k + 1) begin : pair
            wire [23:0] field = word[24*k+:24];
            wire [3*WIDTH-1:0] operands;
            for (j = 0; j < 3; j = j + 1) begin : operand
                assign operands[WIDTH*j+:WIDTH] = sources[WIDTH*field[4*j+:4]+:WIDTH];
            end
            wire [WIDTH-1:0] carry = q[WIDTH*2*k+:WIDTH];
            wire [WIDTH-1:0] total = q[WIDTH*(2*k+1)+:WIDTH];
            // Inputs of weight 2: of the carry neuron 0, e1, bank 3 or the sum; of the sum neuron
            // 0, not carry, carry or 1.
            wire [WIDTH-1:0] carry_a = field[12] ? (field[13] ? total : e1)
                                                 : {WIDTH{field[13]}} & r[3*WIDTH+:WIDTH];
            wire [WIDTH-1:0] total_a = field[18] ? {WIDTH{field[19]}} | ~carry
                                                 : {WIDTH{field[19]}} & carry;
            reg [3*WIDTH-1:0] held;
            initial held = 0;
            always @(posedge clk) if (field[17]) held <= operands;
            if (GATES != 0) begin : gates
                tulip_neuron_gates #(
                    .WIDTH(WIDTH)
                ) carry_neuron (
                    .clk(clk), .en(field[17]), .t(field[16:14]), .a(carry_a),
                    .b(operands[0+:WIDTH]), .c(operands[WIDTH+:WIDTH]),
                    .d(operands[2*WIDTH+:WIDTH]), .q(q[WIDTH*2*k+:WIDTH])
                );
                tulip_neuron_gates #(
                    .WIDTH(WIDTH)
                ) sum_neuron (
                    .clk(clk), .en(field[23]), .t(field[22:20]), .a(total_a),
                    .b(held[0+:WIDTH]), .c(held[WIDTH+:WIDTH]),
                    .d(held[2*WIDTH+:WIDTH]), .q(q[WIDTH*(2*k+1)+:WIDTH])
                );
            end else begin : cells
                tulip_neuron #(
                    .WIDTH(WIDTH)
                ) carry_neuron (
                    .clk(clk), .en(field[17]), .t(field[16:14]), .a(carry_a),
                    .b(operands[0+:WIDTH]), .c(operands[WIDTH+:WIDTH]),
                    .d(operands[2*WIDTH+:WIDTH]), .q(q[WIDTH*2*k+:WIDTH])
                );
                tulip_neuron #(
                    .WIDTH(WIDTH)
                ) sum_neuron (
                    .clk(clk), .en(field[23]), .t(field[22:20]), .a(total_a),
                    .b(held[0+:WIDTH]), .c(held[WIDTH+:WIDTH]),
                    .d(held[2*WIDTH+:WIDTH]), .q(q[WIDTH*(2*k+1)+:WIDTH])
                );
            end
        end
    endgenerate

    assign answer = q[0+:WIDTH];
endmodule

`default_nettype wire
