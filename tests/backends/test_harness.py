"""The registers around a circuit for place and route, and the BLIF of a mapped netlist."""

from flow.backends.blif import mapped_blif, single_outputs
from flow.backends.emission import Emission, Lane, VerilogPort
from flow.backends.harness import harness
from flow.ir.interval import IntRange
from flow.ir.netlist import Bus, Instance, Netlist
from flow.tech.registry import load


def port(name, direction, width):
    return VerilogPort(name, direction, (Lane(0, width, IntRange(0, (1 << width) - 1)),), name)


def test_every_bit_has_a_flip_flop_and_no_net_fans_out():
    ports = (port("x", "input", 3), port("y", "output", 2))
    assert harness(Emission({}, "little", ports)) == (
        "module flow_harness (input clk, input si, output so);\n"
        "  reg [2:0] in_q;\n"
        "  wire [1:0] result;\n"
        "  reg [1:0] out_q;\n"
        "  reg [1:0] sum_q;\n"
        "  little dut (\n"
        "    .x(in_q[2:0]),\n"
        "    .y(result[1:0]));\n"
        "  always @(posedge clk) begin\n"
        "    in_q <= {in_q[1:0], si};\n"
        "    out_q <= result;\n"
        "    sum_q <= out_q ^ {sum_q[0:0], in_q[2]};\n"
        "  end\n"
        "  assign so = sum_q[1];\n"
        "endmodule\n"
    )


def test_a_clock_and_a_handshake_are_connected():
    ports = (port("x", "input", 1), port("y", "output", 1))
    text = harness(Emission({}, "top", ports, latency=1, clocked=True, handshake=True))
    assert "    .clk(clk),\n    .x(in_q[0]),\n    .rst(in_q[1]),\n    .in_valid(in_q[2]),\n" in text
    assert ".in_ready(result[1]),\n    .out_valid(result[2]));\n" in text


def netlist():
    pins = (("A", "a"), ("B", "b"), ("CI", "c"), ("CO", "n1"), ("S", "n2"))
    held = Instance("f1", "DFF", (("CK", "clk"), ("D", "n2"), ("Q", "q")))
    inverter = Instance("u2", "INV", (("A", "q"), ("Y", "n3")))
    return Netlist(
        "top",
        (Bus("clk", 1), Bus("a", 1), Bus("b", 1), Bus("c", 1)),
        (Bus("y", 1), Bus("z", 1)),
        (held, Instance("u1", "FA", pins), inverter),
        ("n1", "n3"),
    )


def test_flip_flops_are_cut_and_each_output_is_a_gate():
    assert mapped_blif(netlist(), load("generic_cmos")) == (
        ".model top\n"
        ".inputs a b c q\n"
        ".outputs n1 n3 n2\n"
        ".gate FA_CO A=a B=b CI=c CO=n1\n"
        ".gate FA_S A=a B=b CI=c S=n2\n"
        ".gate INV A=q Y=n3\n"
        ".end\n"
    )


def test_the_outputs_of_a_cell_share_its_capacitance():
    cmos = load("generic_cmos")
    split = single_outputs(cmos).cells
    assert split["FA_S"].capacitance["A"] == cmos.cells["FA"].capacitance["A"] / 2
    assert {arc.output for arc in split["FA_CO"].arcs} == {"CO"}
    assert split["INV"] == cmos.cells["INV"]
