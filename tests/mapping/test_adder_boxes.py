"""A graph whose adders are cut out is the same graph when they are put in again."""

import numpy as np
import pytest
from designs_adders import FULL, HALF, library, sums

from flow.backends.bitblast import bitblast
from flow.errors import IRError
from flow.ir.aig import Aig, AigBuilder, random_words
from flow.mapping.adder_boxes import Box, Cut, cut_out, put_in
from flow.mapping.adder_forms import Form, by_inputs, cell_forms

FORMS = by_inputs(cell_forms(library(FULL, HALF)))


def same(a: Aig, b: Aig) -> bool:
    """Whether two graphs of the same signals agree on random words."""
    words = random_words(len(a.inputs), 8)
    assert (a.inputs, a.outputs) == (b.inputs, b.outputs)
    return np.array_equal(a.simulate(words), b.simulate(words))


@pytest.mark.parametrize("seed", range(12))
def test_put_in_undoes_cut_out(seed):
    graph = bitblast(sums(seed))
    for kinds in ((3,), (2,), (2, 3)):
        cut = cut_out(graph, {k: FORMS[k] for k in kinds}, 200_000.0, sweeps=6)
        assert {box.form.inputs for box in cut.boxes} <= set(kinds)
        assert same(put_in(cut, cut.core), graph)


def test_every_adder_of_a_ripple_is_a_box_but_the_last_bit():
    g = AigBuilder("add", [f"{name}[{i}]" for name in "xy" for i in range(4)])
    carry, total = 0, []
    for i in range(4):
        bit, carry = g.full_adder(2 * i + 2, 2 * i + 10, carry)
        total.append((f"s[{i}]", bit))
    whole = g.finish([*total, ("s[4]", carry)])
    assert [len(adder.inputs) for adder in whole.adders] == [2, 3, 3, 3]
    cut = cut_out(whole, FORMS, 200_000.0)
    assert len(cut.boxes) == 4
    assert same(put_in(cut, cut.core), whole)
    lost = g.finish([*total])  # Nobody reads the last carry: that adder stays gates.
    assert len(cut_out(lost, FORMS, 200_000.0).boxes) == 3


def test_what_an_adder_shares_with_others_stays_gates():
    g = AigBuilder("shared", ["a", "b", "c"])
    total, carry = g.full_adder(2, 4, 6)
    shared = g.finish([("s", total), ("d", carry), ("p", g.xor(2, 4))])
    assert len(shared.adders) == 1
    assert cut_out(shared, FORMS, 200_000.0).boxes == ()


def test_a_constant_makes_a_half_adder_of_a_full_one():
    for constant in (0, 1):
        g = AigBuilder("half", ["a", "b"])
        total, carry = g.full_adder(2, 4, constant)
        graph = g.finish([("s", total), ("d", carry)])
        assert [len(adder.inputs) for adder in graph.adders] == [2]
        cut = cut_out(graph, FORMS, 200_000.0)
        assert len(cut.boxes) == 1
        assert same(put_in(cut, cut.core), graph)


def test_a_loop_through_an_adder_is_refused():
    g = AigBuilder("loop", ["x", "S:0", "C:0"])
    core = g.finish([("y", 4), ("A:0", g.conj(4, 2)), ("A:1", 6)])
    box = Box(Form((0, 0, 0, 0), 1.0, ()), ("A:0", "x"), "S:0", "C:0")
    with pytest.raises(IRError, match="an adder is part of a loop"):
        put_in(Cut(core, (box,), ("x",), ("y",)), core)
