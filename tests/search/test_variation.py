"""Changes of genomes: within their bounds, seeded, and such that conjunctions stay ones."""

import numpy as np

from flow.search.fitness import predict
from flow.search.space import Space
from flow.search.variation import _fold, _hand, _invert, _join, children

SPACE = Space(5, (4, 3), 3, hidden_bits=2, exponents=3, tournament=True)


def _population(seed, count=200):
    rng = np.random.default_rng(seed)
    return rng.integers(SPACE.lower, SPACE.upper + 1, size=(count, SPACE.genes), dtype=np.int32)


def test_children_stay_within_the_bounds_and_come_again_from_one_seed():
    mothers, fathers = _population(1), _population(2)
    born = [children(SPACE, mothers, fathers, np.random.default_rng(3)) for _ in range(2)]
    assert (born[0] == born[1]).all()
    assert born[0].dtype == np.int32
    assert (born[0] >= SPACE.lower).all()
    assert (born[0] <= SPACE.upper).all()
    assert (born[0] != mothers).any(axis=1).mean() > 0.8


def _conjunction():
    """Class 1 where x0, x1 and not x2, of one bit each."""
    space = Space(3, (), 2, input_bits=1, exponents=1, bias_bits=5)
    genome = np.zeros((1, space.genes), np.int32)
    scores = space.layers(genome)[0]
    scores.masks[0, 1], scores.powers[0, 1], scores.bias[0, 1] = 1, [0, 0, -1], -1
    return space, genome


def _ones(space, genome):
    """The inputs of which the class is 1."""
    x = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    return [tuple(row) for row in x[predict(space, genome, x)[0] == 1].tolist()]


def test_a_folded_connection_is_a_condition_less_and_an_inverted_one_the_opposite():
    space, genome = _conjunction()
    masks = space.fields[0]
    assert _ones(space, genome) == [(1, 1, 0)]
    folded, inverted = set(), set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        row = np.zeros(1, np.int64)
        less = genome.copy()
        _fold(less, row, masks, rng)
        folded.add(tuple(_ones(space, less)))
        other = genome.copy()
        _invert(other, row, masks, rng)
        inverted.add(tuple(_ones(space, other)))
    assert inverted == {((0, 1, 0),), ((1, 0, 0),), ((1, 1, 1),)}
    shorter = {((0, 1, 0), (1, 1, 0)), ((1, 0, 0), (1, 1, 0)), ((1, 1, 0), (1, 1, 1))}
    assert folded - {()} == shorter


def test_a_joined_connection_is_a_condition_or_an_alternative():
    space, genome = _conjunction()
    space.layers(genome)[0].masks[0, 1, 2] = 0
    found = set()
    for seed in range(200):
        changed = genome.copy()
        _join(changed, np.zeros(1, np.int64), space.fields[0], np.random.default_rng(seed))
        found.add(tuple(_ones(space, changed)))
    both = ((1, 1, 0), (1, 1, 1))
    assert {both, ((1, 1, 0),), ((1, 1, 1),)} <= found
    assert any(set(both) < set(more) for more in found)


def test_a_vote_goes_to_another_class():
    space, genome = _conjunction()
    found = set()
    for seed in range(40):
        changed = genome.copy()
        _hand(changed, np.zeros(1, np.int64), space.fields[0], np.random.default_rng(seed))
        found.add(space.layers(changed)[0].masks[0].sum(axis=1).tolist()[0])
    assert found == {0, 1}
