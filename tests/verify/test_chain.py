"""The chain proves Verilog, every step and the netlist text, and refuses a changed link."""

from dataclasses import replace

import pytest
from designs import STAGED
from designs_mapped import EGFET, mapped, network
from hypothesis import given, settings
from strategies import circuits

from flow.backends.netlist_text import netlist_verilog
from flow.backends.verilog import SUPPORTS, emit_verilog
from flow.errors import ToolFailed
from flow.verify.chain import prove_chain
from flow.verify.verdict import Verdict

pytestmark = [pytest.mark.tool("yosys"), pytest.mark.tool("abc")]


def chain(circuit, folder, handshake=False, change=lambda text: text, **options):
    emission, made = mapped(circuit, folder, handshake)
    text = change(netlist_verilog(made.netlist, EGFET))
    return prove_chain(
        circuit, emission, EGFET, steps=made.steps, netlist=text, held=made.held, **options
    )


def statuses(verdicts: tuple[Verdict, ...]) -> dict[str, str]:
    return {verdict.check: verdict.status for verdict in verdicts}


ALL_PROVED = {
    "Verilog = circuit": "proved",
    "circuit = graph": "proved",
    "graph = sweep": "proved",
    "sweep = map": "proved",
    "netlist = mapped graph": "proved",
}


def test_every_link_of_a_combinational_circuit_is_proved(tmp_path):
    verdicts = chain(network(), tmp_path)
    assert statuses(verdicts) == ALL_PROVED
    assert all("refused a mutant" in verdict.detail for verdict in verdicts)


@pytest.mark.parametrize("handshake", [False, True])
def test_every_link_of_a_pipeline_is_proved(tmp_path, handshake):
    assert statuses(chain(STAGED, tmp_path, handshake)) == ALL_PROVED


@settings(max_examples=10)
@given(circuits(kinds=SUPPORTS, max_nodes=12, max_width=10))
def test_the_verilog_of_any_circuit_is_proved(circuit):
    (verdict,) = prove_chain(circuit, emit_verilog(circuit))
    assert verdict.status == "proved"


def test_a_reader_that_runs_out_of_time_ends_its_link_and_no_more():
    circuit = network()
    (verdict,) = prove_chain(circuit, emit_verilog(circuit), timeout_s=0.01)
    assert (verdict.check, verdict.status) == ("Verilog = circuit", "timed out")
    assert verdict.detail == "Yosys took longer than 0.01 s and was stopped"


def test_a_changed_cell_in_the_netlist_text_is_disproved(tmp_path):
    def change(text):
        head, tail = text.split("    AND2X1 ", 1)
        return f"{head}    OR2X1 {tail}"

    found = statuses(chain(network(), tmp_path, change=change))
    assert found == ALL_PROVED | {"netlist = mapped graph": "disproved"}


def test_changed_verilog_is_disproved_with_the_numbers_on_the_ports(tmp_path):
    emission = emit_verilog(STAGED)
    ((path, text),) = emission.files.items()
    changed = text.replace("? {4'd0", "? {4'd1", 1)
    assert changed != text
    (verdict,) = prove_chain(STAGED, replace(emission, files={path: changed}))
    assert verdict.status == "disproved"
    assert verdict.detail.startswith("x = [")
    assert " in one and " in verdict.detail


def test_a_text_that_yosys_refuses_is_an_error():
    emission = emit_verilog(network())
    (path,) = emission.files
    with pytest.raises(ToolFailed, match=r"^Yosys ended with status 1$"):
        prove_chain(network(), replace(emission, files={path: "module tiny (input x\n"}))


def test_a_falling_clock_is_refused():
    emission = emit_verilog(STAGED)
    ((path, text),) = emission.files.items()
    changed = replace(emission, files={path: text.replace("posedge", "negedge")})
    with pytest.raises(ToolFailed, match=r"^Yosys ended with status 1$"):
        prove_chain(STAGED, changed)


def test_what_the_time_limit_leaves_is_not_checked(tmp_path):
    verdicts = chain(network(), tmp_path, timeout_s=0.0)
    assert set(statuses(verdicts).values()) == {"not checked"}
    assert {v.detail for v in verdicts} == {"the time limit was reached before"}
