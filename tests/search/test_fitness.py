"""Fitness of populations: by every way the classes that the networks of the genomes mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.errors import UsageError
from flow.ir.network import evaluate_network
from flow.search.compiled_count import compilable
from flow.search.fitness import Fitness, evaluate, predict
from flow.search.neurons import unique_rows
from flow.search.space import Space


@st.composite
def spaces(draw):
    return Space(
        draw(st.integers(1, 12)),
        tuple(draw(st.lists(st.integers(1, 4), max_size=2))),
        draw(st.integers(2, 5)),
        input_bits=draw(st.integers(1, 4)),
        hidden_bits=draw(st.integers(1, 9)),
        exponents=draw(st.integers(0, 12)),
        bias_bits=draw(st.integers(1, 14)),
        largest_shift=draw(st.integers(0, 18)),
        tournament=draw(st.booleans()),
    )


def _genomes(space, count, rng):
    genomes = rng.integers(space.lower, space.upper + 1, size=(count, space.genes))
    for genes in space.layers(genomes):
        genes.masks[...] *= rng.random(genes.masks.shape) < rng.random((count, 1, 1))
    return genomes


@given(spaces(), st.integers(0, 2**32 - 1))
def test_counts_and_classes_are_those_of_the_networks(space, seed):
    rng = np.random.default_rng(seed)
    genomes = _genomes(space, 3, rng)
    x = rng.integers(0, 1 << space.input_bits, size=(40, space.inputs)).astype(np.uint8)
    y = rng.integers(0, space.classes, size=40)
    meant = [
        evaluate_network(space.network(g), {"x": x.astype(np.int64)})["class"][:, 0]
        for g in genomes
    ]
    right = [int((m == y).sum()) for m in meant]
    for compiled in (True, False):
        fitness = Fitness(space, x, y, compiled=compiled)
        assert fitness(genomes).tolist() == right
        assert fitness.predict(genomes).tolist() == [m.tolist() for m in meant]


@pytest.mark.parametrize("samples", [0, 1, 255, 256, 257, 2049])
def test_every_number_of_samples_and_threads_counts_the_same(samples):
    space = Space(20, (5,), 4)
    rng = np.random.default_rng(samples)
    genomes = _genomes(space, 7, rng)
    x, y = rng.integers(0, 16, size=(samples, 20)), rng.integers(0, 4, size=samples)
    expected = (predict(space, genomes, x) == y).sum(axis=1).tolist()
    for compiled in (True, False):
        for threads in (1, 3):
            assert Fitness(space, x, y, threads, compiled)(genomes).tolist() == expected


def test_sums_beyond_24_bits_stay_exact():
    space = Space(300, (2,), 2, exponents=15, bias_bits=24, largest_shift=30)
    rng = np.random.default_rng(5)
    genomes = rng.integers(space.lower, space.upper + 1, size=(20, space.genes))
    x, y = rng.integers(0, 16, size=(30, 300)), rng.integers(0, 2, size=30)
    expected = [
        int((evaluate_network(space.network(g), {"x": x})["class"][:, 0] == y).sum())
        for g in genomes
    ]
    assert Fitness(space, x, y, compiled=False)(genomes).tolist() == expected


def test_sums_beyond_31_bits_are_not_compiled():
    assert compilable(Space(4, (2,), 2))
    assert not compilable(Space(4096, (2,), 2, input_bits=8, exponents=15))


def test_an_empty_population_has_no_counts():
    space = Space(3, (2,), 2)
    none = np.zeros((0, space.genes), np.int32)
    x = np.zeros((4, 3), np.uint8)
    assert evaluate(space, none, x, np.zeros(4, int)).tolist() == []
    assert predict(space, none, x).shape == (0, 4)


@pytest.mark.parametrize(
    ("x", "y", "message", "hint"),
    [
        ([[1, 2]], [0], "samples of shape (1, 2) with labels of shape (1,)",
         "the search space has 3 inputs"),
        ([[1, 2, 16]], [0], "an input outside [0, 15]", "the search space reads 4 bits"),
        ([[1, 2, 3]], [2], "a label outside [0, 1]", "the search space has 2 classes"),
    ],
)  # fmt: skip
def test_samples_that_do_not_fit_are_refused(x, y, message, hint):
    space = Space(3, (2,), 2)
    with pytest.raises(UsageError) as caught:
        evaluate(space, np.zeros((1, space.genes)), np.array(x), np.array(y))
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_rows_with_one_key_are_told_apart(monkeypatch):
    monkeypatch.setattr("flow.search.neurons._multipliers", lambda n, seed: np.ones(n, np.uint64))
    first, inverse = unique_rows(np.array([[1, 2], [2, 1], [1, 2], [3, 0]]))
    rows = np.array([[1, 2], [2, 1], [1, 2], [3, 0]])
    assert rows[first][inverse].tolist() == rows.tolist()
    assert len(first) == 3
