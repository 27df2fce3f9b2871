// Upsets every bit of every copy of the weights, then of the counters; then bits of two copies at once.
`default_nettype none

module bank_bench;
    parameter BYTES = 5;
    parameter BANK = 2;
    parameter DOUBLES = 45;
    localparam BANKS = (BYTES + BANK - 1) / BANK;

    reg clk = 0;
    reg rst = 1;
    reg write = 0;
    reg [15:0] address = 0;
    reg [7:0] data = 0;
    wire [7:0] read;
    wire [8*BYTES-1:0] weights;
    reg [8*BYTES-1:0] wanted = 0;
    weight_bank #(
        .BYTES(BYTES), .BANK(BANK), .TMR_WEIGHTS(1), .TMR_CONTROL(1)
    ) bank (
        .clk(clk), .rst(rst), .write(write), .address(address), .data(data), .read(read),
        .upset(1'b0), .weights(weights)
    );

    integer injected = 0, repaired = 0, escaped = 0, counted = 0, lost = 0, i, k, copy;
    integer doubles = 0, reported = 0;

    task tick;
        begin
            #5 clk = 1;
            #5 clk = 0;
        end
    endtask

    task put(input [15:0] at, input [7:0] value);
        begin
            write = 1;
            address = at;
            data = value;
            tick;
            write = 0;
        end
    endtask

    // The copies lie in slices, each of which waits for its turn.
    reg strike = 0;
    integer at = 0, copy_now = 0;
    wire [BANKS-1:0] equal;
    genvar s;
    generate
        for (s = 0; s < BANKS; s = s + 1) begin : places
            always @(strike)
                if (at / (9 * BANK) == s)
                    case (copy_now)
                        0: bank.slices[s].slice.bytes.copy_a.q[at-9*BANK*s] =
                            ~bank.slices[s].slice.bytes.copy_a.q[at-9*BANK*s];
                        1: bank.slices[s].slice.bytes.triple.copy_b.q[at-9*BANK*s] =
                            ~bank.slices[s].slice.bytes.triple.copy_b.q[at-9*BANK*s];
                        default: bank.slices[s].slice.bytes.triple.copy_c.q[at-9*BANK*s] =
                            ~bank.slices[s].slice.bytes.triple.copy_c.q[at-9*BANK*s];
                    endcase
            assign equal[s] =
                bank.slices[s].slice.bytes.copy_a.q === bank.slices[s].slice.bytes.triple.copy_b.q
                && bank.slices[s].slice.bytes.copy_a.q
                    === bank.slices[s].slice.bytes.triple.copy_c.q;
        end
    endgenerate

    task upset(input integer which, input integer bit_number);
        begin
            copy_now = which;
            at = bit_number;
            strike = ~strike;
            #1;
        end
    endtask

    function same(input dummy);
        same = &equal;
    endfunction

    // The sum of one kind of counter, which the bench clears before it can stop.
    task sum(input integer kind);
        for (k = 0; k <= BANKS; k = k + 1) begin
            address = 16'h8000 + 2 * k + kind;
            #1 counted = counted + (kind == 0 ? read : 0);
            reported = reported + (kind == 1 ? read : 0);
        end
    endtask

    initial begin
        tick;
        rst = 0;
        for (i = 0; i < BYTES; i = i + 1) begin
            data = $random;
            wanted[8*i+:8] = data;
            put(i, data);
        end
        put(16'h8000, 0);
        for (copy = 0; copy < 3; copy = copy + 1)
            for (i = 0; i < 9 * BYTES; i = i + 1) begin
                upset(copy, i);
                #1 injected = injected + 1;
                if (same(0)) escaped = escaped + 1;  // The upset itself was not there.
                if (weights !== wanted) escaped = escaped + 1;
                tick;
                #1 if (weights !== wanted) escaped = escaped + 1;
                if (same(0)) repaired = repaired + 1;
                if (injected % 200 == 0) begin
                    sum(0);
                    put(16'h8000, 0);
                end
            end
        sum(0);
        sum(1);
        if (reported != 0) escaped = escaped + 1;
        put(16'h8000, 0);
        for (i = 0; i < DOUBLES; i = i + 1) begin
            k = i * (9 * BYTES / DOUBLES);
            upset(i % 3, k);
            upset((i + 1) % 3, k);
            doubles = doubles + 1;
            tick;
            tick;
            if (k % 9 != 8) begin
                if (weights === wanted) escaped = escaped + 1;  // It must be seen that it is lost.
                put(k / 9, wanted[8*(k/9)+:8]);
            end
            if (weights !== wanted) escaped = escaped + 1;
            if (i % 200 == 199) begin
                sum(1);
                put(16'h8000, 0);
            end
        end
        sum(1);
        $display("%0d injected, %0d repaired, %0d escaped, %0d counted", injected, repaired,
                 escaped, counted);
        $display("%0d doubles, %0d reported", doubles, reported);
        $finish;
    end
endmodule

`default_nettype wire
