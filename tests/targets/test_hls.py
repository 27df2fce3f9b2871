"""Projects for HLS: a small model through the whole build, and what the target refuses."""

import json
from dataclasses import replace

import pytest
from small_build import flow, write_model

from flow.errors import CheckFailed, UsageError
from flow.pipeline.build import build
from flow.pipeline.config import BuildConfig
from flow.pipeline.folder import hashes
from flow.pipeline.stages import simulate_hls_stage
from flow.pipeline.verifying import verify
from flow.targets.hls import HLS
from flow.verify.hls import CHECK
from flow.verify.verdict import Verdict


def small(folder, **choices):
    model, data = write_model(folder)
    bits = {"input_bits": 4, "weight_bits": 4, "activation_bits": 4}
    return BuildConfig(model=model, data=data, target="hls", simulator="none", **bits, **choices)


@pytest.mark.slow
@pytest.mark.tool("compiler")
def test_a_build_ends_with_a_project_that_was_simulated(tmp_path):
    write_model(tmp_path)
    done = flow("build", "model.onnx", "--data", "data.csv", "--target", "hls", "-o", "out",
                "--hls-backend", "quartus", "--reuse", 2, "--strategy", "resource",
                cwd=tmp_path)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    out = tmp_path / "out"
    folders = ["01-import", "02-emit", "03-simulate", "04-report", "hls", "tb", "vectors"]
    assert sorted(p.name for p in out.iterdir() if p.is_dir()) == folders
    report = json.loads((out / "report.json").read_text())
    assert report["checks"] == [{"check": CHECK, "status": "passed", "detail": "40 samples"}]
    assert report["summary"]["technology"]["name"] == "Intel HLS, resource, reuse factor 2"
    assert report["latency"] is None
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["stages"] == ["import", "emit", "simulate", "report"]
    assert manifest["whole"] is True
    assert sorted(k for k in manifest["tools"] if " " not in k) == ["compiler", "hls4ml"]
    readme = (out / "README.md").read_text()
    assert "The 40 samples of `vectors/` were run through this C++" in readme
    assert "-Ihls/firmware/ac_types tb/tb.cpp -o tb.out && ./tb.out" in readme


def test_equal_choices_give_equal_folders_and_a_changed_program_is_not_run(tmp_path):
    config = small(tmp_path)
    for name in ("one", "two"):
        build(config, HLS, tmp_path / name)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    bench = tmp_path / "two" / "tb" / "tb.cpp"
    bench.write_text(bench.read_text() + "\n")
    found = [(v.check, v.status, v.detail) for v in verify(tmp_path / "two")]
    assert found == [
        ("file tb/tb.cpp", "failed", "it is not what the build wrote: its hash differs"),
        ("vectors = network", "passed", "40 samples"),
        (CHECK, "not checked", "tb/tb.cpp is not what flow writes, and it is a program"),
    ]


def test_vectors_that_the_network_does_not_answer_are_found(tmp_path):
    out = tmp_path / "out"
    build(small(tmp_path), HLS, out)
    hexes = out / "vectors" / "expected.hex"
    hexes.write_text("0" + hexes.read_text()[1:])
    found = [(v.check, v.status, v.detail) for v in verify(out)]
    assert found[1:] == [
        ("vectors = network", "failed", "vectors/expected.hex is not vectors/expected.npy")
    ]


def test_a_mismatch_ends_the_build_and_leaves_no_folder(tmp_path, monkeypatch):
    wrong = Verdict(CHECK, "failed", "FAIL sample 3: y[0] is 1, not 0", 0.0)
    monkeypatch.setattr(simulate_hls_stage, "simulate_hls", lambda *words: wrong)
    with pytest.raises(CheckFailed) as error:
        build(small(tmp_path), HLS, tmp_path / "out")
    assert error.value.exit_code == 5
    assert error.value.show() == (
        f"error: {CHECK}: failed: FAIL sample 3: y[0] is 1, not 0\n"
        "  hint: nothing was written; please report it with the model"
    )
    assert not (tmp_path / "out").exists()


def test_a_project_for_sycl_says_why_it_was_not_run(tmp_path):
    config = replace(small(tmp_path, hls_backend="oneapi"), simulator="both")
    state = build(config, HLS, tmp_path / "out").state
    (verdict,) = state.verdicts
    assert (verdict.status, verdict.detail) == (
        "not checked", "its C++ is SYCL, which only Intel's icpx compiles"
    )  # fmt: skip
    assert not (tmp_path / "out" / "tb").exists()
    readme = (tmp_path / "out" / "README.md").read_text()
    assert (
        "The 40 samples of `vectors/` were not run: its C++ is SYCL, which only Intel's icpx "
        "compiles.\n"
    ) in readme


@pytest.mark.parametrize(
    ("choices", "message", "hint"),
    [
        (
            {"stages": 2},
            "--stages is for circuits, the target hls leaves them to the compiler for HLS",
            "leave it out, or build for asic, fpga or printed",
        ),
        (
            {"simulator": "icarus"},
            "--simulator icarus runs Verilog, and a project for HLS is C++",
            "leave it out, or give none to skip the simulation",
        ),
        (
            {"tech": 'x"; exec rm'},
            "--tech 'x\"; exec rm' is no name of a part",
            "such as xcvu13p-flga2577-2-e",
        ),
    ],
)
def test_options_of_circuits_are_refused(choices, message, hint):
    with pytest.raises(UsageError) as error:
        HLS.choose(BuildConfig(target="hls", **choices))
    assert (error.value.message, error.value.hint) == (message, hint)
