"""`flow verify`: a fresh build passes; whatever is changed in it is named."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from cli.conftest import ROWS, model_bytes, npy, table, tree

from flow.cli.main import run

NAMES = [
    "files", "vectors = network", "circuit on the vectors", "words of the benches = vectors",
    "lint with Icarus Verilog", "lint with Verilator", "lint with Yosys",
    "simulation with Icarus Verilog", "cocotb test with icarus", "simulation with Verilator",
    "netlist in Icarus Verilog", "Verilog = circuit", "circuit = graph",
]  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A whole build, made once."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "net.h5").write_bytes(model_bytes())
    (folder / "data.csv").write_text(table())
    out = folder / "out"
    code = run(
        ["build", str(folder / "net.h5"), "--data", str(folder / "data.csv"), "-o", str(out),
         "--effort", "fast", "--simulator", "none", "--input-bits", "4"]
    )  # fmt: skip
    assert code == 0
    return out


@pytest.fixture
def out(built, tmp_path, monkeypatch):
    """A copy of the build to change, without the slowest simulator."""
    monkeypatch.setenv("VERILATOR", "/nonexistent")
    shutil.copytree(built, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def verdicts(flow, out, monkeypatch):
    """Exit code of `flow verify` and its verdicts by check; the folder stays as it is.

    Proofs and simulations run only where a test is about them.
    """

    def call(tools=False):
        if not tools:
            monkeypatch.setenv("IVERILOG", "/nonexistent")
        before = tree(out)
        said = flow("verify", "out", "--json", "--prove-limit", 60 if tools else 0)
        assert tree(out) == before
        rows = json.loads(said.out)
        found = {row["check"]: (row["status"], row["detail"]) for row in rows}
        assert len(found) == len(rows)
        bad = sum(status in ("failed", "disproved") for status, _ in found.values())
        text = (
            f"error: {bad} of {len(rows)} checks failed\n  at out\n"
            "  hint: the table names them; build the folder anew\n"
        )
        assert (said.code, said.err) == ((5, text) if bad else (0, ""))
        return said.code, found

    return call


CHANGED = ("failed", "it is not what the build wrote: its hash differs")


def files(found):
    """The verdicts about files."""
    return {name[5:]: verdict for name, verdict in found.items() if name.startswith("file ")}


def bad(found):
    """The other checks that failed."""
    return {
        name: detail
        for name, (status, detail) in found.items()
        if status in ("failed", "disproved") and not name.startswith("file ")
    }


def replace_in(path, old, new):
    """Replace the first place of a text in a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.slow
@pytest.mark.tool("verilator")
def test_a_fresh_build_passes_every_check(flow, built):
    before = tree(built)
    said = flow("verify", built, "--json")
    rows = json.loads(said.out)
    assert (said.code, said.err) == (0, "")
    assert [row["check"] for row in rows][: len(NAMES)] == NAMES
    assert {row["status"] for row in rows} == {"passed", "proved"}
    assert rows[0]["detail"] == f"{len(before) - 1} files have their hashes"
    assert tree(built) == before


def test_the_table_names_every_check(flow, out):
    said = flow("verify", "out")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].split() == ["check", "verdict", "detail"]
    for name in NAMES:
        assert any(line.startswith(f"{name}  ") for line in lines)


@pytest.mark.tool("yosys")
def test_a_changed_operator_in_the_verilog_is_named_and_disproved(out, verdicts):
    replace_in(out / "rtl/net.v", " & ", " | ")
    code, found = verdicts(tools=True)
    assert code == 5
    assert files(found) == {"rtl/net.v": CHANGED}
    assert found["Verilog = circuit"][0] == "disproved"


@pytest.mark.tool("yosys")
def test_a_changed_cell_in_the_netlist_is_named_and_disproved(out, verdicts):
    replace_in(out / "netlist/net.v", "NAND2X1 ", "NOR2X1 ")
    code, found = verdicts(tools=True)
    assert code == 5
    assert files(found) == {"netlist/net.v": CHANGED}
    assert found["netlist = mapped graph"][0] == "disproved"


@pytest.mark.tool("yosys")
def test_a_changed_graph_of_the_synthesis_is_named_and_disproved(out, verdicts):
    from flow.backends.aiger import read_aiger, write_aiger

    file = out / "06-synthesise/01-sweep.aig"
    graph = read_aiger(file.read_bytes(), file.name)
    literals = (graph.literals[0] ^ 1, *graph.literals[1:])
    file.write_bytes(write_aiger(replace(graph, literals=literals)))
    code, found = verdicts(tools=True)
    assert code == 5
    assert files(found) == {"06-synthesise/01-sweep.aig": CHANGED}
    assert found["graph = sweep"][0] == "disproved"


def test_a_changed_circuit_is_named_and_disproved(out, verdicts):
    replace_in(out / "03-optimise/circuit.flow", ", lt : ", ", eq : ")
    code, found = verdicts(tools=True)
    assert code == 5
    assert files(found) == {"03-optimise/circuit.flow": CHANGED}
    assert "Verilog = circuit" in bad(found)


def test_a_changed_weight_of_the_network_is_named_and_caught_on_the_vectors(out, verdicts):
    network = json.loads((out / "01-import/network.json").read_text())
    dense = next(layer for layer in network["layers"] if layer.get("kind") == "dense")
    shape, values = dense["weights"]
    dense["weights"] = [shape, [-value for value in values]]
    (out / "01-import/network.json").write_text(json.dumps(network))
    code, found = verdicts()
    assert code == 5
    assert files(found) == {"01-import/network.json": CHANGED}
    assert bad(found)["vectors = network"].startswith("the circuit's vector gives ")


def test_changed_vectors_are_named(out, verdicts):
    expected = np.load(out / "vectors/expected.npy")
    expected[2, 0] ^= 1
    (out / "vectors/expected.npy").write_bytes(npy(expected))
    code, found = verdicts()
    assert code == 5
    assert files(found) == {"vectors/expected.npy": CHANGED}
    assert set(bad(found)) == {
        "vectors = network", "circuit on the vectors", "words of the benches = vectors"
    }  # fmt: skip


def test_a_changed_word_of_the_benches_is_named(out, verdicts):
    path = out / "vectors/expected.hex"
    lines = path.read_text().splitlines()
    lines[1] = "3"
    path.write_text("\n".join(lines) + "\n")
    code, found = verdicts()
    assert code == 5
    assert files(found) == {"vectors/expected.hex": CHANGED}
    assert bad(found)["words of the benches = vectors"] == (
        "vectors/expected.hex is not vectors/expected.npy: line 2 differs"
    )


def test_a_deleted_and_an_added_file_are_named(out, verdicts):
    (out / "constraints/net.sdc").unlink()
    (out / "notes\x1b.txt").write_text("mine")
    code, found = verdicts()
    assert code == 5
    assert files(found) == {
        "constraints/net.sdc": ("failed", "it is missing"),
        "notes\\x1b.txt": ("failed", "no build has written it"),
    }
    assert bad(found) == {}


@pytest.mark.parametrize(
    "name",
    ["rtl/net.v", "03-optimise/circuit.flow", "01-import/network.json", "vectors/inputs.npy",
     "vectors/layout.json", "02-lower/circuit.flow", "03-optimise/passes.txt"],
)  # fmt: skip
@pytest.mark.parametrize("how", ["gone", "empty", "garbage"])
def test_a_file_that_cannot_be_read_is_named(out, verdicts, name, how):
    (out / name).unlink()
    if how != "gone":
        (out / name).write_bytes(b"\xff[[[" * 99 if how == "garbage" else b"")
    code, found = verdicts()
    assert code == 5
    assert files(found) == {name: ("failed", "it is missing") if how == "gone" else CHANGED}


@pytest.mark.parametrize("name", ["tb/run.py", "tb/test_net.py", "tb/tb_net.v", "tb/numpy.py"])
def test_a_bench_that_flow_has_not_written_is_never_run(out, verdicts, name, tmp_path):
    evil = f"import os\nos.mkdir({str(tmp_path / 'canary')!r})\n"
    (out / name).write_text(evil if name.endswith(".py") else "module tb_net; endmodule\n")
    manifest = json.loads((out / "manifest.json").read_text())
    digest = hashlib.sha256((out / name).read_bytes()).hexdigest()
    manifest["files"][name] = digest  # So the hashes say nothing.
    (out / "manifest.json").write_text(json.dumps(manifest))
    _, found = verdicts(tools=True)
    assert found["simulations"] == (
        "not checked",
        f"{name} is not what flow writes, and it is a program",
    )
    assert "cocotb test with icarus" not in found
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    "text",
    [
        'initial $system("mkdir canary");',
        '`include "/etc/passwd"\n',
        '/* // */ initial $system("x"); // */',
        'wire \\a//b ; initial $system("x");',
    ],
)
def test_verilog_that_calls_the_system_is_never_simulated(out, verdicts, text):
    path = out / "rtl/net.v"
    path.write_text(path.read_text().replace("endmodule", f"{text}\nendmodule"))
    _, found = verdicts(tools=True)
    status, detail = found["simulations"]
    assert status == "not checked"
    assert detail.startswith("rtl/net.v holds '")
    assert "lint with Icarus Verilog" not in found


def test_a_build_that_ended_early_is_checked_as_far_as_it_goes(flow, model, tmp_path, monkeypatch):
    monkeypatch.setenv("VERILATOR", "/nonexistent")
    for last, checks in (("lower", 2), ("emit", None)):
        assert flow(
            "build", model, "--data", "data.csv", "--effort", "fast", "-o", last, "--to", last
        ).code == 0  # fmt: skip
        said = flow("verify", last, "--json")
        rows = json.loads(said.out)
        assert (said.code, said.err) == (0, "")
        assert rows[0]["status"] == "passed"
        if checks is not None:
            assert len(rows) == checks
            assert rows[1] == {
                "check": "the circuit",
                "status": "not checked",
                "detail": "the build ended before the stage emit",
            }
        else:
            assert "Verilog = circuit" in {row["check"] for row in rows}
    assert len(ROWS) == 5


@pytest.mark.tool("yosys")
def test_a_pipelined_build_with_a_liberty_file_passes(flow, model, tmp_path, monkeypatch):
    from flow.tech.registry import load
    from flow.tech.write_liberty import liberty_text

    monkeypatch.setenv("VERILATOR", "/nonexistent")
    (tmp_path / "cells.lib").write_text(liberty_text(load("egfet")))
    build = ("build", model, "--data", "data.csv", "--liberty", "cells.lib", "--stages", "2")
    quickly = ("--effort", "fast", "--simulator", "none")
    assert flow(*build, *quickly, "-o", "out").code == 0
    (tmp_path / "cells.lib").unlink()
    model.unlink()
    said = flow("verify", "out", "--json")
    assert (said.code, said.err) == (0, "")
    found = {row["check"]: row["status"] for row in json.loads(said.out)}
    assert found["netlist = mapped graph"] == "proved"
    assert found["Verilog = circuit"] == "proved"
    assert found["simulation with Icarus Verilog"] == "passed"


def test_a_limit_of_nothing_proves_nothing_and_fails_nothing(flow, out):
    said = flow("verify", "out", "--json", "--prove-limit", "0")
    found = {row["check"]: row["status"] for row in json.loads(said.out)}
    assert (said.code, said.err) == (0, "")
    assert found["Verilog = circuit"] == "not checked"
