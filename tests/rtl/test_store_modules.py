"""The modules that hold weights: votes, repairs, counters, and the serial port with spikes."""

import pytest

from flow.assets import asset
from flow.backends.names import STORE_MODULES
from flow.tools import icarus, verilator
from flow.tools.yosys import yosys

FILES = {name: asset("rtl", f"{name}.v") for name in STORE_MODULES}


def ran(tmp_path, root, bench, *plusargs, values=(), files=FILES):
    program = tmp_path / "bench.vvp"
    sources = [root / f"tests/rtl/{bench}.v", *files.values()]
    settings = [f"-P{bench}.{name}={value}" for name, value in values]
    icarus.compile_verilog(sources, bench, program, tmp_path, 60, settings)
    log = icarus.simulate(program, tmp_path, 60, [f"+{word}" for word in plusargs]).log
    return [line for line in log.splitlines() if not line.startswith("tests/")]


@pytest.mark.tool("icarus")
def test_every_upset_of_every_copy_is_repaired_counted_and_never_seen(tmp_path, root):
    assert ran(tmp_path, root, "bank_bench")[:2] == [
        "135 injected, 135 repaired, 0 escaped, 135 counted",
        "45 doubles, 45 reported",
    ]


@pytest.mark.tool("icarus")
@pytest.mark.parametrize(
    ("module", "right", "wrong"),
    [
        ("majority", "(a & b) | (a & c) | (b & c)", "a"),
        ("weight_slice", "^next[EACH*k+:8];", "1'b0;"),
        ("weight_bank", ".data(data),", ".data(8'd0),"),
        ("held_register", ".d(load),\n                .q(b)", ".d(b),\n                .q(b)"),
    ],
)
def test_a_bank_that_is_wrong_is_found_so(tmp_path, root, module, right, wrong):
    text = FILES[module].read_text()
    assert right in text
    mutant = tmp_path / f"{module}.v"
    mutant.write_text(text.replace(right, wrong))
    lines = ran(tmp_path, root, "bank_bench", files={**FILES, module: mutant})
    assert lines[:2] != [
        "135 injected, 135 repaired, 0 escaped, 135 counted",
        "45 doubles, 45 reported",
    ]


@pytest.mark.campaign
@pytest.mark.tool("icarus")
def test_every_upset_of_a_bank_of_256_bytes_is_repaired(tmp_path, root):
    values = (("BYTES", 256), ("BANK", 64), ("DOUBLES", 256))
    assert ran(tmp_path, root, "bank_bench", values=values)[:2] == [
        "6912 injected, 6912 repaired, 0 escaped, 6912 counted",
        "256 doubles, 256 reported",
    ]


@pytest.mark.tool("icarus")
@pytest.mark.parametrize("copies", [0, 1])
@pytest.mark.parametrize("spikes", [(), ("spikes",)])
def test_bytes_are_written_and_read_over_i2c(tmp_path, root, copies, spikes):
    found = ran(tmp_path, root, "i2c_bench", *spikes, values=(("TMR", copies),))
    # The one refusal is that of an address that nobody has.
    assert found[0] == "0 failures, 1 refused, 0 wrong"


@pytest.mark.tool("icarus")
def test_without_a_filter_spikes_disturb_the_port(tmp_path, root):
    found = ran(tmp_path, root, "i2c_bench", "spikes", values=(("FILTER", 1),))
    assert not found[0].startswith("0 failures")


@pytest.mark.tool("yosys")
@pytest.mark.parametrize("module", STORE_MODULES)
def test_three_readers_have_nothing_to_complain_about(tmp_path, module):
    files = [str(file) for file in FILES.values()]
    assert icarus.compile_verilog(files, module, "x.vvp", tmp_path, 60).log == ""
    verilator.lint(files, module, tmp_path, 60)
    log = yosys(
        [*(f"read_verilog {file}" for file in files), f"hierarchy -check -top {module}", "proc",
         "check -assert"],
        cwd=tmp_path,
    ).log  # fmt: skip
    assert "Warning" not in log


@pytest.mark.tool("verilator")
@pytest.mark.parametrize("weights", [0, 1])
@pytest.mark.parametrize("control", [0, 1])
def test_a_bank_has_no_warnings_with_any_copies(tmp_path, weights, control):
    files = [str(file) for file in FILES.values()]
    settings = [f"-GTMR_WEIGHTS={weights}", f"-GTMR_CONTROL={control}", "-GBYTES=65"]
    verilator.lint(files, "weight_bank", tmp_path, 60, settings)


@pytest.mark.tool("yosys")
def test_copies_stay_where_synthesis_would_merge_them(tmp_path):
    """Three registers with one input: as many flip-flops as bits and copies, and no fewer."""
    script = [
        *(f"read_verilog {FILES[name]}" for name in ("majority", "register_copy", "held_register")),
        "chparam -set TMR 1 -set WIDTH 8 held_register",
        "synth -flatten -top held_register",
    ]
    yosys([*script, "flatten -wb", "select -assert-count 8 t:$_DFF_P_",
           "select -assert-count 3 t:*register_copy*"], cwd=tmp_path)  # fmt: skip
