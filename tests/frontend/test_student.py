"""A student's gradients are slopes, and what it is taught brings codes nearer to their model."""

import numpy as np
import pytest
from frontend.llama_files import model_bytes

from flow.frontend.language.coded_models import coded_model, keys, matrix
from flow.frontend.language.codes import VALUES
from flow.frontend.language.distil import NORMS, Teaching, taught_model
from flow.frontend.language.llama import drawn, logits
from flow.frontend.language.llama2c import read_llama2c
from flow.frontend.language.measures import nearness
from flow.frontend.language.student import Student

TEXTS = np.array([[1, 7, 299, 0, 42], [1, 5, 9, 7, 11]])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.bin"
    path.write_bytes(model_bytes(7))
    return read_llama2c(path)


def student(model, values=None, step=1e-6):
    """A student of the float values; with tiny steps nothing rounds, but everything saturates."""
    depth = len(model.layers)
    found = {key: matrix(model, key) for key in keys(model)}
    found |= {(0, "embedding"): model.embedding, (depth, "norm"): model.norm}
    for n, layer in enumerate(model.layers):
        found |= {(n, name): getattr(layer, name) for name in NORMS}
    names = ("queries", "keys", "values", "output", "gate", "down")
    steps = {(n, name): step for n in range(depth) for name in names}
    return Student(model, {**found, **(values or {})}, {**steps, (depth, "classifier"): step})


def smooth(monkeypatch):
    everywhere = lambda self, key, x: (x, np.ones(x.shape, bool))  # noqa: E731
    monkeypatch.setattr(Student, "_rounded", everywhere)


def test_a_student_that_does_not_round_answers_as_the_model(model, monkeypatch):
    smooth(monkeypatch)
    assert np.allclose(student(model).answers(TEXTS), logits(model, TEXTS), rtol=1e-4, atol=1e-4)


def test_gradients_are_slopes(model, monkeypatch):
    smooth(monkeypatch)
    rng = np.random.default_rng(0)
    pupil = student(model)
    change = rng.normal(size=pupil.answers(TEXTS).shape)
    gradients = pupil.learn(change.astype(np.float32))
    assert set(gradients) == set(pupil.values)
    for key, value in pupil.values.items():
        way = rng.normal(size=value.shape)
        ends = [
            float((student(model, {key: (value + s * way).astype(np.float32)}).answers(TEXTS)
                   .astype(float) * change).sum())
            for s in (1e-3, -1e-3)
        ]  # fmt: skip
        slope = (ends[0] - ends[1]) / 2e-3
        assert float((gradients[key] * way).sum()) == pytest.approx(slope, rel=0.03, abs=0.1), key


def test_what_saturates_has_no_gradient(model):
    pupil = student(model)
    pupil.answers(TEXTS)
    gradients = pupil.learn(np.ones((2, 5, 300), np.float32))
    assert not gradients[0, "queries"].any()
    assert gradients[2, "classifier"].any()


@pytest.mark.parametrize("code", ["fp4", "ternary"])
def test_teaching_brings_a_model_nearer_to_its_own_texts(model, code):
    texts = drawn(model, 12, 16, 0)
    held = drawn(model, 8, 16, 1)
    plain = coded_model(model, code)
    teaching = Teaching(rounds=25)
    found = taught_model(model, code, texts, teaching)
    again = taught_model(model, code, texts, teaching)
    reference = logits(model, held)
    far, near = (nearness(reference, logits(m.real, held)) for m in (plain, found))
    assert near.divergence < far.divergence
    for key, one in found.matrices.items():
        assert set(np.unique(one.integers).tolist()) <= set(VALUES[code])
        assert one.scales.shape == (len(one.integers), 1)
        assert np.array_equal(one.integers, again.matrices[key].integers)
        assert np.array_equal(one.scales, again.matrices[key].scales)
