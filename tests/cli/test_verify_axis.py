"""`flow verify` of a build with a stream wrapper: its bench runs, and its files are looked at."""

import json
import shutil

import pytest
from cli.conftest import model_bytes, table

from flow.cli.main import run

BENCH = "cocotb test of the AXI4-Stream wrapper with icarus"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    (folder / "net.h5").write_bytes(model_bytes())
    (folder / "data.csv").write_text(table())
    words = ["--axis", "--stages", "1", "--simulator", "none", "--input-bits", "4", "--to", "emit"]
    arguments = ["build", folder / "net.h5", "--data", folder / "data.csv", "-o", folder / "out"]
    assert run([str(word) for word in [*arguments, *words]]) == 0
    return folder / "out"


@pytest.fixture
def verdicts(flow, built, tmp_path, monkeypatch):
    monkeypatch.setenv("VERILATOR", "/nonexistent")
    shutil.copytree(built, tmp_path / "out")

    def call():
        said = flow("verify", "out", "--json", "--prove-limit", 0)
        rows = json.loads(said.out)
        return said.code, {row["check"]: (row["status"], row["detail"]) for row in rows}

    return call


@pytest.mark.tool("icarus")
def test_the_bench_of_the_wrapper_runs_again(verdicts, tmp_path):
    code, found = verdicts()
    assert code == 0
    probes = json.loads((tmp_path / "out" / "vectors" / "layout.json").read_text())["probes"]
    assert 20 < probes < 200
    assert found[BENCH] == ("passed", f"5 samples, {probes} probes, 3 tests")
    assert found["lint of the AXI4-Stream wrapper with Yosys"] == ("passed", "no warnings")


@pytest.mark.tool("icarus")
def test_a_wrapper_that_was_changed_is_refused(verdicts, tmp_path):
    path = tmp_path / "out" / "rtl" / "net_axis.v"
    text = path.read_text()
    assert text.count(".s_data(result)") == 1
    path.write_text(text.replace(".s_data(result)", ".s_data(~result)"))
    code, found = verdicts()
    assert code == 5
    assert found["file rtl/net_axis.v"][0] == "failed"
    assert found[BENCH][0] == "failed"


@pytest.mark.tool("icarus")
@pytest.mark.parametrize("name", ["run_axis.py", "test_net_axis.py"])
def test_a_bench_of_the_wrapper_that_was_changed_is_not_run(verdicts, tmp_path, name):
    path = tmp_path / "out" / "tb" / name
    path.write_text(path.read_text() + "raise SystemExit\n")
    code, found = verdicts()
    assert code == 5
    assert found["simulations"] == (
        "not checked", f"tb/{name} is not what flow writes, and it is a program",
    )  # fmt: skip
    assert BENCH not in found


def test_a_layout_that_hides_the_wrapper_is_noticed(verdicts, tmp_path):
    path = tmp_path / "out" / "vectors" / "layout.json"
    data = json.loads(path.read_text())
    del data["axis"]
    path.write_text(json.dumps(data))
    code, found = verdicts()
    assert code == 5
    assert found["simulations"][0] == "not checked"
    assert found["file vectors/layout.json"][0] == "failed"
