// Takes the scores of a tile of classes for each sample, and keeps the largest and its class.
//
// `first` begins anew; of equal scores the class of the lowest number stays.
`default_nettype none

module tulip_scores #(
    parameter MROWS = 4,
    parameter BITS = 24
) (
    input  wire clk,
    input  wire take,
    input  wire first,
    input  wire [15:0] base,
    input  wire [MROWS*BITS-1:0] scores,
    output reg  [15:0] answer
);
    reg signed [BITS-1:0] best;
    reg signed [BITS-1:0] most;
    reg [15:0] found;

    integer k;
    always @* begin
        most = best;
        found = answer;
        for (k = 0; k < MROWS; k = k + 1)
            if ((first && k == 0) || $signed(scores[BITS*k+:BITS]) > most) begin
                most = scores[BITS*k+:BITS];
                found = base + k[15:0];
            end
    end

    initial begin
        best = 0;
        answer = 0;
    end
    always @(posedge clk)
        if (take) begin
            best <= most;
            answer <= found;
        end
endmodule

`default_nettype wire
