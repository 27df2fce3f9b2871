"""Every file that a build writes up to its Verilog, for several targets and options."""

import pytest
from digests import check, digest
from small_build import flow, write_model

WORDS = ("--simulator", "none", "--weight-bits", "4", "--input-bits", "4", "--activation-bits", "4")
CASES = {
    "printed": ("--target", "printed", "--effort", "fast"),
    "printed-normal": ("--target", "printed"),
    "registers": ("--target", "asic", "--effort", "fast", "--weights", "registers", "--tmr", "all"),
    "registers-once": ("--target", "asic", "--weights", "registers", "--tmr", "none"),
    "stages": ("--target", "asic", "--effort", "fast", "--stages", "2"),
    "folded": ("--target", "fpga", "--effort", "fast", "--ii", "4"),
    "folded-twice": ("--target", "fpga", "--effort", "fast", "--ii", "2"),
    "stages-fpga": ("--target", "fpga", "--effort", "fast", "--stages", "3"),
    "hls": ("--target", "hls"),
    "neurons": ("--target", "lpu"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_build_writes_the_golden_files(case, tmp_path, request):
    write_model(tmp_path)
    words = ("build", "model.onnx", "--data", "data.csv", *WORDS, *CASES[case])
    done = flow(*words, "--to", "emit", "-o", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    out = tmp_path / "out"
    found = {
        str(path.relative_to(out)): digest(path.read_bytes())
        for path in sorted(out.rglob("*"))
        # The manifest names the versions of tools, and arrays hold what the text beside them does.
        if path.is_file() and path.name != "manifest.json" and path.suffix != ".npy"
    }
    check("folders", case, found, request.config.getoption("--update-golden"))
