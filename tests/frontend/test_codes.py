"""Weights as codes: values that exist, the best scale, errors made up for, what nearness means."""

import numpy as np
import pytest
from frontend.llama_files import model_bytes

from flow.frontend.language.coded_models import MATRICES, calibrated_model, coded_model
from flow.frontend.language.codes import CODES, VALUES, coded, compensated
from flow.frontend.language.llama import logits
from flow.frontend.language.llama2c import read_llama2c
from flow.frontend.language.measures import nearness, perplexity
from flow.ir.language import Array


@pytest.fixture
def weights():
    return np.random.default_rng(4).normal(size=(6, 70)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.bin"
    path.write_bytes(model_bytes(7))
    return read_llama2c(path)


@pytest.mark.parametrize("code", CODES)
def test_codes_are_values_of_their_kind(weights, code):
    found = coded(weights, code)
    assert set(np.unique(found.integers).tolist()) <= set(VALUES[code])
    assert found.real.shape == weights.shape
    assert found.scales.shape == (6, 3 if code == "mxfp4" else 1)
    limit = 0.9 if code == "ternary" else 0.2
    assert np.linalg.norm(found.real - weights) < limit * np.linalg.norm(weights)


@pytest.mark.parametrize("code", ["fp4", "int4", "ternary"])
def test_weights_that_are_codes_stay(code):
    rng = np.random.default_rng(1)
    top = max(VALUES[code])
    integers = rng.choice([v for v in VALUES[code] if abs(v) <= top], (4, 40)).astype(np.int8)
    integers[:, 0] = top
    # One of the scales that are tried is the largest weight over the largest value.
    real = (integers * np.array([[0.5], [0.125], [2.0], [1.0]])).astype(np.float32)
    found = coded(real, code)
    assert np.abs(found.real - real).max() < 0.1 * np.abs(real).max()


def test_a_neuron_of_zeros_has_codes_of_zero():
    found = coded(np.zeros((2, 5), np.float32), "fp4")
    assert found.integers.tolist() == [[0] * 5] * 2
    assert np.isfinite(found.scales).all()


def test_a_block_has_the_exponent_of_its_largest_weight():
    row = np.zeros((1, 33), np.float32)
    row[0, :4] = [6.0, 5.1, -0.24, 0.26]
    row[0, 32] = 0.75
    found = coded(row, "mxfp4")
    # E2M1 reaches 6: the first block has the scale 1, the second 1/8; integers are doubled.
    assert found.scales.tolist() == [[0.5, 0.0625]]
    assert found.real[0, :4].tolist() == [6.0, 6.0, -0.0, 0.5]
    assert found.real[0, 32] == 0.75


@pytest.mark.parametrize("code", CODES)
def test_codes_are_integers_times_a_unit_of_their_neuron(weights, code):
    weights = weights * np.linspace(0.01, 3.0, 70, dtype=np.float32)
    found = coded(weights, code)
    array = Array("a", code, found.integers, found.shifts)
    assert np.array_equal((array.effective * found.units[:, None]).astype(np.float32), found.real)
    assert (found.shifts is not None) == (code == "mxfp4")
    if found.shifts is not None:
        assert found.shifts.shape == (6, 3)
        assert (found.shifts.min(axis=1) == 0).all()
        assert found.shifts.max() > 0


def test_what_is_lost_is_made_up_for(weights):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(500, 10)) @ rng.normal(size=(10, 70))
    square = x.T @ x / 500
    plain, made_up = coded(weights, "fp4"), compensated(weights, "fp4", square)

    def lost(found):
        return float(np.linalg.norm(x @ (found.real - weights).T))

    assert set(np.unique(made_up.integers).tolist()) <= set(VALUES["fp4"])
    assert lost(made_up) < 0.5 * lost(plain)


def test_inputs_that_know_nothing_of_each_other_are_rounded_alone(weights):
    found = compensated(weights, "fp4", np.eye(70))
    plain = coded(weights, "fp4", np.ones(70))
    assert np.array_equal(found.integers, plain.integers)
    assert np.array_equal(found.scales, plain.scales)


def test_a_model_of_codes_keeps_its_embedding_and_norms(model):
    forms = coded_model(model, "fp4"), calibrated_model(model, "fp4", [[1, 5, 9]])
    for found in (form.real for form in forms):
        assert np.array_equal(found.embedding, model.embedding)
        assert not np.array_equal(found.classifier, model.classifier)
        for layer, old in zip(found.layers, model.layers, strict=True):
            assert np.array_equal(layer.feed_norm, old.feed_norm)
            for name in MATRICES:
                assert not np.array_equal(getattr(layer, name), getattr(old, name))


def test_calibration_brings_a_model_nearer_to_its_text(model):
    text = [1, *np.random.default_rng(0).integers(3, 300, 15).tolist()]
    reference = logits(model, text)
    plain, tuned = coded_model(model, "ternary"), calibrated_model(model, "ternary", [text])
    far, near = (nearness(reference, logits(m.real, text)) for m in (plain, tuned))
    assert near.divergence < far.divergence


def test_a_model_is_nearest_to_itself():
    found = np.random.default_rng(0).normal(size=(5, 4))
    assert nearness(found, found).divergence == pytest.approx(0.0, abs=1e-15)
    assert nearness(found, found).agreement == 1.0


def test_divergence_is_that_of_kullback_and_leibler():
    one, other = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
    expected = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert nearness(one, other).divergence == pytest.approx(expected)
    assert nearness(one, other + 7.0).divergence == pytest.approx(expected)


def test_the_perplexity_of_equal_chances_is_the_number_of_tokens():
    assert perplexity(np.zeros((3, 8)), [1, 2, 3]) == pytest.approx(8.0)
    sure = np.full((2, 4), -50.0)
    sure[[0, 1], [3, 2]] = 0.0
    assert perplexity(sure, [0, 3, 2]) == pytest.approx(1.0)
