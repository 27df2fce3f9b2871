// ROWS x COLS processing elements that all do the same, each with its own bits.
//
// A row has its own neuron: two weights (and with MASKS, above them, two masks: 0 takes the input
// out); a column its own sample: two activations. An element's external bits are the products,
// weight XNOR activation. With `pad` they are 0; with `constant` they are the weights themselves;
// with `own` the first one is the channel of the element in the column's whole word.
`default_nettype none

module tulip_array #(
    parameter ROWS = 32,
    parameter COLS = 8,
    parameter MASKS = 0,
    parameter GATES = 0
) (
    input  wire clk,
    input  wire [91:0] word,
    input  wire pad,
    input  wire constant,
    input  wire own,
    input  wire [2*ROWS*(1+MASKS)-1:0] weights,
    input  wire [2*COLS-1:0] activations,
    input  wire [ROWS*COLS-1:0] channels,
    output wire [ROWS*COLS-1:0] answers
);
    wire [2*ROWS-1:0] w = weights[2*ROWS-1:0] | {2 * ROWS{pad}};
    wire [2*COLS-1:0] x = (activations | {2 * COLS{constant}}) & {2 * COLS{~pad}};

    genvar r;
    genvar c;
    generate
        for (r = 0; r < ROWS; r = r + 1) begin : row
            wire [1:0] mask;
            if (MASKS != 0) begin : masked
                assign mask = weights[2*(ROWS+r)+:2];
            end else begin : whole
                assign mask = 2'b11;
            end
            for (c = 0; c < COLS; c = c + 1) begin : col
                wire [1:0] product = ~(w[2*r+:2] ^ x[2*c+:2]) & mask;
                wire e0 = own ? channels[ROWS*c+r] & ~pad : product[0];
                tulip_pe #(
                    .GATES(GATES)
                ) pe (
                    .clk(clk),
                    .word(word),
                    .e0(e0),
                    .e1(product[1]),
                    .answer(answers[ROWS*c+r])
                );
            end
        end
    endgenerate
endmodule

`default_nettype wire
