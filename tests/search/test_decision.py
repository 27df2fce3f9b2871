"""The search of an approximate argmax: hand examples, its promise, and its errors."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.errors import UsageError
from flow.ir.approximate import exact_rounds
from flow.ir.interval import IntRange
from flow.ir.layers import ArgMax, Tournament
from flow.search.decision import BitCosts, decision_cost, search_decision


def play(rounds, scores):
    return Tournament("y", ("x",), "", rounds).evaluate(scores).ravel()


def test_a_decision_by_one_bit_needs_one_bit():
    scores = np.array(list(product(range(8), range(8))))
    labels = (scores[:, 1] >= 4).astype(int)
    found = search_decision(scores, labels, IntRange(0, 7), trials=4)
    assert found.rounds == ((0, 1, 0),) or found.rounds[0][2] == 4
    assert (play(found.rounds, scores) == labels).sum() == found.correct >= 48


def test_without_a_loss_every_sample_that_argmax_has_right_counts():
    scores = np.array([[3, -2, 0], [-4, 1, 2], [0, 3, 3], [1, 0, -1]])
    labels = np.array([0, 2, 1, 0])
    found = search_decision(scores, labels, IntRange(-4, 3), trials=6)
    assert found.correct == 4
    assert play(found.rounds, scores).tolist() == labels.tolist()
    exact = decision_cost(exact_rounds(3), IntRange(-4, 3), 3, BitCosts())
    assert found.rounds == ((0, 1, 2), (3, 2, -4))
    assert found.cost == 128 < exact == 210


def test_the_cost_counts_compared_carried_and_read_bits():
    costs = BitCosts(compare=1, carry=10, column=100, read=1000)
    # Place 3 is read with 0b110; scores 0 and 1 up to bit 2, score 2 up to bit 2.
    rounds = ((0, 1, 0b1), (3, 2, 0b110))
    expected = 1 + 2 + 10 * 2 + 100 * (3 + 3 + 3) + 1000 * (3 + 3 + 2)
    assert decision_cost(rounds, IntRange(0, 7), 3, costs) == expected


@given(st.integers(0, 99), st.integers(2, 5), st.integers(0, 6), st.sampled_from([0, -8]))
def test_a_search_keeps_its_promise_and_is_seeded(seed, classes, lost, low):
    rng = np.random.default_rng(seed)
    scores = rng.integers(low, 8, (40, classes))
    labels = rng.integers(0, classes, 40)
    interval = IntRange(low, 7)
    found = search_decision(scores, labels, interval, lost, trials=3, seed=seed)
    exact = ArgMax("y", ("x",), "").evaluate(scores).ravel()
    assert found.correct == (play(found.rounds, scores) == labels).sum()
    assert found.correct >= (exact == labels).sum() - lost
    assert found == search_decision(scores, labels, interval, lost, trials=3, seed=seed)
    assert found.cost == decision_cost(found.rounds, interval, classes, BitCosts())
    more = search_decision(scores, labels, interval, lost, trials=5, seed=seed)
    assert more.cost <= found.cost


@pytest.mark.parametrize(
    ("scores", "lost", "message"),
    [
        (np.zeros((3, 1), int), 0, "scores (3, 1) do not fit 3 labels"),
        (np.zeros((2, 2), int), 0, "scores (2, 2) do not fit 3 labels"),
        (np.zeros((3, 2), int), -1, "a search of 32 trials that may lose -1 samples"),
        (np.full((3, 2), 9), 0, "a score lies outside [0, 7]"),
    ],
)
def test_what_cannot_be_searched_is_refused(scores, lost, message):
    with pytest.raises(UsageError) as caught:
        search_decision(scores, np.zeros(3, int), IntRange(0, 7), lost)
    assert caught.value.message == message
