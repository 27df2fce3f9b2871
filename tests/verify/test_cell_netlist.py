"""A mapped netlist in flow's own simulator answers the vectors, and a wrong one is refused."""

from pathlib import Path

import pytest
from designs import SMALL, STAGED, make

from flow.backends.netlist_text import cell_models, netlist_verilog
from flow.errors import UsageError
from flow.pipeline.synthesis import synthesise
from flow.tech.registry import load
from flow.verify import cell_netlist
from flow.verify.cell_netlist import check_cells, simulate_cells

pytestmark = pytest.mark.tool("abc")


def mapped(folder: Path, circuit, handshake=False):
    """A folder with vectors and a netlist in SKY130; its text and its technology."""
    emission = make(folder, circuit, 100, handshake)
    technology = load("sky130", None)
    place = folder / "steps"
    place.mkdir()
    netlist = synthesise(circuit, technology, place, emission=emission, effort="fast").netlist
    text = netlist_verilog(netlist, technology)
    (folder / "netlist").mkdir()
    (folder / "netlist" / f"{emission.top}.v").write_text(text)
    (folder / "netlist" / "cells.v").write_text(cell_models(netlist.histogram(), technology))
    return text, technology, len(netlist.instances)


@pytest.mark.parametrize(
    ("circuit", "handshake"), [(SMALL, False), (STAGED, False), (STAGED, True)]
)
def test_a_netlist_answers_every_vector(tmp_path, circuit, handshake):
    text, technology, cells = mapped(tmp_path, circuit, handshake)
    verdict = simulate_cells(tmp_path, text, technology)
    assert (verdict.status, verdict.detail) == ("passed", f"100 samples, {cells} cells")


def test_a_wrong_answer_is_named_with_its_lane(tmp_path):
    text, technology, _ = mapped(tmp_path, STAGED, True)
    lines = text.splitlines()
    (k,) = [i for i, line in enumerate(lines) if line.startswith("    assign y[0] =")]
    lines[k] = "    assign y[0] = 1'b0;"
    verdict = simulate_cells(tmp_path, "\n".join(lines), technology)
    assert verdict.status == "failed"
    assert verdict.detail.startswith("sample ")
    assert ", port y, lane 0: expected " in verdict.detail


def test_a_text_that_is_no_netlist_fails(tmp_path):
    _, technology, _ = mapped(tmp_path, SMALL)
    verdict = simulate_cells(tmp_path, "module x; wire 7; endmodule", technology)
    assert (verdict.status, verdict.detail[:29]) == ("failed", "not a structural Verilog netl")


@pytest.mark.tool("icarus")
def test_icarus_takes_the_small_ones_and_an_unreadable_library_fails(tmp_path, monkeypatch):
    mapped(tmp_path, SMALL)

    def broken():
        raise UsageError("no library")

    assert check_cells(tmp_path, broken).check == "netlist in Icarus Verilog"
    monkeypatch.setattr(cell_netlist, "MOST_CELLS", 0)
    verdict = check_cells(tmp_path, broken)
    assert (verdict.check, verdict.status, verdict.detail) == (
        "netlist by the functions of its cells", "failed", "no library",
    )  # fmt: skip
