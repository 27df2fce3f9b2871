"""The hand-written modules of streams: order, full rate, stalls, and where no path leads."""

import pytest

from flow.assets import asset
from flow.tools import icarus, verilator
from flow.tools.yosys import yosys

MODULES = ("axis_register", "axis_skid")
WORDS = 2000


def ran(tmp_path, root, module, *plusargs):
    program = tmp_path / "bench.vvp"
    files = [root / "tests/rtl/stream_bench.v", asset("rtl", f"{module}.v")]
    arguments = [f"-DSTREAM={module}"]
    icarus.compile_verilog(files, "stream_bench", program, tmp_path, 60, arguments)
    log = icarus.simulate(program, tmp_path, 60, [f"+{word}" for word in plusargs]).log
    words, failures, clocks = (int(part.split()[0]) for part in log.splitlines()[0].split(", "))
    return words, failures, clocks


@pytest.mark.tool("icarus")
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("rates", [(4, 4), (3, 3), (4, 1), (1, 4), (2, 3)])
def test_words_come_out_in_order_whatever_stalls(tmp_path, root, module, rates):
    offer, take = rates
    words, failures, clocks = ran(tmp_path, root, module, f"offer={offer}", f"take={take}")
    assert (words, failures) == (WORDS, 0)
    if rates == (4, 4):
        assert clocks == WORDS + 1


@pytest.mark.tool("icarus")
def test_the_ready_of_the_skid_buffer_does_not_follow_that_of_its_reader(tmp_path, root):
    assert ran(tmp_path, root, "axis_skid", "cut", "take=2")[:2] == (WORDS, 0)
    # The plain register has such a path, so the bench sees it.
    assert ran(tmp_path, root, "axis_register", "cut", "take=2")[1] > 0


@pytest.mark.tool("yosys")
def test_no_path_leads_through_the_skid_buffer_without_a_register(tmp_path):
    """Cones through wires and gates, which end at flip-flops."""
    file = asset("rtl", "axis_skid.v")
    cones = [
        f"select -assert-none i:{a} %co*:-$dff o:{b} %i"
        for a, b in (("m_ready", "s_ready"), ("s_valid", "m_valid"), ("s_data", "m_data"))
    ]
    yosys([f"read_verilog {file}", "proc", "clean", *cones], cwd=tmp_path)
    # The same words find the path that the plain register has.
    found = "select -assert-any i:m_ready %co*:-$dff o:s_ready %i"
    plain = asset("rtl", "axis_register.v")
    yosys([f"read_verilog {plain}", "proc", "clean", found], cwd=tmp_path)


@pytest.mark.tool("yosys")
@pytest.mark.parametrize("module", MODULES)
def test_three_readers_have_nothing_to_complain_about(tmp_path, module):
    file = asset("rtl", f"{module}.v")
    assert icarus.compile_verilog([file], module, "x.vvp", tmp_path, 60).log == ""
    verilator.lint([file], module, tmp_path, 60)
    log = yosys(
        [f"read_verilog {file}", f"hierarchy -check -top {module}", "proc", "check -assert"],
        cwd=tmp_path,
    ).log
    assert "Warning" not in log
