"""Hardwired neurons and their rivals give the dot product, bit for bit; wires are only data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.errors import UsageError
from flow.frontend.language.codes import VALUES
from flow.mapping.hardwired.bits import ONE, ZERO, Builder, run
from flow.mapping.hardwired.embedding import TIED, base_for, clocks, embed
from flow.mapping.hardwired.neuron import (
    MAGNITUDES,
    Base,
    adder_tree,
    answers,
    cell_embedding,
    hardwired,
    shared,
    words,
)

WEIGHTS = st.lists(st.sampled_from(VALUES["fp4"]), min_size=1, max_size=24)


def samples(seed, count, inputs, bits):
    """Random inputs with both ends of the range among them."""
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    x = np.random.default_rng(seed).integers(low, high + 1, (count, inputs))
    x[0], x[1] = low, high
    return x


@given(WEIGHTS, st.integers(2, 8), st.integers(0, 3))
def test_a_hardwired_neuron_gives_the_dot_product(weights, bits, spare):
    w = np.array([weights], np.int8)
    exact = base_for(w, bits)
    base = Base(tuple(n + spare for n in exact.ports), bits)
    x = samples(len(weights), 6, len(weights), bits)
    wiring = embed(w, base)
    assert answers(hardwired(base), clocks(wiring, 0, x)).tolist() == (x @ w[0]).tolist()


@pytest.mark.parametrize("form", [cell_embedding, adder_tree, shared])
@given(WEIGHTS, st.integers(2, 8))
def test_a_rival_gives_the_dot_product(form, weights, bits):
    x = samples(len(weights), 6, len(weights), bits)
    expected = (x @ np.array(weights)).tolist()
    assert answers(form(weights, bits), words(x, bits)).tolist() == expected


def test_regions_are_the_values_of_fp4():
    assert {abs(v) for v in VALUES["fp4"]} == {0, *MAGNITUDES}


def test_a_neuron_of_zeros_answers_zero():
    w = np.zeros((1, 5), np.int8)
    base = base_for(w, 4)
    assert base.ports == (0,) * 7
    x = samples(0, 3, 5, 4)
    assert answers(hardwired(base), clocks(embed(w, base), 0, x)).tolist() == [0, 0, 0]
    for form in (cell_embedding, adder_tree, shared):
        assert answers(form([0] * 5, 4), words(x, 4)).tolist() == [0, 0, 0]


def test_one_full_adder_a_weight_and_a_tail():
    weights = np.random.default_rng(0).choice(VALUES["fp4"], (1, 1000)).astype(np.int8)
    base = base_for(weights, 8)
    counts = hardwired(base).counts()
    used = int((weights != 0).sum())
    assert sum(base.ports) == used
    assert used < counts["fa"] + 20 < used + 60
    assert counts["dff"] == base.width + 1 + 7
    rival = cell_embedding(weights[0].tolist(), 8).counts()
    assert rival["fa"] > 10 * counts["fa"]


def test_wires_name_the_input_and_its_complement():
    weights = np.array([[1, -3, 0, 12], [-1, 3, 3, 0]], np.int8)
    base = Base((1, 0, 2, 0, 0, 0, 1), 8)
    wiring = embed(weights, base)
    assert wiring.ports.tolist() == [[0, 3, TIED, 6], [1, 2, 4, TIED]]
    assert wiring.constants.tolist() == [3, 1]


def test_a_base_has_room_for_every_neuron_and_slack():
    weights = np.array([[1, 1, 1, 2], [2, 2, 2, -2]], np.int8)
    assert base_for(weights, 8).ports == (3, 4, 0, 0, 0, 0, 0)
    assert base_for(weights, 8, slack=0.5).ports == (5, 6, 0, 0, 0, 0, 0)


def test_a_region_without_room_is_named():
    base = base_for(np.array([[1, 2, 2]], np.int8), 8)
    with pytest.raises(UsageError) as error:
        embed(np.array([[1, 2, 2], [2, -2, 2]], np.int8), base)
    assert error.value.message == ("neuron 1 has 3 weights of 1, but its region has 2 ports")
    assert error.value.hint == "give the array more slack"


def test_a_total_counts_bits_at_their_places():
    build = Builder("t")
    bits = build.input("x", 12)
    columns = [bits[:5], [], bits[5:9], [ZERO, ONE, *bits[9:]]]
    netlist = build.done(build.total(columns))
    x = np.random.default_rng(1).random((50, 12)) < 0.5
    (word,) = run(netlist, [{"x": x}])
    expected = x[:, :5].sum(1) + 4 * x[:, 5:9].sum(1) + 8 * (1 + x[:, 9:].sum(1))
    assert (word @ (1 << np.arange(word.shape[1]))).tolist() == expected.tolist()
