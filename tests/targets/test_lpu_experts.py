"""A tiny gpt-oss as a chip: experts that are picked, sinks, windows and biases in the RTL."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import islice

import pytest
from frontend import gpt_oss_files

from flow.backends.emission import write_files
from flow.backends.lpu import emit_lpu
from flow.cli.main import run
from flow.errors import UnsupportedModel
from flow.frontend.language.coded_models import coded_model
from flow.frontend.language.program import language_program
from flow.frontend.language.read import read_language, tokenizer_beside
from flow.ir.language_instructions import Apply, Attend
from flow.ir.language_meaning import told
from flow.mapping.lpu.assemble import assemble
from flow.mapping.lpu.base import base_for
from flow.mapping.lpu.clocks import clocks
from flow.mapping.lpu.words import Op, Word, literal
from flow.pipeline.language import LanguageOptions, import_language
from flow.pipeline.lpu_vectors import vector_files
from flow.verify.simulate import simulate_cocotb

SIZES = {"seed": 1, "hidden": 4, "inner": 4, "experts": 3, "positions": 6, "window": 2}
TEXTS = [[1, 7, 3, 0, 4, 11], [1, 5, 5, 9]]


@pytest.fixture(scope="module")
def program():
    return language_program(coded_model(gpt_oss_files.tiny(**SIZES), "fp4"), TEXTS, "tiny")


@pytest.fixture(scope="module")
def example(root, tmp_path_factory):
    """What the example script writes."""
    folder = tmp_path_factory.mktemp("example") / "tiny"
    script = root / "examples" / "lpu" / "make_gpt_oss.py"
    subprocess.run([sys.executable, script, folder], check=True, timeout=60)
    return folder


def test_the_example_is_read_whole(example):
    model = read_language(example)
    assert (model.shape.experts, model.shape.active_experts, model.begin) == (4, 2, 0)
    assert [layer.window for layer in model.layers] == [4, 0]
    tokenizer = tokenizer_beside(example, model.shape.vocabulary)
    pieces = list(tokenizer.vocabulary)
    tokens = tokenizer.encode("the and")
    assert [pieces[token] for token in tokens] == ["<s>", "the", "\u0120", "and"]
    assert tokenizer.decode(tokens) == "the and"


def test_a_word_tells_what_is_picked():
    word = Word(
        op=Op.PASS, keep=True, window=2, pick_a=True, pick_d=True, epsilon=literal(-1, 5)
    ).encode()
    assert word >> 16 & 0xFFFF == 1 << 5 | 1 << 6 | 1 << 7 | 1 << 9
    assert word >> 16 * 19 == 0xFFFFFFFF | 5 << 32
    both = Word(op=Op.APPLY, pick_b=True, pick_array=True).encode()
    assert both >> 16 & 0xFFFF == 1 << 8 | 1 << 10


def test_the_expert_is_taken_once_for_all_that_it_does(program):
    words = assemble(program).words
    # Each layer selects two, weighs both, and comes back to each.
    assert sum(word.op is Op.TAKE for word in words) == 2 * (2 + 2 + 2)
    begin = [array.name for array in program.arrays].index("layer1x0_down")
    picked = {word.array for word in words if word.op is Op.APPLY and word.pick_array}
    assert begin in picked
    assert len(picked) == 6


def test_windows_bound_what_attention_costs(program):
    words = [word for word in assemble(program).words if word.track and word.seen_outer]
    # Four heads of each layer; products of two values at each position that is seen.
    assert [clocks(word, 5) for word in words] == [2 + 2 * 2 + 8] * 4 + [2 + 6 * 2 + 8] * 4


def test_other_experts_change_wires_alone(program):
    other = coded_model(gpt_oss_files.tiny(**SIZES | {"seed": 2}), "fp4")
    base = base_for(program, 8.0)
    one = emit_lpu(assemble(program), base=base).files
    two = emit_lpu(assemble(language_program(other, TEXTS, "tiny")), base=base).files
    assert set(one) == set(two)
    changed = {name.name for name in one if one[name] != two[name]}
    assert "wires_layer1x2_down.v" in changed
    assert all(name.startswith("wires_") for name in changed)


def test_a_chip_has_one_window(program):
    found = list(program.instructions)
    at = max(n for n, one in enumerate(found) if isinstance(one, Attend))
    found[at] = replace(found[at], window=3)
    with pytest.raises(UnsupportedModel) as error:
        emit_lpu(assemble(replace(program, instructions=tuple(found))))
    assert error.value.message == "layers attend to the last 2 and 3 positions"


@pytest.mark.tool("icarus")
def test_the_chip_writes_what_the_integer_model_does(tmp_path, program):
    made = assemble(program, 2)
    write_files(emit_lpu(made).files, tmp_path)
    (tmp_path / "vectors").mkdir()
    for name, text in vector_files(made, [1, 5, 9]).items():
        (tmp_path / "vectors" / name).write_text(text)
    # The tokens do not all choose the same experts.
    steps = json.loads((tmp_path / "vectors" / "layers.json").read_text())["steps"]
    chosen = {str(one["values"]) for step in steps for one in step if one["op"] == "select"}
    assert len(chosen) == 5
    verdict = simulate_cocotb(tmp_path)
    assert (verdict.status, verdict.detail) == ("passed", "3 samples, 1 tests")


@pytest.mark.campaign
@pytest.mark.tool("icarus")
def test_a_chip_that_picks_another_expert_is_found_out(tmp_path, program):
    found = list(program.instructions)
    at = next(n for n, one in enumerate(found) if isinstance(one, Apply) and one.picks)
    found[at] = replace(found[at], slot=1 - found[at].slot)
    write_files(emit_lpu(assemble(replace(program, instructions=tuple(found)))).files, tmp_path)
    (tmp_path / "vectors").mkdir()
    for name, text in vector_files(assemble(program), [1]).items():
        (tmp_path / "vectors" / name).write_text(text)
    assert simulate_cocotb(tmp_path).status == "failed"


@pytest.mark.campaign
@pytest.mark.tool("verilator")
def test_the_example_is_built_and_talks(example, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ["build", str(example), "--target", "lpu", "--simulator", "verilator", "-o"]
    assert run([*words, str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {check["status"] for check in report["checks"]} == {"passed"}
    capsys.readouterr()
    assert run(["run", str(tmp_path / "out"), "--prompt", "the", "--tokens", "8", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    program = import_language(example, LanguageOptions()).program
    assert said["tokens"] == list(islice(told(program, said["prompt"]), len(said["tokens"])))
