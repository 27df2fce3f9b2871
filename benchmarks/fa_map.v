// Techmap of Yosys' $fa onto FULL_ADD, HALF_ADD, or gates where an input is constant.

(* techmap_celltype = "$fa" *)
module _flow_fa (A, B, C, X, Y);
    parameter WIDTH = 1;
    parameter _TECHMAP_CONSTMSK_A_ = 0;
    parameter _TECHMAP_CONSTMSK_B_ = 0;
    parameter _TECHMAP_CONSTMSK_C_ = 0;
    parameter _TECHMAP_CONSTVAL_C_ = 0;
    localparam NONE = _TECHMAP_CONSTMSK_A_ == 0 && _TECHMAP_CONSTMSK_B_ == 0;
    input [WIDTH-1:0] A, B, C;
    output [WIDTH-1:0] X, Y;
    genvar i;
    generate for (i = 0; i < WIDTH; i = i + 1) begin : bits
        if (WIDTH == 1 && NONE && _TECHMAP_CONSTMSK_C_ == 1 && _TECHMAP_CONSTVAL_C_ == 0) begin
            HALF_ADD cell_ (.A(A[i]), .B(B[i]), .CO(X[i]), .S(Y[i]));
        end else if (WIDTH == 1 && (!NONE || _TECHMAP_CONSTMSK_C_ != 0)) begin
            assign Y[i] = A[i] ^ B[i] ^ C[i];
            assign X[i] = (A[i] & B[i]) | (C[i] & (A[i] | B[i]));
        end else begin
            FULL_ADD cell_ (.A(A[i]), .B(B[i]), .CI(C[i]), .CO(X[i]), .S(Y[i]));
        end
    end endgenerate
endmodule
