"""Fitness of populations: by every way the classes that the networks of the genomes mean."""

import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.errors import UsageError
from flow.ir.network import evaluate_network
from flow.search import device, fitness
from flow.search.compiled_count import Compiled, compilable
from flow.search.device import Device
from flow.search.fitness import Fitness, evaluate, predict
from flow.search.matrices import Matrices
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


def ways(space):
    """All ways to count; that of a GPU with NumPy in the place of CuPy."""
    return [
        Matrices, partial(Device, xp=np), *([Compiled] if compilable(space) else []),
    ]  # fmt: skip


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
    for way in ways(space):
        fitness = Fitness(space, x, y, way=way)
        assert fitness(genomes).tolist() == right
        assert fitness.predict(genomes).tolist() == [m.tolist() for m in meant]


@pytest.mark.parametrize("samples", [0, 1, 255, 256, 257, 2049])
def test_every_number_of_samples_and_threads_counts_the_same(samples):
    space = Space(20, (5,), 4)
    rng = np.random.default_rng(samples)
    genomes = _genomes(space, 7, rng)
    x, y = rng.integers(0, 16, size=(samples, 20)), rng.integers(0, 4, size=samples)
    expected = (predict(space, genomes, x) == y).sum(axis=1).tolist()
    for way in ways(space):
        for threads in (1, 3):
            assert Fitness(space, x, y, threads, way)(genomes).tolist() == expected


def test_sums_beyond_24_bits_stay_exact():
    space = Space(300, (2,), 2, exponents=15, bias_bits=24, largest_shift=30)
    rng = np.random.default_rng(5)
    genomes = rng.integers(space.lower, space.upper + 1, size=(20, space.genes))
    x, y = rng.integers(0, 16, size=(30, 300)), rng.integers(0, 2, size=30)
    expected = [
        int((evaluate_network(space.network(g), {"x": x})["class"][:, 0] == y).sum())
        for g in genomes
    ]
    for way in ways(space):
        assert Fitness(space, x, y, way=way)(genomes).tolist() == expected


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


class Card:
    """NumPy in the place of CuPy, which counts its products and the arrays that are read back."""

    def __init__(self, error=None):
        self.error, self.products, self.read = error, 0, 0

    def __getattr__(self, name):
        return getattr(np, name)

    def matmul(self, a, b):
        if self.error is not None:
            raise self.error
        self.products += 1
        return np.matmul(a, b)

    def asnumpy(self, array):
        self.read += 1
        return array


@pytest.fixture
def card(monkeypatch):
    def insert(made):
        monkeypatch.setattr(device, "find_spec", lambda name: SimpleNamespace())
        monkeypatch.setitem(sys.modules, "cupy", made)
        device.gpu.cache_clear()
        return made

    yield insert
    device.gpu.cache_clear()


def test_where_there_is_a_gpu_it_counts(card):
    made = card(Card())
    space = Space(6, (3,), 3)
    rng = np.random.default_rng(2)
    genomes = _genomes(space, 9, rng)
    x, y = rng.integers(0, 16, size=(50, 6)), rng.integers(0, 3, size=50)
    found = Fitness(space, x, y)(genomes)
    assert made.products == 3  # One to try it, and one a layer.
    assert made.read == 2
    assert found.tolist() == Fitness(space, x, y, way=Matrices)(genomes).tolist()


def test_blocks_of_genomes_are_as_large_as_a_card_holds(card, monkeypatch):
    made = card(Card())
    monkeypatch.setattr(device, "VALUES", 50 * 6 * 4 * 2)
    space = Space(6, (3,), 3, hidden_bits=4)
    rng = np.random.default_rng(2)
    genomes = _genomes(space, 5, rng)
    x, y = rng.integers(0, 16, size=(50, 6)), rng.integers(0, 3, size=50)
    assert (Fitness(space, x, y).predict(genomes) == predict(space, genomes, x)).all()
    assert made.products == 1 + 2 * 3 * 2


@pytest.mark.parametrize("error", [RuntimeError("no driver"), ImportError("libcuda"), OSError()])
def test_a_gpu_that_does_not_work_is_left_alone(card, error):
    card(Card(error))
    assert device.gpu() is None
    assert fitness.best_way(Space(4, (2,), 2)) in (Compiled, Matrices)


def test_a_gpu_that_counts_wrongly_is_left_alone(card, monkeypatch):
    made = Card()
    made.matmul = lambda a, b: np.matmul(a, b) + 1
    card(made)
    assert device.gpu() is None
