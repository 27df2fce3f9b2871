// A processing element: four [2,1,1,1;T] neurons in two pairs, four banks of 16 bits.
//
// `word` says what it does in this clock: two pairs of 24 bits from bit 0, then four banks of 11
// bits, as flow.mapping.tulip.machine lays them out. A pair fetches three operands of any source:
// 0, 1, the external bits e0 and e1, the four read ports, the four neurons. Its carry neuron sees
// them at once, its sum neuron in the next clock. A bank writes what a neuron answered before.
// `answer` is neuron 0. The model is flow.mapping.tulip.elements.Elements. GATES = 1 takes the
// neurons of ordinary gates.
`default_nettype none

module tulip_pe #(
    parameter GATES = 0
) (
    input  wire clk,
    input  wire [91:0] word,
    input  wire e0,
    input  wire e1,
    output wire answer
);
    wire [3:0] q;
    wire [3:0] r;
    wire [15:0] sources = {4'b0000, q, r, e1, e0, 2'b10};

    genvar k;
    generate
        for (k = 0; k < 4; k = k + 1) begin : bank
            wire [10:0] field = word[48+11*k+:11];
            reg [15:0] bits;
            initial bits = 16'd0;
            assign r[k] = bits[field[3:0]];
            always @(posedge clk) if (field[10]) bits[field[7:4]] <= q[field[9:8]];
        end
        for (k = 0; k < 2; k = k + 1) begin : pair
            wire [23:0] field = word[24*k+:24];
            wire x = sources[field[3:0]];
            wire y = sources[field[7:4]];
            wire z = sources[field[11:8]];
            // Inputs of weight 2: of the carry neuron 0, e1, bank 3 or the sum; of the sum neuron
            // 0, not carry, carry or 1.
            wire ca = field[12] ? (field[13] ? q[2*k+1] : e1) : (field[13] & r[3]);
            wire sa = field[18] ? (field[19] | ~q[2*k]) : (field[19] & q[2*k]);
            reg [2:0] held;
            initial held = 3'd0;
            always @(posedge clk) if (field[17]) held <= {z, y, x};
            if (GATES != 0) begin : gates
                tulip_neuron_gates carry (
                    .clk(clk), .en(field[17]), .t(field[16:14]),
                    .a(ca), .b(x), .c(y), .d(z), .q(q[2*k])
                );
                tulip_neuron_gates total (
                    .clk(clk), .en(field[23]), .t(field[22:20]),
                    .a(sa), .b(held[0]), .c(held[1]), .d(held[2]), .q(q[2*k+1])
                );
            end else begin : cells
                tulip_neuron carry (
                    .clk(clk), .en(field[17]), .t(field[16:14]),
                    .a(ca), .b(x), .c(y), .d(z), .q(q[2*k])
                );
                tulip_neuron total (
                    .clk(clk), .en(field[23]), .t(field[22:20]),
                    .a(sa), .b(held[0]), .c(held[1]), .d(held[2]), .q(q[2*k+1])
                );
            end
        end
    endgenerate

    assign answer = q[0];
endmodule

`default_nettype wire
