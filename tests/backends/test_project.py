"""The files around the Verilog: vectors, benches, scripts and the README."""

import io
import json
from pathlib import PurePosixPath

import numpy as np
import pytest
from designs import SMALL, STAGED

from flow.backends.axis import with_axis
from flow.backends.emission import write_files
from flow.backends.project import About, project_files
from flow.backends.vectors import vector_files
from flow.backends.verilog import emit_verilog
from flow.errors import InternalError
from flow.ir.circuit import Circuit, Port
from flow.ir.interval import IntRange
from flow.ir.nodes import Input
from flow.tools.yosys import yosys

VALUES = {"x": np.array([[-8, 15], [7, 1]])}
RESULTS = {"y": np.array([[6, 3], [13, 3]])}


def test_a_word_has_lane_0_lowest_and_the_highest_digit_first():
    files = vector_files(emit_verilog(SMALL), VALUES, RESULTS, {"x": "1/16"})
    assert files[PurePosixPath("vectors/inputs.hex")] == "f8\n17\n"
    assert files[PurePosixPath("vectors/expected.hex")] == "c6\ncd\n"
    array = np.load(io.BytesIO(files[PurePosixPath("vectors/inputs.npy")]), allow_pickle=False)
    assert (array.dtype, array.tolist()) == (np.int64, [[-8, 15], [7, 1]])


def test_the_layout_tells_where_every_lane_lies():
    files = vector_files(emit_verilog(SMALL), VALUES, RESULTS, {"x": "1/16"})
    layout = json.loads(files[PurePosixPath("vectors/layout.json")])
    assert layout["inputs"] == {
        "width": 8,
        "ports": [
            {"name": "x", "source": "x", "offset": 0, "width": 8, "lanes": [
                {"name": "x[0]", "offset": 0, "width": 4, "signed": True, "lo": -8, "hi": 7,
                 "scale": "1/16"},
                {"name": "x[1]", "offset": 4, "width": 4, "signed": False, "lo": 0, "hi": 15,
                 "scale": "1/16"},
            ]},
        ],
    }  # fmt: skip
    assert (layout["top"], layout["samples"], layout["latency"]) == ("little", 2, 0)
    assert layout["outputs"]["ports"][0]["lanes"][1] == {
        "name": "y[1]", "offset": 6, "width": 2, "signed": False, "lo": 0, "hi": 3,
    }  # fmt: skip


def test_wide_lanes_are_packed_and_kept_as_decimal_text():
    lane = Input("x", 0, -(1 << 70), (1 << 70) - 1)
    circuit = Circuit("wide", (Port("x", (lane,)),), (Port("y", (lane,)),))
    values = {"x": np.array([[-(1 << 70)], [(1 << 70) - 1], [-1]], dtype=object)}
    files = vector_files(emit_verilog(circuit), values, {"y": values["x"]})
    assert files[PurePosixPath("vectors/inputs.hex")] == (
        "400000000000000000\n3fffffffffffffffff\n7fffffffffffffffff\n"
    )
    array = np.load(io.BytesIO(files[PurePosixPath("vectors/inputs.npy")]), allow_pickle=False)
    assert [int(v) for v in array[:, 0]] == [-(1 << 70), (1 << 70) - 1, -1]


def test_a_value_that_does_not_fit_is_refused():
    with pytest.raises(InternalError) as caught:
        vector_files(emit_verilog(SMALL), {"x": np.array([[8, 0], [0, 0]])}, RESULTS)
    assert str(caught.value) == f"a value of x[0] lies outside {IntRange(-8, 7)}"


def test_the_file_list_and_the_constraints():
    files = project_files(emit_verilog(STAGED, handshake=True), About(period_ns=4.0))
    assert files[PurePosixPath("staged.f")].splitlines()[2:] == ["rtl/staged.v"]
    assert files[PurePosixPath("constraints/staged.sdc")] == (
        "# Timing of staged: a clock of 4 ns.\n"
        "# 20% of the period lies outside, before the inputs and again behind the outputs.\n"
        "set_units -time ns\n"
        "create_clock -name clk -period 4 [get_ports clk]\n"
        "set_clock_uncertainty 0.08 [get_clocks clk]\n"
        "set_input_delay 0.8 -clock clk [get_ports { rst in_valid out_ready x }]\n"
        "set_output_delay 0.8 -clock clk [get_ports { in_ready out_valid y }]\n"
    )
    assert files[PurePosixPath("constraints/staged.xdc")].splitlines()[5] == (
        "set_output_delay 0.8 -clock clk [get_ports { in_ready out_valid y[*] }]"
    )
    config = json.loads(files[PurePosixPath("synth/librelane/config.json")])
    assert config["SIGNOFF_SDC_FILE"] == "dir::../../constraints/staged.sdc"


def test_constraints_of_slow_cells_count_in_microseconds_and_those_of_vivado_in_ns():
    about = About(period_ns=2e8, time_unit="us")
    files = project_files(emit_verilog(STAGED, handshake=True), about)
    for kind, lines in (
        ("sdc", ["set_units -time us", "create_clock -name clk -period 200000 [get_ports clk]"]),
        ("xdc", ["create_clock -name clk -period 200000000 [get_ports clk]"]),
    ):
        text = files[PurePosixPath(f"constraints/staged.{kind}")]
        assert text.splitlines()[2 : 2 + len(lines)] == lines
    # LibreLane's libraries count in ns, so it makes constraints of its own from the period.
    assert set(json.loads(files[PurePosixPath("synth/librelane/config.json")])) == {
        "meta", "DESIGN_NAME", "VERILOG_FILES", "CLOCK_PORT", "CLOCK_PERIOD",
    }  # fmt: skip


def test_the_wrapper_has_constraints_targets_and_a_table_of_its_own():
    files = project_files(with_axis(emit_verilog(STAGED, handshake=True)), About(period_ns=4.0))
    assert files[PurePosixPath("staged.f")].splitlines()[2:] == [
        "rtl/axis_register.v", "rtl/axis_skid.v", "rtl/staged.v", "rtl/staged_axis.v",
    ]  # fmt: skip
    assert files[PurePosixPath("constraints/staged_axis.sdc")].splitlines()[3:] == [
        "create_clock -name aclk -period 4 [get_ports aclk]",
        "set_clock_uncertainty 0.08 [get_clocks aclk]",
        "set_input_delay 0.8 -clock aclk [get_ports { aresetn s_axis_tdata s_axis_tvalid "
        "s_axis_tlast m_axis_tready }]",
        "set_output_delay 0.8 -clock aclk [get_ports { s_axis_tready m_axis_tdata m_axis_tvalid "
        "m_axis_tlast }]",
    ]
    readme = files[PurePosixPath("README.md")]
    assert "`s_axis_tdata` is 2 x `int8`, `m_axis_tdata` is 1 x `int8`.\n" in readme
    assert "| `m_axis_tdata` | output | 8 | a result |\n" in readme


def test_an_fpga_has_the_command_of_its_family_in_the_yosys_script():
    about = About(synthesis="synth_ice40 -dsp")
    text = project_files(emit_verilog(SMALL), about)[PurePosixPath("synth/yosys.ys")]
    assert text.splitlines()[1:] == [
        "read_verilog rtl/little.v",
        "hierarchy -check -top little",
        "synth_ice40 -dsp -top little",
        "tee -o synth/cells.txt stat",
        "write_verilog -noattr synth/little_netlist.v",
    ]


def test_a_combinational_circuit_has_a_virtual_clock():
    files = project_files(emit_verilog(SMALL), About())
    assert files[PurePosixPath("constraints/little.sdc")].splitlines()[3:5] == [
        "create_clock -name virtual_clock -period 10",
        "set_clock_uncertainty 0.2 [get_clocks virtual_clock]",
    ]


def test_the_readme_has_the_ports_the_facts_and_the_licence():
    about = About("A `classifier`\nof wine.", ("accuracy: 93.3 % of 200 samples",), samples=200)
    text = project_files(emit_verilog(STAGED), about)[PurePosixPath("README.md")]
    assert text.startswith("# staged\n\nA ?classifier??of wine.\n\n* accuracy: 93.3 % of 200")
    assert "| `clk` | input | 1 |  | clock, rising edge |\n" in text
    assert (
        "| `x` | input | 8 | 2 | 4 bits a lane, signed and unsigned, values in [-8, 15] |\n" in text
    )
    assert "2 register stages; a new sample may enter every clock." in text
    assert text.endswith("flow claims no right in what it generates.\n")


def test_the_core_file_is_yaml_that_names_existing_files(tmp_path):
    yaml = pytest.importorskip("yaml")
    emission = emit_verilog(SMALL)
    text = project_files(emission, About('quote " me: x'))[PurePosixPath("little.core")]
    first, rest = text.split("\n", 1)
    core = yaml.safe_load(rest)
    assert first == "CAPI=2:"
    assert core["name"] == "flow:generated:little:1.0.0"
    assert core["description"] == "quote ' me: x"
    assert core["filesets"]["rtl"]["files"] == [
        {"rtl/little.v": {"file_type": "verilogSource-2005"}}
    ]
    assert core["targets"]["sim"]["toplevel"] == "tb_little"


@pytest.mark.tool("yosys")
def test_the_yosys_script_runs_as_it_stands(tmp_path):
    emission = emit_verilog(STAGED)
    write_files(emission.files, tmp_path)
    write_files(project_files(emission, About()), tmp_path)
    yosys((tmp_path / "synth" / "yosys.ys").read_text(), cwd=tmp_path)
    assert "module staged(" in (tmp_path / "synth" / "staged_netlist.v").read_text()


def test_nothing_is_written_outside_the_folder(tmp_path):
    for path in ("../x", "/tmp/x"):
        with pytest.raises(InternalError, match="lies outside the output folder"):
            write_files({PurePosixPath("good"): "", PurePosixPath(path): ""}, tmp_path)
    assert list(tmp_path.iterdir()) == []
