// Techmap of Yosys' adders onto two cells that ABC does not see: FULL_ADD and HALF_ADD.

(* techmap_celltype = "$add $sub" *)
module _flow_add (A, B, Y);
    parameter A_SIGNED = 0;
    parameter B_SIGNED = 0;
    parameter A_WIDTH = 1;
    parameter B_WIDTH = 1;
    parameter Y_WIDTH = 1;
    parameter _TECHMAP_CELLTYPE_ = "";
    localparam SUB = _TECHMAP_CELLTYPE_ == "$sub";
    input [A_WIDTH-1:0] A;
    input [B_WIDTH-1:0] B;
    output [Y_WIDTH-1:0] Y;
    wire [Y_WIDTH-1:0] a, b, c;
    \$pos #(.A_SIGNED(A_SIGNED && B_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)) pa (.A(A), .Y(a));
    generate
        if (SUB) begin
            \$not #(.A_SIGNED(A_SIGNED && B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) pb (.A(B), .Y(b));
        end else begin
            \$pos #(.A_SIGNED(A_SIGNED && B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) pb (.A(B), .Y(b));
        end
    endgenerate
    assign c[0] = SUB;
    genvar i;
    generate for (i = 0; i < Y_WIDTH; i = i + 1) begin : bits
        if (i + 1 == Y_WIDTH) begin
            assign Y[i] = a[i] ^ b[i] ^ c[i];
        end else begin
            \$fa #(.WIDTH(1)) fa (.A(a[i]), .B(b[i]), .C(c[i]), .X(c[i+1]), .Y(Y[i]));
        end
    end endgenerate
endmodule
