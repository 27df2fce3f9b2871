// Writes and reads a memory of 16 bytes through the I2C target, at any filter and with glitches.
`default_nettype none

module i2c_bench;
    parameter FILTER = 3;
    parameter TMR = 0;
    localparam QUARTER = 100;

    reg clk = 0;
    reg rst = 1;
    reg scl = 1;
    reg pull = 0;
    reg glitch = 0;
    wire sda_low;
    wire write;
    wire wrong;
    wire [15:0] address;
    wire [7:0] data;
    reg [7:0] memory[0:15];
    wire sda = ~pull & ~sda_low;
    always #5 clk = ~clk;
    always @(posedge clk) if (write) memory[address[3:0]] <= data;

    i2c_target #(
        .ADDRESS(7'h2a), .FILTER(FILTER), .TMR(TMR)
    ) target (
        .clk(clk), .rst(rst), .scl_in(scl ^ glitch), .sda_in(sda ^ glitch), .sda_low(sda_low),
        .write(write), .address(address), .data(data), .read(memory[address[3:0]]), .wrong(wrong)
    );

    // A spike of one clock and a half in the middle of everything.
    reg spikes = 0;
    always begin
        #373 glitch = spikes;
        #15 glitch = 0;
    end

    integer i, failures = 0, refused = 0, wrongs = 0;
    reg [7:0] byte_in;
    always @(posedge clk) if (wrong && !rst) wrongs = wrongs + 1;

    task start;
        begin
            pull = 0; #QUARTER scl = 1; #QUARTER pull = 1; #QUARTER scl = 0; #QUARTER;
        end
    endtask

    task stop;
        begin
            pull = 1; #QUARTER scl = 1; #QUARTER pull = 0; #QUARTER;
        end
    endtask

    task bit_io(input out, output in);
        begin
            pull = ~out; #QUARTER scl = 1; #QUARTER in = sda; #QUARTER scl = 0; #QUARTER;
        end
    endtask

    task send(input [7:0] value);
        integer n;
        reg bit_in;
        begin
            for (n = 7; n >= 0; n = n - 1) bit_io(value[n], bit_in);
            bit_io(1'b1, bit_in);
            if (bit_in) refused = refused + 1;
        end
    endtask

    task receive(input more);
        integer n;
        reg bit_in;
        begin
            for (n = 7; n >= 0; n = n - 1) begin
                bit_io(1'b1, bit_in);
                byte_in[n] = bit_in;
            end
            bit_io(~more, bit_in);
        end
    endtask

    initial begin
        repeat (4) @(posedge clk);
        rst = 0;
        spikes = $test$plusargs("spikes");
        start; send(8'h54); send(8'h12); send(8'h33);
        for (i = 0; i < 6; i = i + 1) send(8'hc1 + 8'h1d * i);
        stop;
        for (i = 0; i < 6; i = i + 1)
            if (memory[(3+i)%16] !== ((8'hc1 + 8'h1d * i) & 8'hff)) failures = failures + 1;
        start; send(8'h54); send(8'h12); send(8'h34);
        start; send(8'h55);
        for (i = 1; i < 5; i = i + 1) begin
            receive(i < 4);
            if (byte_in !== ((8'hc1 + 8'h1d * i) & 8'hff)) failures = failures + 1;
        end
        stop;
        // The address stands where the read ended.
        if (address !== 16'h1238) failures = failures + 1;
        if (refused != 0) failures = failures + 1;
        start; send(8'h56); stop;
        if (refused != 1) failures = failures + 1;
        // A stop in the middle of a byte leaves the memory as it is.
        start; send(8'h54); send(8'h12); send(8'h33); bit_io(1'b1, byte_in[0]); stop;
        if (memory[3] !== 8'hc1) failures = failures + 1;
        $display("%0d failures, %0d refused, %0d wrong", failures, refused, wrongs);
        $finish;
    end
endmodule

`default_nettype wire
