"""Approximations of gates: hand examples, and what they promise on random graphs."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.errors import UsageError
from flow.ir.aig import AigBuilder, pack, unpack
from flow.ir.layers import ArgMax, Dense, Input
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import fractions, tensor_type
from flow.passes.approximate.compiled_trim import CompiledTrimming, kernel
from flow.passes.approximate.gates import (
    GateFacts,
    answers,
    gate_network,
    reach,
    simulated,
    with_scores,
)
from flow.passes.approximate.merge_signals import MergeSignals
from flow.passes.approximate.prune_gates import PruneGates, Pruning
from flow.passes.approximate.trim_gates import TrimGates, _Trimming, trimmings


def facts(rows, places, labels=None):
    bits = np.array(rows, dtype=np.uint8)
    return GateFacts(pack(bits), len(bits), tuple(places), (), labels)


def small():
    """y = (a & b) | c, with a & b a score of significance 3."""
    g = AigBuilder("small", ["a", "b", "c"])
    both = g.conj(2, 4)
    return g.finish([("y", g.disj(both, 6)), ("s", both)])


ROWS = [[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1]]


def test_the_reach_of_a_gate_is_its_most_significant_score_bit():
    # Variables: false, a, b, c, a & b, !(a & b) & !c. The last one lies behind all scores.
    assert reach(small(), (None, 3)).tolist() == [-1, 3, 3, 4, 3, 4]
    assert reach(small(), (None, None)).tolist() == [-1] * 6


def test_a_gate_that_is_mostly_constant_becomes_that_constant():
    known = facts(ROWS, (None, 3))
    pruned = PruneGates(0.75, 3).run_with(small(), known)
    # a & b is 0 for three of four samples, so y is c alone.
    assert (pruned.outputs, pruned.literals, pruned.size) == (("y",), (6,), 0)
    kept = PruneGates(0.75, 2).run_with(small(), known)
    assert kept == answers(small(), known)
    assert PruneGates(0.76).run_with(small(), known) == kept


def test_without_scores_a_gate_counts_by_its_share_alone():
    known = facts(ROWS, (None, None))
    # y is 1 for three of four samples, and a & b 0.
    assert PruneGates(0.75).run_with(small(), known).literals == (1, 0)
    assert PruneGates(0.76).run_with(small(), known) == small()
    assert PruneGates() == PruneGates(0.95, -1)


def test_equal_signals_on_the_data_become_one():
    # On these samples b is a, and c is the opposite.
    known = facts([[1, 1, 0], [0, 0, 1]], (None, 3))
    merged = MergeSignals().run_with(small(), known)
    assert (merged.literals, merged.size) == ((1,), 0)
    known = facts([[1, 1, 0], [0, 0, 1], [0, 0, 0]], (None, 3))
    merged = MergeSignals().run_with(small(), known)
    assert merged.size == 1


def test_a_gate_gives_way_while_enough_samples_stay_right():
    known = facts(ROWS, (None, 3), np.array([1, 1, 0, 1]))
    assert TrimGates(0).run_with(small(), known).size > 0
    trimmed = TrimGates(1).run_with(small(), known)
    assert trimmed.size == 0
    right = unpack(trimmed.simulate(known.words), 4).ravel() == known.labels
    assert right.sum() >= 3


@st.composite
def graphs(draw):
    """A random graph of 6 inputs with an answer of 2 bits and a score of 3."""
    g = AigBuilder("random", [f"x{i}" for i in range(6)])
    literals = list(range(14))
    for _ in range(draw(st.integers(1, 30))):
        a, b = draw(st.sampled_from(literals)), draw(st.sampled_from(literals))
        made = draw(st.sampled_from([g.conj, g.xor]))(a, b)
        literals += [made, made ^ 1]
    names = ["y[0]", "y[1]", "s[0]", "s[1]", "s[2]"]
    last = literals[-12:]
    return g.finish([(name, draw(st.sampled_from(last))) for name in names])


def random_facts(seed, count):
    rng = np.random.default_rng(seed)
    return GateFacts(
        pack(rng.integers(0, 2, (count, 6)).astype(np.uint8)),
        count,
        (None, None, 0, 1, 2),
        (2,),
        rng.integers(0, 4, count),
    )


def word(graph, known):
    return unpack(graph.simulate(known.words), known.count) @ np.array([1, 2])


@given(graphs(), st.integers(0, 99), st.integers(1, 150))
def test_merged_signals_keep_every_answer_on_the_data(graph, seed, count):
    known = random_facts(seed, count)
    merged = MergeSignals().run_with(graph, known)
    plain = answers(graph, known)
    assert merged.outputs == ("y[0]", "y[1]")
    assert merged.size <= plain.size
    assert (word(merged, known) == word(plain, known)).all()


@given(graphs(), st.integers(0, 99), st.integers(1, 150))
def test_the_answers_of_a_sweep_are_those_of_the_pruned_graphs(graph, seed, count):
    known = random_facts(seed, count)
    pruning = Pruning(graph, known)
    found = list(pruning.sweep((0.5, 0.6, 0.8, 1.0), (0, 1, 2, -1)))
    assert len(found) <= 16
    for pruned in found:
        new = pruning.graph_without(pruned.options)
        assert new == pruned.options.run_with(graph, known)
        assert unpack(pruned.answers, count).tolist() == unpack(
            new.simulate(known.words), count
        ).tolist()  # fmt: skip


@given(graphs(), st.integers(0, 99), st.integers(1, 150), st.integers(0, 9))
def test_trimming_loses_no_more_than_it_may_and_never_grows(graph, seed, count, lost):
    known = random_facts(seed, count)
    before = answers(graph, known)
    floor = (word(before, known) == known.labels).sum() - lost
    sizes = [before.size]
    for new in trimmings(graph, known, lost):
        assert (word(new, known) == known.labels).sum() >= floor
        sizes.append(new.size)
    assert sizes == sorted(sizes, reverse=True)
    first, second = (TrimGates(lost).run_with(graph, known) for _ in range(2))
    assert first == second
    assert first.size == sizes[-1]
    gentle = list(trimmings(graph, known, lost, gently=True))
    assert all((word(new, known) == known.labels).sum() >= floor for new in gentle)
    assert [new.size for new in gentle] == sorted((new.size for new in gentle), reverse=True)


@given(graphs(), st.integers(0, 99), st.integers(1, 150), st.integers(0, 40), st.booleans())
def test_c_trims_as_python_does(graph, seed, count, lost, gently):
    assert kernel() is not None
    known = random_facts(seed, count)
    plain = trimmings(graph, known, lost, gently, compiled=False)
    assert list(trimmings(graph, known, lost, gently)) == list(plain)


@pytest.mark.parametrize("gently", [False, True])
def test_c_trims_a_graph_of_several_hundred_gates_as_python_does(gently):
    random, g = np.random.default_rng(5), AigBuilder("random", [f"x{i}" for i in range(12)])
    literals = list(range(26))
    while len(literals) < 600:
        a, b = random.choice(literals[-120:], 2)
        literals += [made := g.conj(int(a), int(b)), made ^ 1]
    graph = g.finish([(f"y{k}", literals[-1 - k]) for k in range(0, 30, 10)])
    words = pack(random.integers(0, 2, (300, 12)).astype(np.uint8))
    known = GateFacts(words, 300, (None,) * 3, (3,), random.integers(0, 8, 300))
    found = list(trimmings(graph, known, 30, gently))
    assert graph.size > 60
    assert found == list(trimmings(graph, known, 30, gently, compiled=False))


def test_a_gentle_round_takes_nothing_but_constants_and_what_a_gate_is_made_of():
    # On all samples b & c is a, which is not what it is made of, and b & d is b.
    g = AigBuilder("g", ["a", "b", "c", "d"])
    graph = g.finish([("y0", g.conj(4, 6)), ("y1", g.conj(4, 8))])
    rows = [[0, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]]
    known = facts(rows, (None, None), np.array([0, 2, 0, 3]))
    (both, *_), (once, then) = (list(trimmings(graph, known, 0, gently)) for gently in (0, 1))
    assert (both.size, both.literals) == (0, (2, 4))
    assert (once.size, once.literals[1]) == (1, 4)
    assert then == both
    for make in (CompiledTrimming, _Trimming):
        trimming = make(graph, known)
        assert (trimming.correct, trimming.round(Fraction(0), 4)) == (4, True)
        assert trimming.graph() == both
        assert not make(both, known).round(Fraction(0), 4)


def test_zeros_stand_behind_the_last_sample():
    g = AigBuilder("g", ["a"])
    graph = g.finish([("y", 3)])
    for count, last in ((1, 1), (63, (1 << 63) - 1), (64, (1 << 64) - 1), (65, 1)):
        known = facts([[0]] * count, (None,))
        ones = simulated(g.finish([("y", g.conj(3, 3))]), known)
        assert ones.shape == (2, 1 + (count - 1) // 64)
        inverted = simulated(graph, replace(known, words=~known.words))
        assert int(inverted[1, -1]) == last


def classifier():
    layers = (
        Input("x", (), "", tensor_type((2,), 0, 3), fractions(0, (2,))),
        Dense("d", ("x",), "", np.array([[1, -1, 0], [2, 1, -1]]), np.array([0, 3, 1]),
              fractions(1, ())),
        ArgMax("y", ("d",), "the end"),
    )  # fmt: skip
    return Network("net", layers, ("y",))


def test_the_scores_of_a_decision_are_what_it_reads():
    assert with_scores(classifier()).outputs == ("y", "d")
    plain = Network("net", classifier().layers[:2], ("d",))
    assert with_scores(plain) is plain


def test_a_graph_stands_for_all_layers_of_a_network():
    g = AigBuilder("net", ["x[0]", "x[1]", "x[2]", "x[3]"])
    graph = g.finish([("y[0]", g.xor(2, 8)), ("y[1]", 1)])
    new = gate_network(classifier(), graph, (2,))
    assert [(layer.kind, layer.name, layer.place) for layer in new.layers] == [
        ("input", "x", ""), ("gates", "y", "the end"),
    ]  # fmt: skip
    x = np.array([[0, 0], [1, 0], [1, 2], [3, 3]])
    assert evaluate_network(new, {"x": x})["y"].ravel().tolist() == [2, 3, 2, 2]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            lambda g, f: PruneGates(0.4).run_with(g, f),
            "prune-gates: tau is 0.4, not 0.5 to 1",
        ),
        (
            lambda g, f: TrimGates(2).run_with(g, f),
            "trim-gates: the training data have no labels",
        ),
        (
            lambda g, f: TrimGates(-1).run_with(g, facts(ROWS, (None, 3), np.zeros(4, int))),
            "trim-gates: lost is -1, a negative number",
        ),
        (
            lambda g, f: gate_network(with_scores(classifier()), g, (1,)),
            "gates can be approximated in a network of one input and one output only",
        ),
        (
            lambda g, f: gate_network(Network("n", classifier().layers[:2], ("d",)), g, (1,)),
            "gates can be approximated where no output is negative",
        ),
    ],
)
def test_what_cannot_be_approximated_is_refused(run, message):
    with pytest.raises(UsageError) as caught:
        run(small(), facts(ROWS, (None, 3)))
    assert caught.value.message == message
