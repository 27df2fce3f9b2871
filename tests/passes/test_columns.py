"""Sums as columns of bits: golden for rows of every kind, and the words that they share."""

import numpy as np
import pytest
from digests import check, digest

from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Bits, Concat, Const, FullAdder, Input, Linear, Relu, Signed
from flow.ir.text import print_circuit
from flow.passes.base import check_exact, run_passes
from flow.passes.compressor_trees import CompressorTrees
from flow.passes.linear.columns import _bit, added, rippled


def row(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 12))
    ends = [(0, 1), (0, 7), (-8, 7), (-3, 0), (0, 9), (2, 2), (-1, 0), (5, 12)]
    terms = [Input("x", k, *ends[int(rng.integers(len(ends)))]) for k in range(count)]
    factors = tuple(map(int, rng.integers(-23, 24, count)))
    return Linear(tuple(terms), factors, int(rng.integers(-40, 40)))


def circuit_of(*rows):
    found = Circuit("rows", (), (Port("y", rows),)).walk()
    lanes = sorted((x for x in found if isinstance(x, Input)), key=lambda x: x.index)
    return Circuit("rows", (Port("x", tuple(lanes)),), (Port("y", rows),))


@pytest.mark.parametrize("final", ["ripple", "add"])
def test_rows_of_rows_are_exact_and_golden(final, request):
    found = {}
    for seed in range(16):
        inner = row(seed)
        # Terms of several arrival times, and words that two rows take apart.
        cut = Bits(inner, 1, 3) if inner.range.width > 3 else Relu(inner)
        outer = Linear((cut, Relu(inner), *inner.terms), (5, -3, *inner.coefficients[::-1]), 9)
        before = circuit_of(inner, outer)
        after = run_passes(before, [CompressorTrees(final)], check_exact(60))
        found[f"row {seed}"] = digest(print_circuit(after))
    check("columns", final, found, request.config.getoption("--update-golden"))


def adders(node):
    return sum(isinstance(x, FullAdder) for x in Circuit("c", (), (Port("y", (node,)),)).walk())


@pytest.mark.parametrize(("bits", "count"), [(1, 0), (2, 1), (3, 1), (4, 3), (7, 4), (8, 7)])
def test_bits_are_counted_by_as_many_adders_as_they_are_more_than_their_sum_has(bits, count):
    terms = tuple(Input("x", k, 0, 1) for k in range(bits))
    one = Linear(terms, (1,) * bits, 0)
    made = rippled(one, one.range.width, False, Builder(), {})
    # A full adder takes a bit away, a half adder none: one of those a column at most.
    assert adders(made) == count


def test_a_one_of_the_constant_takes_the_free_place_of_a_half_adder():
    terms = tuple(Input("x", k, 0, 1) for k in range(2))
    found = [
        adders(rippled(row, row.range.width, False, Builder(), {}))
        for row in (Linear(terms, (1, 1), bias) for bias in (0, 1, 4))
    ]
    assert found == [1, 1, 1]


def test_what_settles_last_goes_through_the_fewest_adders():
    terms = tuple(Input("x", k, 0, 1) for k in range(5))
    one = Linear(terms, (1,) * 5, 0)

    def passed(late):
        made = added(one, 3, False, Builder(), {}, {terms[late]: 9.0})
        depth = {}
        for node in Circuit("c", (), (Port("y", (made,)),)).walk():
            own = [depth[x] for x in node.operands if x in depth]
            if node is terms[late] or own:
                depth[node] = max(own, default=0) + isinstance(node, FullAdder)
        return max(depth.values())

    assert [passed(k) for k in range(5)] == [1] * 5


@pytest.mark.parametrize("final", ["ripple", "add"])
def test_bits_that_are_known_go_into_the_constant(final):
    x = Input("x", 0, 0, 3)
    word = Concat((Const(1), x, Const(0), Const(1)), (1, 2, 1, 1))
    rows = [Linear((word, x), (c, 1), 7) for c in (1, 3, -1, -5)]
    # Of x y with a one above: the highest bit is known, and weighs as a sign.
    rows += [Linear((Signed(Concat((x, Const(1)), (2, 1)), 3),), (c,), 0) for c in (3, -7)]
    run_passes(circuit_of(*rows), [CompressorTrees(final)], check_exact(20))
    intern = Builder()
    made = rippled(Linear((word,), (5,), 0), 7, False, intern, {})
    shifted = rippled(Linear((x,), (10,), 5 * 17), 7, False, intern, {})
    # 1 + 2 x + 16 is x at the next place, and a constant.
    assert adders(made) == adders(shifted)


def test_a_bit_is_read_through_fields_but_words_of_bits_stay():
    intern = Builder()
    x, bits = Input("x", 0, 0, 15), tuple(Input("b", k, 0, 1) for k in range(3))
    assert _bit(bits[0], 0, intern) is intern(bits[0])
    assert _bit(Bits(x, 1, 3), 1, intern) is intern(Bits(x, 2, 1))
    word = Concat((*bits[:2], Const(1), bits[2]), (1, 1, 1, 1))
    assert _bit(word, 3, intern) is intern(Bits(word, 3, 1))
    assert _bit(word, 2, intern) is intern(Const(1))
    assert _bit(Bits(word, 1, 3), 0, intern) is intern(Bits(word, 1, 1))
    total = Add(x, x)
    assert _bit(total, 4, intern) is intern(Bits(total, 4, 1))
