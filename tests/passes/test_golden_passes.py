"""The golden files of the passes: `# RUN: -p PIPELINE`, a circuit, `---`, the result."""

from pathlib import Path

import pytest

from flow.ir.text import parse_circuit, print_circuit
from flow.passes.base import check_exact, run_passes
from flow.passes.pipeline_text import parse_pipeline

FOLDER = Path(__file__).resolve().parent.parent / "golden" / "passes"
FILES = sorted(FOLDER.glob("*.flow"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_pass_gives_the_golden_circuit(path, request):
    head, _, expected = path.read_text(encoding="utf-8").partition("---\n")
    run, _, text = head.partition("\n")
    assert run.startswith("# RUN: -p ")
    before = parse_circuit(text, path.name)
    after = run_passes(before, parse_pipeline(run.removeprefix("# RUN: -p ")), check_exact())
    if request.config.getoption("--update-golden", False):
        path.write_text(f"{head}---\n{print_circuit(after)}", encoding="utf-8")
    else:
        assert print_circuit(after) == expected


def test_there_are_golden_files():
    assert len(FILES) >= 10
