// staged_axis: staged behind AXI4-Stream; a beat is a sample, tlast goes along with it.
//
// tdata is an array of integers, the first at bit 0: 2 signed integers of 8 bits in,
// 1 signed integer of 8 bits out, lane after lane of the ports of staged.
// Results are extended to the width of their element; of the samples only the bits of the lanes
// are looked at. A result follows its sample by 4 clocks or more; one sample a clock.
// Every path from s_axis to m_axis and from m_axis_tready to s_axis_tready has a register.
// aresetn is synchronous to aclk and active low.
`default_nettype none

module staged_axis (
    input  wire aclk,
    input  wire aresetn,
    input  wire [15:0] s_axis_tdata,
    input  wire s_axis_tvalid,
    output wire s_axis_tready,
    input  wire s_axis_tlast,
    output wire [7:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input  wire m_axis_tready,
    output wire m_axis_tlast
);
    wire [8:0] sample;
    wire sample_valid;
    wire sample_ready;
    axis_register #(
        .WIDTH(9)
    ) samples (
        .clk(aclk),
        .resetn(aresetn),
        .s_valid(s_axis_tvalid),
        .s_ready(s_axis_tready),
        .s_data({
            s_axis_tlast,
            s_axis_tdata[11:8],
            s_axis_tdata[3:0]
        }),
        .m_valid(sample_valid),
        .m_ready(sample_ready),
        .m_data(sample)
    );

    // Bits of the elements that no lane has.
    wire unused = &{
        1'b0,
        s_axis_tdata[7:4],
        s_axis_tdata[15:12]
    };

    wire [8:0] result;
    wire result_valid;
    wire result_ready;
    staged core (
        .clk(aclk),
        .rst(~aresetn),
        .in_valid(sample_valid),
        .in_ready(sample_ready),
        .out_valid(result_valid),
        .out_ready(result_ready),
        .x(sample[7:0]),
        .y(result[7:0])
    );

    // tlast moves along with the stages of the circuit.
    reg [1:0] last;
    always @(posedge aclk)
        if (sample_ready) last <= {last[0:0], sample[8]};
    assign result[8] = last[1];

    wire [8:0] answer;
    axis_skid #(
        .WIDTH(9)
    ) results (
        .clk(aclk),
        .resetn(aresetn),
        .s_valid(result_valid),
        .s_ready(result_ready),
        .s_data(result),
        .m_valid(m_axis_tvalid),
        .m_ready(m_axis_tready),
        .m_data(answer)
    );
    assign m_axis_tlast = answer[8];
    assign m_axis_tdata = {
        answer[7:0]
    };
endmodule

`default_nettype wire
