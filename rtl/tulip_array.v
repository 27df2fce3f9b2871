// ROWS x COLS processing elements that all do the same, each with its own bits.
//
// A row has its own neuron: two weights (and with MASKS, above them, two masks: 0 takes the input
// out); a column its own sample: two activations. `weights` has the first weight of every row, then
// the second, then the masks likewise. An element's external bits are the products, weight XNOR
// activation. With `pad` they are 0; with `constant` they are the weights themselves; with `own`
// the first one is the channel of the element in the column's whole word. Element ROWS * c + r is
// that of row r and column c.
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
    localparam ALL = ROWS * COLS;
    wire [2*ROWS-1:0] w = weights[2*ROWS-1:0] | {2 * ROWS{pad}};
    wire [2*COLS-1:0] x = (activations | {2 * COLS{constant}}) & {2 * COLS{~pad}};
    wire [ALL-1:0] x0;
    wire [ALL-1:0] x1;
    wire [ALL-1:0] mask0;
    wire [ALL-1:0] mask1;
    wire [ALL-1:0] e0 = own ? channels & {ALL{~pad}} : ~(x0 ^ {COLS{w[0+:ROWS]}}) & mask0;
    wire [ALL-1:0] e1 = ~(x1 ^ {COLS{w[ROWS+:ROWS]}}) & mask1;

    genvar c;
    generate
        for (c = 0; c < COLS; c = c + 1) begin : col
            assign x0[ROWS*c+:ROWS] = {ROWS{x[2*c]}};
            assign x1[ROWS*c+:ROWS] = {ROWS{x[2*c+1]}};
        end
        if (MASKS != 0) begin : masked
            assign mask0 = {COLS{weights[2*ROWS+:ROWS]}};
            assign mask1 = {COLS{weights[3*ROWS+:ROWS]}};
        end else begin : whole
            assign mask0 = {ALL{1'b1}};
            assign mask1 = {ALL{1'b1}};
        end
    endgenerate

    tulip_pe #(
        .WIDTH(ALL), .GATES(GATES)
    ) elements (
        .clk(clk),
        .word(word),
        .e0(e0),
        .e1(e1),
        .answer(answers)
    );
endmodule

`default_nettype wire
