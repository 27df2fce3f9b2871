"""The project for Tiny Tapeout: its files against their description, and the top simulated."""

import re
from pathlib import PurePosixPath

import pytest
import yaml

from flow.backends.tiny_tapeout import TILES, tiny_files
from flow.backends.verilog import emit_verilog
from flow.errors import UsageError
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Compare, Const, Input, Mul, Register
from flow.tools import icarus, verilator

PORTS = {
    "ui_in": ("input", 8), "uo_out": ("output", 8), "uio_in": ("input", 8),
    "uio_out": ("output", 8), "uio_oe": ("output", 8), "ena": ("input", 1), "clk": ("input", 1),
    "rst_n": ("input", 1),
}  # fmt: skip
"""Of every top, by https://tinytapeout.com/hdl/important/."""


def circuit(registers=0):
    """y = (a * b, a + b) of a signed and an unsigned number, 7 and 6 bits: 13 in, 13 + 8 out."""
    intern = Builder()
    a, b = intern(Input("x", 0, -64, 63)), intern(Input("x", 1, 0, 63))
    lanes = [intern(Mul(a, b)), intern(Add(a, b))]
    for _ in range(registers):
        lanes = [intern(Register(lane)) for lane in lanes]
    return Circuit("products", (Port("x", (a, b)),), (Port("y", tuple(lanes)),))


def made(registers=0, handshake=False, um2=1000.0):
    emission = emit_verilog(circuit(registers), handshake=handshake)
    return tiny_files(emission, um2, 20.0, 'two "products"', 25.0)


def test_info_yaml_is_what_the_public_templates_have():
    files = made()
    assert sorted(map(str, files)) == [
        "tinytapeout/docs/info.md", "tinytapeout/info.yaml", "tinytapeout/src/products.v",
        "tinytapeout/src/tt_um_products.v",
    ]  # fmt: skip
    info = yaml.safe_load(files[PurePosixPath("tinytapeout/info.yaml")])
    assert sorted(info) == ["pinout", "project", "yaml_version"]
    assert info["yaml_version"] == 6
    assert info["project"] == {
        "title": "products", "author": "see the model", "discord": "",
        "description": "two 'products'", "language": "Verilog", "clock_hz": 40_000_000,
        "tiles": "1x1", "top_module": "tt_um_products",
        "source_files": ["tt_um_products.v", "products.v"],
    }  # fmt: skip
    pins = [f"{name}[{i}]" for name in ("ui", "uo", "uio") for i in range(8)]
    assert sorted(info["pinout"]) == sorted(pins)
    assert all(isinstance(text, str) for text in info["pinout"].values())
    guide = files[PurePosixPath("tinytapeout/docs/info.md")]
    heads = re.findall(r"^## .*", guide, re.M)
    assert heads == ["## How it works", "## How to test", "## External hardware"]


def test_the_top_has_the_fixed_ports():
    text = made()[PurePosixPath("tinytapeout/src/tt_um_products.v")]
    found = {
        name: (way, int(high or 0) + 1)
        for way, high, name in re.findall(r"^    (input|output) +wire (?:\[(\d+):0\] )?(\w+)", text,
                                          re.M)
    }  # fmt: skip
    assert found == PORTS


@pytest.mark.parametrize(("um2", "tiles"), [(9000.0, "1x1"), (10_000.0, "1x2"), (170_000.0, "8x2")])
def test_as_many_tiles_as_the_cells_need(um2, tiles):
    info = yaml.safe_load(made(um2=um2)[PurePosixPath("tinytapeout/info.yaml")])
    assert info["project"]["tiles"] == tiles
    assert tiles in dict(TILES)


def test_a_circuit_too_large_for_the_largest_is_refused():
    with pytest.raises(UsageError) as error:
        made(um2=172_000.0)
    assert error.value.message == "a circuit of 173600 um2 is too large for Tiny Tapeout"
    assert error.value.hint == "at most 172365 um2 of cells"


BENCH = """
`default_nettype none
module bench;
    reg clk = 0, rst_n = 0;
    reg [7:0] ui_in = 0, uio_in = 0;
    wire [7:0] uo_out, uio_out, uio_oe;
    tt_um_products top (.ui_in(ui_in), .uo_out(uo_out), .uio_in(uio_in), .uio_out(uio_out),
        .uio_oe(uio_oe), .ena(1'b1), .clk(clk), .rst_n(rst_n));
    task tick(input [7:0] control, input [7:0] data);
        begin uio_in = control; ui_in = data; #5 clk = 1; #5 clk = 0; uio_in = 0; end
    endtask
    integer i, wrong = 0;
    reg signed [6:0] a;
    reg [5:0] b;
    reg [15:0] sample;
    reg [23:0] got, want;
    reg signed [12:0] product;
    reg signed [7:0] sum;
    initial begin
        tick(0, 0); rst_n = 1;
        for (i = 0; i < 200; i = i + 1) begin
            a = $random; b = $random;
            sample = {3'b101, b, a};
            tick(1, sample[7:0]); tick(1, sample[15:8]);
            repeat (LATENCY) tick(0, 0);
            product = a * $signed({1'b0, b}); sum = a + $signed({1'b0, b});
            want = {3'd0, sum, product};
            got[7:0] = uo_out; tick(2, 0); got[15:8] = uo_out; tick(2, 0); got[23:16] = uo_out;
            if (got !== want || uio_oe !== 0 || uio_out !== 0) wrong = wrong + 1;
        end
        $display("%0d of 200 wrong", wrong);
        $finish;
    end
endmodule
"""


@pytest.mark.tool("icarus")
@pytest.mark.tool("verilator")
@pytest.mark.parametrize(("registers", "handshake"), [(0, False), (2, False), (2, True)])
def test_samples_go_in_and_answers_come_out_a_byte_at_a_time(tmp_path, registers, handshake):
    names = []
    for path, text in made(registers, handshake).items():
        if path.suffix == ".v":
            names.append(path.name)
            (tmp_path / path.name).write_text(text)
    verilator.lint(names, "tt_um_products", tmp_path, 60, ["-Wno-PINCONNECTEMPTY"])
    (tmp_path / "bench.v").write_text(BENCH.replace("LATENCY", str(registers + 1)))
    icarus.compile_verilog(["bench.v", *names], "bench", "bench.vvp", tmp_path, 60)
    assert icarus.simulate("bench.vvp", tmp_path, 60).log == "0 of 200 wrong\n"


@pytest.mark.parametrize(
    ("inputs", "in_bytes", "out_bytes", "shifted"),
    [
        ((), 1, 1, "ui_in"),
        ((8,), 1, 1, "ui_in"),
        ((9,), 2, 2, "{ui_in, sample[15:8]}"),
        ((8, 8, 1), 3, 3, "{ui_in, sample[23:8]}"),
    ],
)
def test_a_sample_has_no_more_bytes_than_its_bits_need(inputs, in_bytes, out_bytes, shifted):
    intern = Builder()
    lanes = tuple(intern(Input("x", k, 0, (1 << n) - 1)) for k, n in enumerate(inputs))
    outputs = lanes or (intern(Const(1)),)
    wires = Circuit("wires", (Port("x", lanes),), (Port("y", outputs),))
    files = tiny_files(emit_verilog(wires), 0.0, 20.0, "", 25.0)
    text = files[PurePosixPath("tinytapeout/src/tt_um_wires.v")]
    assert f"    wire [{8 * out_bytes - 1}:0] answer;\n" in text
    assert f"    reg [{8 * in_bytes - 1}:0] sample;\n" in text
    assert f"if (uio_in[0]) sample <= {shifted};" in text
    guide = " ".join(files[PurePosixPath("tinytapeout/docs/info.md")].split())
    assert f"For each of the {in_bytes} bytes of a sample" in guide
    assert f"shows the next of its {out_bytes}." in guide
    assert "Wait 1 clocks" in guide


@pytest.mark.parametrize(("period", "hertz"), [(10.0, 50_000_000), (30.0, 33_333_333)])
def test_the_clock_is_that_of_the_circuit_and_50_mhz_at_most(period, hertz):
    files = tiny_files(emit_verilog(circuit()), 0.0, 20.0, "", period)
    info = yaml.safe_load(files[PurePosixPath("tinytapeout/info.yaml")])
    assert info["project"]["clock_hz"] == hertz


def test_a_sample_of_more_than_256_bytes_is_refused():
    intern = Builder()
    for count, fits in ((256, True), (257, False)):
        lanes = tuple(intern(Input("x", k, 0, 255)) for k in range(count))
        total = (intern(Compare(lanes[0], lanes[1], "lt")),)
        emission = emit_verilog(Circuit("wide", (Port("x", lanes),), (Port("y", total),)))
        if fits:
            assert tiny_files(emission, 0.0, 1.0, "", 25.0)
            continue
        with pytest.raises(UsageError) as error:
            tiny_files(emission, 0.0, 1.0, "", 25.0)
        assert error.value.show() == (
            "error: a sample of 257 bytes and an answer of 1 are too large for Tiny Tapeout\n"
            "  hint: at most 256 bytes each"
        )
