"""Simulators agree with evaluate on random circuits, and every mutant is reported."""

import ast

import pytest
from designs import SMALL, STAGED, flip, make, several

from flow.errors import UsageError
from flow.verify import simulate
from flow.verify.simulate import simulate_cocotb, simulate_icarus, simulate_verilator


@pytest.mark.tool("icarus")
@pytest.mark.parametrize("stages", [0, 1, 2])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("block", range(4))
def test_icarus_agrees_with_evaluate(tmp_path, stages, wide, block):
    circuit = several(range(100 * block, 100 * block + 40), stages, wide)
    make(tmp_path, circuit, 60, handshake=stages > 0 and block % 2 == 1)
    verdict = simulate_icarus(tmp_path)
    assert (verdict.check, verdict.status) == ("simulation with Icarus Verilog", "passed")


@pytest.mark.slow
@pytest.mark.tool("verilator")
@pytest.mark.parametrize(
    ("stages", "wide", "handshake"), [(0, True, False), (2, False, False), (1, True, True)]
)
def test_verilator_agrees_with_evaluate(tmp_path, stages, wide, handshake):
    make(tmp_path, several(range(60), stages, wide), 300, handshake)
    verdict = simulate_verilator(tmp_path)
    assert (verdict.status, verdict.detail) == ("passed", "300 samples")


@pytest.mark.tool("icarus")
@pytest.mark.parametrize(
    ("circuit", "handshake", "tests"), [(SMALL, False, 1), (STAGED, False, 1), (STAGED, True, 2)]
)
def test_cocotb_agrees_with_evaluate(tmp_path, circuit, handshake, tests):
    make(tmp_path, circuit, 200, handshake)
    verdict = simulate_cocotb(tmp_path)
    assert (verdict.status, verdict.detail) == ("passed", f"200 samples, {tests} tests")
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.tool("icarus")
@pytest.mark.parametrize("handshake", [False, True])
def test_a_wrong_expected_value_is_reported_with_its_place(tmp_path, handshake):
    make(tmp_path, STAGED, 30, handshake)
    file = tmp_path / "vectors" / "expected.hex"
    right = int(file.read_text().splitlines()[17], 16)
    file.write_text(flip(file.read_text(), 17))
    got, wrong = (v - 256 if v > 127 else v for v in (right, right ^ 1))
    plain = simulate_icarus(tmp_path)
    assert (plain.status, plain.detail) == (
        "failed",
        f"sample 17, port y, lane 0: expected {wrong}, got {got}; 1 of 30 samples are wrong",
    )
    cocotb = simulate_cocotb(tmp_path)
    assert (cocotb.status, cocotb.detail) == (
        "failed",
        f"sample 17, port y, lane 0: expected {wrong}, got {got}",
    )


@pytest.mark.slow
@pytest.mark.tool("verilator")
def test_verilator_reports_a_wrong_value_with_its_place(tmp_path):
    make(tmp_path, SMALL, 30)
    file = tmp_path / "vectors" / "expected.hex"
    right = int(file.read_text().splitlines()[3], 16) & 63
    file.write_text(flip(file.read_text(), 3))
    got, wrong = (v - 64 if v > 31 else v for v in (right, right ^ 1))
    verdict = simulate_verilator(tmp_path)
    assert (verdict.status, verdict.detail) == (
        "failed",
        f"sample 3, port y, lane 0: expected {wrong}, got {got}; 1 of 30 samples are wrong",
    )


def wrong_probe(folder, handshake=False):
    """A design with 30 samples and 20 probes, of which probe 4 has a wrong answer; its place."""
    make(folder, STAGED if handshake else SMALL, 30, handshake, probes=20)
    file = folder / "vectors" / "expected.hex"
    right = int(file.read_text().splitlines()[34], 16)
    file.write_text(flip(file.read_text(), 34))
    top = 8 if handshake else 6
    right &= (1 << top) - 1
    got, wrong = (v - (v >> top - 1 << top) for v in (right, right ^ 1))
    return f"probe 4, port y, lane 0: expected {wrong}, got {got}"


@pytest.mark.tool("icarus")
@pytest.mark.parametrize("handshake", [False, True])
def test_a_wrong_probe_is_no_wrong_sample(tmp_path, handshake):
    place = wrong_probe(tmp_path, handshake)
    plain = simulate_icarus(tmp_path)
    assert (plain.status, plain.detail) == (
        "failed", f"{place}; 0 of 30 samples and 1 of 20 probes are wrong",
    )  # fmt: skip
    cocotb = simulate_cocotb(tmp_path)
    assert (cocotb.status, cocotb.detail) == ("failed", place)


@pytest.mark.slow
@pytest.mark.tool("verilator")
def test_verilator_tells_samples_from_probes(tmp_path):
    place = wrong_probe(tmp_path)
    file = tmp_path / "vectors" / "expected.hex"
    verdict = simulate_verilator(tmp_path)
    assert (verdict.status, verdict.detail) == (
        "failed", f"{place}; 0 of 30 samples and 1 of 20 probes are wrong",
    )  # fmt: skip
    file.write_text(flip(file.read_text(), 34))
    verdict = simulate_verilator(tmp_path)
    assert (verdict.status, verdict.detail) == ("passed", "30 samples, 20 probes")


@pytest.mark.tool("icarus")
@pytest.mark.parametrize("handshake", [False, True])
@pytest.mark.parametrize(
    ("most", "share", "line", "detail"),
    [
        (1000, 10, "PASS 30 of 30 samples, 20 of 20 probes", "30 samples, 20 probes"),
        (5, 10, "PASS 30 of 30 samples, 5 of 5 probes", "30 samples, the first 5 of 20 probes"),
        (0, 10, "PASS 30 of 30 samples, 3 of 3 probes", "30 samples, the first 3 of 20 probes"),
        (0, 31, "PASS 30 of 30 samples, 0 of 0 probes", "30 samples, none of 20 probes"),
    ],
)
def test_probes_run_as_far_as_they_cost_little(
    tmp_path, monkeypatch, handshake, most, share, line, detail
):
    made = make(tmp_path, STAGED if handshake else SMALL, 30, handshake, probes=20)
    monkeypatch.setattr(simulate, "EVALUATIONS", (500 * most or 40) * made.work)
    monkeypatch.setattr(simulate, "PROBE_SHARE", share)
    lines = []
    plain = simulate._plain
    monkeypatch.setattr(simulate, "_plain", lambda *given: lines.append(given[0]) or plain(*given))
    verdict = simulate_icarus(tmp_path)
    assert (verdict.status, verdict.detail) == ("passed", detail)
    assert lines[0].splitlines()[0] == line
    monkeypatch.setattr(simulate, "EVALUATIONS", 12 * made.work)
    verdict = simulate_icarus(tmp_path)
    assert (verdict.status, verdict.detail) == ("passed", "the first 12 of 30 samples")
    assert lines[1].splitlines()[0] == "PASS 12 of 12 samples, 0 of 0 probes"


MUTANTS = [
    ("dense_1_acc_0[5] ? 5'd0 : ", ""),
    ("{2{x_0[3]}}", "2'd0"),
    ("index[0] ? 4'd2", "index[0] ? 4'd3"),
    ("> 6'sd3", "> 6'sd4"),
]


@pytest.mark.tool("icarus")
@pytest.mark.parametrize(("old", "new"), MUTANTS)
def test_both_benches_fail_on_mutated_verilog(tmp_path, old, new):
    make(tmp_path, SMALL, 400)
    file = tmp_path / "rtl" / "little.v"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    for verdict in (simulate_icarus(tmp_path), simulate_cocotb(tmp_path)):
        assert verdict.status == "failed"
        assert verdict.detail.startswith("sample ")


@pytest.mark.tool("icarus")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if (advance) begin", "if (1'b1) begin"),
        ("out_ready | ~out_valid", "1'b1"),
        ("{valid[0], in_valid}", "{valid[0], 1'b1}"),
        ("= out_ready | ~out_valid", "= 1'b0 & out_ready"),
    ],
)
def test_a_broken_handshake_is_found(tmp_path, old, new):
    make(tmp_path, STAGED, 200, handshake=True)
    file = tmp_path / "rtl" / "staged.v"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    assert simulate_icarus(tmp_path).status == "failed"
    assert simulate_cocotb(tmp_path).status == "failed"


@pytest.mark.tool("icarus")
def test_a_syntax_error_is_a_failure_and_endless_work_a_timeout(tmp_path):
    make(tmp_path, SMALL, 5)
    bench = tmp_path / "tb" / "tb_little.v"
    text = bench.read_text()
    bench.write_text(text.replace("taken = 0;", "while (1) taken = 0;"))
    assert simulate_icarus(tmp_path, timeout_s=2.0).status == "timed out"
    bench.write_text("module")
    assert simulate_icarus(tmp_path).status == "failed"


def test_a_missing_simulator_is_not_a_pass(tmp_path, monkeypatch):
    make(tmp_path, SMALL, 5)
    monkeypatch.setenv("IVERILOG", "no-such-iverilog")
    monkeypatch.setenv("VERILATOR", "no-such-verilator")
    for check in (simulate_icarus, simulate_cocotb, simulate_verilator):
        assert check(tmp_path).status == "not checked"
    assert simulate_verilator(tmp_path).detail == "Verilator is not installed"


def test_a_folder_without_a_layout_is_refused(tmp_path):
    with pytest.raises(UsageError) as caught:
        simulate_icarus(tmp_path)
    assert caught.value.show() == (
        "error: the layout of the vectors cannot be read\n"
        "  at vectors/layout.json\n"
        "  hint: give a folder that `flow build` wrote"
    )


def test_what_runs_in_the_simulator_never_imports_flow(root):
    for file in sorted((root / "sim").glob("*.py")):
        modules = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                modules.add((node.module or "").split(".")[0])
        assert "flow" not in modules


@pytest.mark.tool("verilator")
def test_a_temporary_folder_with_a_space_is_told_and_an_output_folder_may_have_one(
    tmp_path, monkeypatch
):
    folder, scratch = tmp_path / "out put", tmp_path / "tem porary"
    scratch.mkdir()
    make(folder, SMALL, 20)
    verdict = simulate_verilator(folder)
    assert (verdict.status, verdict.detail) == ("passed", "20 samples")
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    verdict = simulate_verilator(folder)
    assert (verdict.status, verdict.detail) == (
        "not checked",
        "Verilator's make cannot work where the path of the temporary folder has a space",
    )
    assert simulate_icarus(folder).status == "passed"
