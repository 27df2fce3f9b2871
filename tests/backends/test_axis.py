"""The AXI4-Stream wrapper: packing, stalls, readers, and where no path leads."""

import json
import re

import pytest
from designs import SMALL, STAGED, flip, make, several

from flow.backends.axis import stream, with_axis
from flow.backends.emission import Lane, Stream, VerilogPort
from flow.backends.verilog import emit_verilog
from flow.errors import InternalError
from flow.ir.circuit import Circuit, Port
from flow.ir.interval import IntRange
from flow.ir.nodes import Input
from flow.tools import verilator
from flow.tools.yosys import yosys
from flow.verify.lint import lint
from flow.verify.simulate import AXIS, simulate_axis

CASES = [(SMALL, False), (STAGED, True)]


def port(*ranges):
    lanes = tuple(Lane(0, max(1, r.width), r) for r in (IntRange(*r) for r in ranges))
    return VerilogPort("p", "input", lanes, "p")


@pytest.mark.parametrize(
    ("ranges", "elements", "bits", "signed", "width"),
    [
        ([(0, 1)], 1, 8, False, 8),
        ([(0, 255)] * 3, 3, 8, False, 24),
        ([(-128, 127), (0, 127)], 2, 8, True, 16),
        # 255 and -1 have no common type of 8 bits.
        ([(-1, 0), (0, 255)], 2, 16, True, 32),
        ([(-(1 << 31), 0)], 1, 32, True, 32),
        ([(0, 1 << 32)], 1, 64, False, 64),
        ([(-(1 << 64), 0)], 1, 128, True, 128),
        ([], 0, 8, False, 8),
    ],
)
def test_all_elements_have_the_type_that_holds_every_lane(ranges, elements, bits, signed, width):
    found = stream([port(*ranges)])
    assert (found, found.width) == (Stream(elements, bits, signed), width)


@pytest.mark.parametrize(("circuit", "handshake"), CASES)
def test_the_text_of_a_wrapper_is_the_golden_one(request, root, circuit, handshake):
    emission = with_axis(emit_verilog(circuit, handshake=handshake))
    name = f"{circuit.name}_axis.v"
    text = next(text for path, text in emission.files.items() if path.name == name)
    golden = root / "tests" / "golden" / "verilog" / name
    if request.config.getoption("--update-golden"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_the_wrapper_brings_its_modules_and_its_layout(tmp_path):
    emission = make(tmp_path, STAGED, handshake=True, axis=True)
    assert sorted(path.name for path in (tmp_path / "rtl").iterdir()) == [
        "axis_register.v", "axis_skid.v", "staged.v", "staged_axis.v",
    ]  # fmt: skip
    assert emission.primitives == {"axis_register", "axis_skid"}
    assert json.loads((tmp_path / "vectors/layout.json").read_text())["axis"] == {
        "top": "staged_axis",
        "latency": 4,
        "inputs": {"elements": 2, "bits": 8, "signed": True, "width": 16},
        "outputs": {"elements": 1, "bits": 8, "signed": True, "width": 8},
    }


def test_a_circuit_that_cannot_wait_is_refused():
    with pytest.raises(InternalError) as caught:
        with_axis(emit_verilog(STAGED))
    assert str(caught.value) == "staged has registers and cannot wait for a stream"


@pytest.mark.parametrize("name", ["axis_skid", "axis_register"])
def test_a_circuit_with_the_name_of_a_module_of_the_wrapper_gets_another(name):
    emission = with_axis(emit_verilog(Circuit(name, SMALL.inputs, SMALL.outputs)))
    assert emission.top == f"{name}_2"
    assert len(emission.files) == 4


def test_the_name_of_a_wrapper_is_not_too_long_for_any_tool():
    emission = with_axis(emit_verilog(Circuit("n" * 63, SMALL.inputs, SMALL.outputs)))
    assert emission.axis.top == "n" * 58 + "_axis"


@pytest.mark.tool("icarus")
@pytest.mark.parametrize(("circuit", "handshake"), CASES)
def test_every_result_comes_through_stalls_on_both_sides(tmp_path, circuit, handshake):
    make(tmp_path, circuit, 200, handshake, axis=True)
    verdict = simulate_axis(tmp_path)
    assert (verdict.check, verdict.status, verdict.detail) == (
        f"cocotb test{AXIS} with icarus", "passed", "200 samples, 3 tests",
    )  # fmt: skip


LONG = pytest.mark.campaign  # Wide circuits of several stages take a minute each.


@pytest.mark.tool("icarus")
@pytest.mark.parametrize(
    ("stages", "wide"),
    [
        (0, False), (1, False), (3, False), (1, True),
        pytest.param(0, True, marks=LONG), pytest.param(3, True, marks=LONG),
    ],
)  # fmt: skip
def test_random_circuits_behind_a_stream_agree_with_evaluate(tmp_path, stages, wide):
    make(tmp_path, several(range(30), stages, wide), 60, handshake=stages > 0, axis=True)
    for verdict in lint(tmp_path, "several_axis", of=AXIS):
        assert (verdict.check, verdict.status) == (verdict.check, "passed"), verdict.detail
    verdict = simulate_axis(tmp_path)
    assert (verdict.status, verdict.detail) == ("passed", "60 samples, 3 tests")


@pytest.mark.slow
@pytest.mark.tool("verilator")
def test_the_bench_of_the_wrapper_runs_in_verilator_too(tmp_path):
    from flow.verify.simulate import simulate_cocotb

    make(tmp_path, STAGED, 50, handshake=True, axis=True)
    verdict = simulate_cocotb(tmp_path, "verilator", script="run_axis.py", of=AXIS)
    assert (verdict.status, verdict.detail) == ("passed", "50 samples, 3 tests")


MUTANTS = {
    "a bit of the sample": ("s_axis_tdata[11:8]", "s_axis_tdata[12:9]"),
    "the sign": ("{2{answer[5]}}", "2'd0"),
    "tlast": ("assign m_axis_tlast = answer[8]", "assign m_axis_tlast = answer[0]"),
    "a stall": (".s_ready(result_ready)", ".s_ready()"),
    "the valid": ("assign result_valid = sample_valid", "assign result_valid = 1'b1"),
}


@pytest.mark.tool("icarus")
@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_bench_refuses_a_wrapper_that_is_wrong(tmp_path, mutant):
    make(tmp_path, SMALL, 100, axis=True)
    path = tmp_path / "rtl" / "little_axis.v"
    before, after = MUTANTS[mutant]
    text = path.read_text()
    assert text.count(before) == 1
    text = text.replace(before, after)
    if mutant == "a stall":
        text = text.replace("assign sample_ready = result_ready", "assign sample_ready = 1'b1")
    path.write_text(text)
    assert simulate_axis(tmp_path).status == "failed"


@pytest.mark.tool("icarus")
def test_a_wrong_expected_value_is_found_behind_the_stream(tmp_path):
    make(tmp_path, STAGED, 30, handshake=True, axis=True)
    file = tmp_path / "vectors" / "expected.hex"
    file.write_text(flip(file.read_text(), 17))
    verdict = simulate_axis(tmp_path)
    assert verdict.status == "failed"
    assert re.fullmatch(r"sample 17, lane y\[0\]: expected [01]{8}, got [01]{8}", verdict.detail), (
        verdict.detail
    )


@pytest.mark.tool("yosys")
@pytest.mark.parametrize(("circuit", "handshake"), CASES)
def test_no_path_leads_across_the_wrapper_without_a_register(tmp_path, circuit, handshake):
    emission = make(tmp_path, circuit, 5, handshake, axis=True)
    files = " ".join(str(path) for path in emission.files)
    ends = [
        ("m_axis_tready", "s_axis_tready"), ("s_axis_tvalid", "s_axis_tready"),
        ("s_axis_tvalid", "m_axis_tvalid"), ("s_axis_tdata", "m_axis_tdata"),
        ("s_axis_tlast", "m_axis_tlast"),
    ]  # fmt: skip
    cones = [f"select -assert-none i:{a} %co*:-$dff o:{b} %i" for a, b in ends]
    top = emission.axis.top
    script = [f"read_verilog {files}", f"hierarchy -check -top {top}", "proc", "flatten", "clean"]
    yosys([*script, *cones], cwd=tmp_path)


@pytest.mark.tool("verilator")
def test_a_stream_of_single_bits_can_be_read(tmp_path):
    one = Input("x", 0, 0, 1)
    circuit = Circuit("ones", (Port("x", (one,)),), (Port("y", (one,)),))
    emission = make(tmp_path, circuit, 4, axis=True)
    assert re.search(r"s_axis_tdata\[0\]\n", emission.files[next(
        path for path in emission.files if path.name == "ones_axis.v"
    )])  # fmt: skip
    verilator.lint([str(path) for path in emission.files], "ones_axis", tmp_path, 60, ["-O0"])
