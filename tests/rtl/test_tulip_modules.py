"""The array's RTL: neurons, elements and whole networks, in every register and every clock."""

import numpy as np
import pytest
from tulip_networks import cnn, emitted, mlp

from flow.assets import asset
from flow.backends.tulip import MODULES
from flow.mapping.tulip.shape import ArrayShape
from flow.mapping.tulip.timeline import timeline
from flow.tools import icarus, verilator
from flow.tools.yosys import yosys
from flow.verify.tulip_trace import first_difference

FILES = [asset("rtl", f"{module}.v") for module in MODULES]


@pytest.mark.tool("yosys")
def test_neurons_of_gates_are_those_of_the_behaviour(tmp_path):
    text = """
module both (input clk, en, a, b, c, d, input [2:0] t, output x, y);
    tulip_neuron one (.clk(clk), .en(en), .a(a), .b(b), .c(c), .d(d), .t(t), .q(x));
    tulip_neuron_gates two (.clk(clk), .en(en), .a(a), .b(b), .c(c), .d(d), .t(t), .q(y));
    always @* assert (x == y);
endmodule
"""
    (tmp_path / "both.sv").write_text(text)
    script = [
        *(f"read_verilog {asset('rtl', f'{m}.v')}" for m in ("tulip_neuron", "tulip_neuron_gates")),
        "read_verilog -sv -formal both.sv",
        "hierarchy -check -top both",
        *("proc", "flatten", "opt_clean", "async2sync", "dffunmap"),
        "sat -prove-asserts -tempinduct -seq 1 -verify",
    ]
    assert "Induction step proven: SUCCESS!" in yosys(script, cwd=tmp_path).log


@pytest.mark.tool("verilator")
@pytest.mark.tool("icarus")
def test_two_readers_have_nothing_to_complain_about(tmp_path):
    assert icarus.compile_verilog(FILES, "tulip", "x.vvp", tmp_path, 60).log == ""
    verilator.lint(FILES, "tulip", tmp_path, 60, ["-O0"])


@pytest.mark.tool("icarus")
@pytest.mark.parametrize(
    ("make", "samples", "gates", "shape"),
    [
        (mlp, 3, False, ArrayShape(8, 2, 2)),
        (lambda rng: mlp(rng, ternary=True, argmax=False), 4, True, ArrayShape(8, 3, 4)),
        (cnn, 2, False, ArrayShape(8, 2, 2)),
    ],
    ids=["dense", "ternary", "windows"],
)
def test_every_register_is_that_of_the_model_in_every_clock(tmp_path, make, samples, gates, shape):
    network = make(np.random.default_rng(samples))
    plan, inputs, _, _ = emitted(tmp_path, network, shape, samples, gates)
    sources = ["tb/tb_net.v", *sorted(f"rtl/{p.name}" for p in (tmp_path / "rtl").glob("*.v"))]
    icarus.compile_verilog(sources, "tb_net", "sim.vvp", tmp_path, 60, ["-DTRACE"])
    log = icarus.simulate("sim.vvp", tmp_path, 60, ["+trace=trace.txt"]).log
    clocks = timeline(plan, -(-samples // shape.cols))[-1].finished
    assert log.splitlines() == [f"{clocks} clocks", f"PASS {samples} of {samples}"]
    lines = (tmp_path / "trace.txt").read_text().splitlines()
    assert first_difference(plan, inputs, lines) is None
    # The comparison sees one bit of one register in one clock.
    fields = lines[clocks // 2].split()
    fields[7] = f"{int(fields[7], 16) ^ 4:0{len(fields[7])}x}"
    lines[clocks // 2] = " ".join(fields)
    said = first_difference(plan, inputs, lines)
    assert said == f"clock {clocks // 2}: field 7 of the registers differs"


@pytest.mark.tool("icarus")
def test_a_wrong_weight_is_found_out(tmp_path):
    emitted(tmp_path, mlp(np.random.default_rng(1), argmax=False), ArrayShape(8, 2, 2), 8)
    words = (tmp_path / "mem/kernels.hex").read_text().split()
    words[-4] = f"{int(words[-4], 16) ^ 1:0{len(words[0])}x}"
    (tmp_path / "mem/kernels.hex").write_text("\n".join(words) + "\n")
    sources = ["tb/tb_net.v", *sorted(f"rtl/{p.name}" for p in (tmp_path / "rtl").glob("*.v"))]
    icarus.compile_verilog(sources, "tb_net", "sim.vvp", tmp_path, 60)
    log = icarus.simulate("sim.vvp", tmp_path, 60).log
    assert "MISMATCH sample" in log
    assert "FAIL" in log
