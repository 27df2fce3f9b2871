// Random traffic through `STREAM: what goes in comes out in order, and what waits does not change.
`timescale 1ns / 1ps
`default_nettype none

module stream_bench;
    parameter WORDS = 2000;

    reg clk, resetn, s_valid, m_ready;
    reg [15:0] s_data;
    wire s_ready, m_valid;
    wire [15:0] m_data;
    `STREAM #(
        .WIDTH(16)
    ) dut (
        .clk(clk),
        .resetn(resetn),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_data(s_data),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data(m_data)
    );

    integer sent, taken, clocks, failures, seed, offer, take;
    reg waiting, ready_before;
    reg [15:0] held;

    function [15:0] word(input integer k);
        word = (k * 16'd40503) ^ (k >> 5);
    endfunction

    always #5 clk = ~clk;

    initial begin
        if (!$value$plusargs("offer=%d", offer)) offer = 4;
        if (!$value$plusargs("take=%d", take)) take = 4;
        clk = 0; resetn = 0; s_valid = 0; m_ready = 0; s_data = 0; waiting = 0;
        sent = 0; taken = 0; clocks = 0; failures = 0; seed = 7;
        repeat (3) @(negedge clk);
        if (m_valid !== 1'b0) failures = failures + 1;
        resetn = 1;
        while (taken < WORDS && clocks < 20 * WORDS) begin
            if (!s_valid) s_valid = sent < WORDS && ($random(seed) & 3) < offer;
            s_data = s_valid ? word(sent) : 16'hxxxx;
            m_ready = ($random(seed) & 3) < take;
            #1;
            // A ready that does not look at the other side must not change with it.
            ready_before = s_ready;
            if ($test$plusargs("cut")) begin
                m_ready = ~m_ready;
                #1 if (s_ready !== ready_before) failures = failures + 1;
                m_ready = ~m_ready;
                #1;
            end
            if (waiting && (m_valid !== 1'b1 || m_data !== held)) failures = failures + 1;
            waiting = m_valid && !m_ready;
            held = m_data;
            if (m_valid && m_ready) begin
                if (m_data !== word(taken)) failures = failures + 1;
                taken = taken + 1;
            end
            if (s_valid && s_ready) begin
                sent = sent + 1;
                @(negedge clk) s_valid = 0;
            end else @(negedge clk);
            clocks = clocks + 1;
        end
        $display("%0d words, %0d failures, %0d clocks", taken, failures, clocks);
        $finish;
    end
endmodule

`default_nettype wire
