"""A netlist of FPGA primitives is proved equal to its circuit, and a wrong one is refused."""

import re

import pytest

from flow.backends.verilog import emit_verilog
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Input, Register, Relu, Shl, Sub
from flow.pipeline.lut_synthesis import synthesise_luts
from flow.tech.parts import load_part
from flow.verify.lut_netlist import prove_luts

pytestmark = pytest.mark.tool("yosys")


def combinational():
    intern = Builder()
    a, b = (intern(Input("x", i, -8, 7)) for i in range(2))
    total = intern(Add(a, intern(Shl(b, 1))))
    return Circuit("little", (Port("x", (a, b)),), (Port("y", (total,)),))


def pipelined():
    """The lowest bits of two registers are the same, and that of the third is always 0."""
    intern = Builder()
    a, b = (intern(Input("x", i, -8, 7)) for i in range(2))
    one = intern(Register(a))
    two = intern(Register(intern(Add(a, intern(Shl(b, 1))))))
    three = intern(Register(intern(Relu(intern(Shl(b, 1))))))
    total = intern(Sub(intern(Sub(one, two)), three))
    done = intern(Register(total))
    return Circuit("little", (Port("x", (a, b)),), (Port("y", (done,)),))


def synthesised(circuit, name, handshake=False):
    emission, part = emit_verilog(circuit, handshake=handshake), load_part(name)
    return emission, part, synthesise_luts(emission, part, quick=True)


@pytest.mark.parametrize("name", ["ecp5", "ice40"])
def test_a_combinational_netlist_is_proved(name):
    circuit = combinational()
    emission, part, found = synthesised(circuit, name)
    assert part.lut_count(found.cells) > 0
    verdict = prove_luts(circuit, emission, found.netlist, part.models, timeout_s=60, seed=1)
    assert (verdict.check, verdict.status) == ("netlist = circuit", "proved")
    assert "refused a mutant" in verdict.detail


@pytest.mark.parametrize("handshake", [False, True])
def test_registers_that_synthesis_merged_or_dropped_are_proved(handshake):
    circuit = pipelined()
    emission, part, found = synthesised(circuit, "ice40", handshake)
    bits = sum(width for _, width in emission.registers)
    assert part.count(found.cells, part.flipflops) < bits + 2 * handshake
    verdict = prove_luts(circuit, emission, found.netlist, part.models, timeout_s=60, seed=1)
    assert verdict.status == "proved", verdict.detail


def test_a_changed_table_is_disproved():
    circuit = combinational()
    emission, part, found = synthesised(circuit, "ice40")
    table = re.search(r"\.LUT_INIT\(16'h([0-9a-f]{4})\)", found.netlist)
    wrong = f"{int(table[1], 16) ^ 0xFFFF:04x}"
    text = found.netlist[: table.start(1)] + wrong + found.netlist[table.end(1) :]
    verdict = prove_luts(circuit, emission, text, part.models, timeout_s=60, seed=1)
    assert verdict.status == "disproved"
    assert verdict.detail.startswith("x = [")


def test_a_netlist_that_cannot_be_read_is_not_checked():
    circuit = combinational()
    emission, part, _ = synthesised(circuit, "ice40")
    verdict = prove_luts(circuit, emission, "module little; UNKNOWN u (); endmodule\n",
                         part.models, timeout_s=60, seed=1)  # fmt: skip
    assert verdict.status == "not checked"
    assert verdict.detail.startswith("the netlist cannot be paired: Yosys ended with status 1")
