"""Graphs of genomes: they mean what the genomes mean."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.errors import ToolNotFound
from flow.search.fitness import predict
from flow.search.graphs import genome_graph
from flow.search.space import Space


def _classes(space, genome, x):
    """The classes of samples (64 n, inputs) by the graph of a genome."""
    graph = genome_graph(space, genome)
    bits = (x[:, :, None] >> np.arange(space.input_bits)) & 1
    rows = bits.reshape(len(x), -1).T.astype(np.uint8)
    words = np.ascontiguousarray(np.packbits(rows, axis=1, bitorder="little")).view(np.uint64)
    values = graph.simulate_all(words)
    classes = np.zeros(len(x), np.int64)
    for place, literal in enumerate(graph.literals):
        row = values[literal >> 1].view(np.uint8)
        bit = np.unpackbits(row, bitorder="little").astype(np.int64)
        classes |= (bit ^ (literal & 1)) << place
    return classes


@settings(max_examples=20)
@given(
    st.integers(1, 6),
    st.lists(st.integers(1, 4), max_size=2),
    st.integers(2, 5),
    st.integers(1, 5),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_a_graph_answers_as_the_genome_does(inputs, hidden, classes, bits, tournament, seed):
    space = Space(
        inputs, tuple(hidden), classes, input_bits=bits, hidden_bits=bits, exponents=4,
        bias_bits=8, largest_shift=6, tournament=tournament,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    genomes = rng.integers(space.lower, space.upper + 1, size=(3, space.genes))
    for genes in space.layers(genomes):
        genes.masks[...] *= rng.random(genes.masks.shape) < 0.6
    x = rng.integers(0, 1 << bits, size=(128, inputs))
    for genome, expected in zip(genomes, predict(space, genomes, x), strict=True):
        assert _classes(space, genome, x).tolist() == expected.tolist()


@settings(max_examples=2)
@given(st.integers(0, 2**32 - 1))
def test_large_graphs_are_whole(seed):
    space = Space(40, (30,), 10)
    rng = np.random.default_rng(seed)
    genome = rng.integers(space.lower, space.upper + 1)
    space.layers(genome)[0].alive[...] = 1
    assert genome_graph(space, genome).size > 10_000
    x = rng.integers(0, 16, size=(64, 40))
    assert _classes(space, genome, x).tolist() == predict(space, genome, x)[0].tolist()


def test_a_constant_has_no_gates_and_what_nothing_needs_is_left_out():
    space = Space(3, (), 3)
    genome = np.zeros(space.genes, np.int64)
    assert genome_graph(space, genome).literals == (0, 0)
    assert genome_graph(space, genome).size == 0
    scores = space.layers(genome)[0]
    # Class 1 where bit 3 of the first input is one: the sums below it have gates of their own.
    scores.masks[0, 1] = [8, 0, 0]
    graph = genome_graph(space, genome)
    assert (graph.size, graph.literals, graph.inputs[3]) == (0, (8, 0), "x_0_3")


def test_without_a_compiler_the_user_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr("flow.search.graphs.compiled", lambda name: None)
    space = Space(1, (), 2)
    with pytest.raises(ToolNotFound) as caught:
        genome_graph(space, np.zeros(space.genes, int))
    assert caught.value.message == "the graphs of candidates need a C compiler"
