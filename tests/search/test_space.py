"""The chromosome: what its genes mean, and which of them mean nothing."""

import numpy as np
import pytest

from flow.errors import UsageError
from flow.ir.network import evaluate_network
from flow.search.fitness import predict
from flow.search.space import Space


def test_a_genome_means_masks_powers_of_two_and_windows():
    space = Space(2, (2,), 2, hidden_bits=2)
    genome = np.zeros(space.genes, np.int64)
    hidden, scores = space.layers(genome)
    hidden.masks[0] = [[0b0111, 0b1000], [0b1111, 0]]
    hidden.powers[0] = [[1, -1 - 2], [0, 0]]  # 2 * (x0 & 7) - 4 * (x1 & 8); x0
    hidden.bias[0] = [5, -8]
    hidden.shifts[0], hidden.bits[0], hidden.alive[0] = [2, 0], [2, 1], 1
    scores.masks[0] = [[3, 0], [0, 1]]
    scores.powers[0] = [[0, 0], [0, 2]]
    scores.bias[0] = [0, -2]
    network = space.network(genome)
    x = np.array([[7, 0], [7, 8], [8, 0], [9, 8]])
    found = evaluate_network(network, {"x": x}, keep=("hidden1", "scores"))
    assert found["hidden1"].tolist() == [[3, 0], [0, 0], [1, 0], [0, 1]]
    assert found["scores"].tolist() == [[3, -2], [0, -2], [1, -2], [0, 2]]
    assert found["class"].tolist() == [[0], [0], [0], [1]]


def test_neurons_that_nothing_reads_are_left_out():
    space = Space(3, (4, 2), 2)
    genome = np.zeros(space.genes, np.int64)
    first, second, scores = space.layers(genome)
    for genes in (first, second):
        genes.bits[...], genes.alive[...] = 1, 1
    first.masks[0, :, 0] = 15
    second.masks[0, 1, 2] = 1
    scores.masks[0, 1, 1] = 1
    network = space.network(genome)
    assert [network.layer(f"sum{k}").weights.shape for k in (1, 2)] == [(3, 1), (1, 1)]
    # A network of dead neurons is a constant.
    first.alive[...] = 0
    found = evaluate_network(space.network(genome), {"x": np.array([[15, 1, 2]])})
    assert found["class"].tolist() == [[0]]


def test_canonical_genomes_mean_the_same_and_are_their_own():
    space = Space(4, (3, 3), 3, tournament=True)
    rng = np.random.default_rng(2)
    genomes = rng.integers(space.lower, space.upper + 1, size=(50, space.genes))
    canonical = space.canonical(genomes)
    x = rng.integers(0, 16, size=(100, 4))
    assert (predict(space, canonical, x) == predict(space, genomes, x)).all()
    assert (space.canonical(canonical) == canonical).all()
    assert (canonical != genomes).any(axis=1).all()


def test_fields_cover_every_gene_once():
    space = Space(4, (3, 2), 3, tournament=True)
    places = [range(f.start, f.stop) for f in space.fields]
    assert [place for part in places for place in part] == list(range(space.genes))
    assert (space.lower <= space.upper).all()


def test_an_order_of_the_decision_is_a_tournament_of_all_classes():
    space = Space(1, (), 5, tournament=True)
    genome = np.zeros(space.genes, np.int64)
    keys, ignored = space.decision(genome)
    keys[0], ignored[0] = [4, 3, 2, 1, 0], [0, 1, 2, 3]
    assert space.rounds(genome) == ((4, 3, ~0), (2, 1, ~1), (5, 6, ~2), (7, 0, ~3))
    assert Space(1, (), 5).rounds(genome[:-9]) == ()


@pytest.mark.parametrize(
    ("genome", "message"),
    [
        (np.zeros(3, np.int64), "a genome of shape (3,) for 14 genes"),
        (np.full(14, 99), "gene 0 is 99, out of its bounds"),
    ],
)
def test_genomes_that_do_not_fit_are_refused(genome, message):
    with pytest.raises(UsageError) as caught:
        Space(3, (), 2).network(genome)
    assert caught.value.message == message


def test_spaces_that_make_no_sense_are_refused():
    with pytest.raises(UsageError) as caught:
        Space(3, (0,), 2)
    assert caught.value.message == "a search space with hidden = 0"
    assert caught.value.hint == "hidden lies between 1 and 4096"
