"""A language model file becomes a program near the float model; damage is one message."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from frontend.llama_files import model_bytes

from flow.errors import FlowError
from flow.frontend.language.llama import logits
from flow.frontend.language.measures import nearness
from flow.frontend.language.program import real_scores
from flow.ir.language import CODES
from flow.ir.language_meaning import answers, told
from flow.pipeline.language import LanguageOptions, accuracy, import_language, own_story

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
