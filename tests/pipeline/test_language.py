"""A language model file becomes a program near the float model; damage is one message."""

import json
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from frontend import gpt_oss_files
from frontend.llama_files import model_bytes
from frontend.test_byte_pairs import byte_table

from flow.errors import FlowError, UsageError
from flow.frontend.language.llama import logits
from flow.frontend.language.measures import nearness
from flow.frontend.language.program import real_scores
from flow.ir.language import CODES
from flow.ir.language_meaning import answers, told
from flow.pipeline.language import LanguageOptions, accuracy, import_language, own_story
from flow.pipeline.language_facts import examine_language
from flow.pipeline.running import RunOptions, open_chip
from flow.verify.lpu_chip import Answer

SIZES = (40, 44, 2, 4, 2, 300, 24)
NEAREST = LanguageOptions(rounding="nearest")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    found = tmp_path_factory.mktemp("model") / "small.bin"
    found.write_bytes(model_bytes(5, SIZES))
    return found


@pytest.mark.parametrize("code", CODES)
def test_integers_are_near_the_float_model_of_the_same_weights(path, code):
    language = import_language(path, replace(NEAREST, code=code))
    assert {array.code for array in language.program.arrays} == {code}
    text = own_story(language.source)
    same = logits(language.coded.real, text)
    found = real_scores(language.program, answers(language.program, text))
    near = nearness(same, found)
    # Activations of 8 bits; scores of this model spread over several units.
    assert near.divergence < 0.05 * same.std()
    assert np.corrcoef(same.ravel(), found.ravel())[0, 1] > 0.98


@pytest.fixture(scope="module")
def routed(tmp_path_factory):
    """A gpt-oss with a tokenizer beside it."""
    folder = gpt_oss_files.write(
        tmp_path_factory.mktemp("gpt"), hidden_size=32, head_dim=8, vocab_size=300,
        max_position_embeddings=16, bos_token_id=2,
    )  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(byte_table()))
    return folder


def test_a_gpt_oss_is_told_with_its_accuracy(routed):
    found = examine_language(routed, NEAREST, None)
    assert found.notes[0] == (
        "a gpt-oss with 2 of 4 experts a token of 2 layers, 32 wide, 4 heads on 2, 300 tokens, "
        "16 positions"
    )
    assert found.notes[2:] == [
        "weights are rounded to the nearest code", "experts keep their MXFP4 weights exactly",
    ]  # fmt: skip
    assert {row["code"] for row in found.arrays if "x" in row["array"]} == {"mxfp4"}
    near = found.accuracy["own greedy story"].nearness
    assert 0 < near.divergence < 1


def test_texts_of_a_gpt_oss_begin_with_its_own_token(routed):
    language = import_language(routed, NEAREST)
    assert own_story(language.source, 4)[0] == language.source.begin == 2
    assert language.tokenizer.encode("lower") == [1, 262]


def test_experts_are_not_taught(routed):
    with pytest.raises(UsageError, match=r"^weights are taught to a plain Llama only$"):
        import_language(routed, LanguageOptions(rounding="taught"))
    calibrated = import_language(routed, LanguageOptions())
    assert calibrated.notes[0] == "weights are calibrated on 8 texts that the model drew"


def test_a_chip_reads_prompts_by_the_tokenizer_of_its_model(tmp_path, monkeypatch):
    facts = {"format": "flow-chip 1", "positions": 12, "vocabulary": 300, "heat": 9}
    (tmp_path / "chip.json").write_text(json.dumps(facts))
    (tmp_path / "tokenizer.json").write_text(json.dumps(byte_table()))
    monkeypatch.setattr("flow.pipeline.running.compiled", lambda folder: folder / "none")
    monkeypatch.setattr("flow.pipeline.running.read_chip", lambda folder: facts)
    said = [262, 223, 261, 2, 99]
    monkeypatch.setattr("flow.pipeline.running.answers",
                        lambda *_, **__: (Answer(token, 1) for token in said))  # fmt: skip
    found = open_chip(tmp_path, RunOptions(prompt="low low"))
    assert (found.prompt, found.begin) == ([1, 260, 263], "low low")
    # The text ends at the token of its end.
    assert "".join(found.told()) == "lower er"


def test_equal_files_and_options_give_equal_programs(path):
    programs = [import_language(path, LanguageOptions(rounding="calibrated")).program
                for _ in range(2)]  # fmt: skip
    one, other = programs
    assert one.instructions == other.instructions
    assert one.vectors == other.vectors
    for name, table in one.tables.items():
        assert np.array_equal(table, other.tables[name])
    for a, b in zip(one.arrays, other.arrays, strict=True):
        assert np.array_equal(a.weights, b.weights)


def test_accuracy_of_rows_is_the_mean_of_them(path):
    language = import_language(path, NEAREST)
    rows = np.array([[1, 5, 9, 200], [1, 7, 7, 3]])
    together = accuracy(language, rows)
    alone = [accuracy(language, row) for row in rows]
    assert together.nearness.divergence == pytest.approx(
        np.mean([one.nearness.divergence for one in alone])
    )
    assert together.perplexity == pytest.approx(
        np.exp(np.mean([np.log(one.perplexity) for one in alone]))
    )


def test_a_file_with_damage_is_read_or_refused(tmp_path):
    whole = model_bytes(3, (8, 12, 1, 4, 2, 300, 8))
    rng = np.random.default_rng(0)
    read, refused = 0, []
    for number in range(25):
        data = bytearray(whole)
        for at in rng.integers(0, len(data) if number % 2 else 64, 3):
            data[at] = rng.integers(256)
        (tmp_path / "m.bin").write_bytes(data[: rng.integers(1, len(data))] if number % 5 == 0
                                         else data)  # fmt: skip
        try:
            language = import_language(tmp_path / "m.bin", NEAREST)
        except FlowError as error:
            refused.append(error.message)
        else:
            read += 1
            answers(language.program, [1, 5])
    assert 0 < read < 25
    assert all("\n" not in message for message in refused)


@pytest.mark.shared
def test_stories_are_told_in_integers(shared):
    folder = shared / "models" / "stories260K"
    language = import_language(folder / "stories260K.bin", NEAREST)
    found = accuracy(language, own_story(language.source, 40))
    assert found.nearness.agreement >= 0.8
    assert found.nearness.divergence < 0.2
    story = language.tokenizer.decode([1, *islice(told(language.program, [1]), 30)])
    assert story.startswith("Once upon a time, there was a little girl named Lily. She lov")


@pytest.mark.campaign
@pytest.mark.shared
def test_taught_integers_agree_with_the_float_model(shared):
    path = shared / "models" / "stories260K" / "stories260K.bin"
    language = import_language(path, LanguageOptions())
    assert accuracy(language, own_story(language.source)).nearness.agreement >= 0.9
