// Hits of four planes of a detector: a sector fires where three of its four planes do, a cluster
// wider than two sectors is vetoed, and a counter holds how many events were kept.
module hits (
    input  wire       clk,
    input  wire [7:0] a,
    input  wire [7:0] b,
    input  wire [7:0] c,
    input  wire [7:0] d,
    input  wire       enable,
    output reg        trigger,
    output reg  [7:0] kept
);
    reg [7:0] fired, alone;
    integer i;

    always @(posedge clk) begin
        for (i = 0; i < 8; i = i + 1) begin
            fired[i] <= {2'b0, a[i]} + b[i] + c[i] + d[i] >= 3;
            alone[i] <= fired[i] & ~((i > 0 ? fired[i - 1] : 1'b0) & (i < 7 ? fired[i + 1] : 1'b0));
        end
        trigger <= enable & |alone;
        kept <= kept + {7'b0, trigger};
    end
endmodule
