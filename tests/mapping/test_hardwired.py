"""Hardwired neurons and their rivals give the dot product, bit for bit; wires are only data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.errors import UsageError
from flow.frontend.language.codes import VALUES
from flow.ir.aig import pack, unpack
from flow.mapping.hardwired import mac
from flow.mapping.hardwired.bits import ONE, ZERO, Builder, run
from flow.mapping.hardwired.counts import cell_counts, typical_base
from flow.mapping.hardwired.embedding import TIED, base_for, clocks, embed, evaluate, regions
from flow.mapping.hardwired.graph import graph
from flow.mapping.hardwired.neuron import (
    INT4,
    MAGNITUDES,
    TERNARY,
    Base,
    adder_tree,
    answers,
    cell_embedding,
    digits,
    hardwired,
    shared,
    sub_neurons,
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


@given(st.lists(st.integers(-700, 700), min_size=1, max_size=12), st.integers(2, 6))
def test_a_neuron_of_any_integers_has_the_regions_that_they_need(weights, bits):
    w = np.array([weights])
    base = base_for(w, bits, magnitudes=regions(w))
    x = samples(len(weights), 5, len(weights), bits)
    expected = (x @ w[0]).tolist()
    wiring = embed(w, base)
    assert answers(hardwired(base), clocks(wiring, 0, x)).tolist() == expected
    assert evaluate(wiring, x)[:, 0].tolist() == expected
    for form in (cell_embedding, adder_tree, shared):
        assert answers(form(weights, bits), words(x, bits)).tolist() == expected


@given(
    st.lists(st.tuples(st.lists(st.sampled_from(VALUES["fp4"]), min_size=1, max_size=6),
                       st.integers(0, 3)), min_size=1, max_size=4),
    st.integers(2, 6),
)  # fmt: skip
def test_blocks_with_scales_are_sub_neurons_and_stay_exact(blocks, bits):
    rows = [np.array([weights]) for weights, _ in blocks]
    shifts = [shift for _, shift in blocks]
    bases = [base_for(row, bits) for row in rows]
    neuron = sub_neurons(bases, shifts, bits)
    x = samples(len(blocks), 5, sum(row.shape[1] for row in rows), bits)
    at, parts, constant = 0, [], 0
    for row, base, shift in zip(rows, bases, shifts, strict=True):
        wiring = embed(row, base)
        parts.append(clocks(wiring, 0, x[:, at : at + row.shape[1]]))
        constant += int(wiring.constants[0]) << shift
        at += row.shape[1]
    width = len(neuron.inputs["c"])
    shown = [
        {
            **parts[0][k],
            "p": np.concatenate([part[k]["p"] for part in parts], axis=1),
            "c": np.array([[k == 0 and constant >> j & 1 for j in range(width)]] * 5, bool),
        }
        for k in range(bits)
    ]
    whole = np.concatenate([row[0] << s for row, s in zip(rows, shifts, strict=True)])
    assert answers(neuron, shown).tolist() == (x @ whole).tolist()


@given(WEIGHTS, st.integers(2, 8))
def test_a_multiplier_fed_by_a_rom_gives_the_dot_product_after_all_inputs(weights, bits):
    x = samples(len(weights), 5, len(weights), bits)
    neuron = mac.rom_mac(weights, bits)
    assert answers(neuron, mac.clocks(x, bits)).tolist() == (x @ np.array(weights)).tolist()
    expected = (x[2] * np.array(weights)).tolist()
    assert answers(neuron, mac.products(x[2], bits)).tolist() == expected


def test_digits_are_few_and_negative_only_where_that_saves_one():
    found = [digits(w) for w in (0, 1, -3, 5, 7, -7, 12)]
    assert found == [[], [1], [-1, -2], [1, 4], [-1, 8], [1, -8], [4, 8]]


def test_the_graph_of_a_neuron_is_the_neuron():
    base = base_for(np.array([[1, 2, 3, -6, 12, 4, 8]]), 4)
    neuron = hardwired(base)
    found = graph(neuron)
    rng = np.random.default_rng(4)
    clock = {name: rng.random((40, len(nets))) < 0.5 for name, nets in neuron.inputs.items()}
    (word,) = run(neuron, [clock])
    bits = np.concatenate([*clock.values(), np.zeros((40, neuron.counts()["dff"]), bool)], axis=1)
    answered = unpack(found.simulate(pack(bits.astype(np.uint8))), 40)
    assert found.inputs[:2] == ("p[0]", "p[1]")
    assert found.outputs[word.shape[1] :] == tuple(f"D:{k}" for k in range(base.width + 1 + 3))
    assert answered[:, : word.shape[1]].tolist() == word.astype(int).tolist()


def test_regions_are_the_values_of_their_codes():
    for code, magnitudes in (("fp4", MAGNITUDES), ("ternary", TERNARY), ("int4", INT4)):
        assert {abs(v) for v in VALUES[code]} == {0, *magnitudes}


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


@given(st.sets(st.integers(1, 40), min_size=1, max_size=7), st.integers(2, 8), st.data())
def test_cells_are_counted_without_being_built(magnitudes, bits, data):
    row = tuple(sorted(magnitudes))
    ports = tuple(data.draw(st.lists(st.integers(0, 20), min_size=len(row), max_size=len(row))))
    base = Base(ports, bits, row)
    assert cell_counts(base) == hardwired(base).counts()


def test_a_typical_base_has_an_eighth_of_the_inputs_in_each_region_and_more_for_many_neurons():
    few, many = (typical_base(2880, neurons, 8, MAGNITUDES) for neurons in (1, 2880))
    assert all(300 < n < 420 for n in few.ports)
    assert all(410 < n < 450 for n in many.ports)
    assert typical_base(2880, 2880, 8, MAGNITUDES) == many


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


def test_a_weight_without_a_region_is_named():
    base = Base((4, 4), 8, (1, 2))
    with pytest.raises(UsageError) as error:
        embed(np.array([[1, 2, 2], [0, -1, 5]]), base)
    assert error.value.message == (
        "neuron 1 has a weight of magnitude 5, for which the array has no region"
    )
    assert error.value.hint == "its regions are 1, 2"


def test_a_total_counts_bits_at_their_places():
    build = Builder("t")
    bits = build.input("x", 12)
    columns = [bits[:5], [], bits[5:9], [ZERO, ONE, *bits[9:]]]
    netlist = build.done(build.total(columns))
    x = np.random.default_rng(1).random((50, 12)) < 0.5
    (word,) = run(netlist, [{"x": x}])
    expected = x[:, :5].sum(1) + 4 * x[:, 5:9].sum(1) + 8 * (1 + x[:, 9:].sum(1))
    assert (word @ (1 << np.arange(word.shape[1]))).tolist() == expected.tolist()
