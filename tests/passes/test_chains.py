"""Sums as carry chains: exact for every kind of row, no deeper than a tree, golden when large."""

import numpy as np
import pytest
from digests import check, digest

from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Input, Linear, Relu
from flow.ir.text import print_circuit
from flow.passes.base import check_exact, run_passes
from flow.passes.carry_chains import CarryChains
from flow.passes.linear.chains import Word, _cost, chained


def row(seed, most=7, places=9):
    """Terms of several widths and signs, with coefficients of one digit or more."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, most))
    ends = [(0, 1), (0, 7), (-8, 7), (-3, 0), (0, 9), (2, 2), (-1, 0), (5, 12)]
    terms = [Input("x", k, *ends[int(rng.integers(len(ends)))]) for k in range(count)]
    if seed % 3:
        factors = (1 << rng.integers(0, places, count)) * rng.choice((-1, 1), count)
    else:
        factors = rng.integers(-23, 24, count)
    return Linear(tuple(terms), tuple(map(int, factors)), int(rng.integers(-40, 40)))


def circuit_of(*rows):
    found = Circuit("rows", (), (Port("y", rows),)).walk()
    lanes = sorted((x for x in found if isinstance(x, Input)), key=lambda x: x.index)
    return Circuit("rows", (Port("x", tuple(lanes)),), (Port("y", rows),))


@pytest.mark.parametrize("shallow", [False, True])
def test_a_row_of_any_terms_is_exact(shallow):
    for seed in range(60):
        run_passes(circuit_of(row(seed)), [CarryChains(shallow)], check_exact(200))


@pytest.mark.parametrize("shallow", [False, True])
def test_large_rows_and_rows_of_rows_are_exact_and_golden(shallow, request):
    found = {}
    for seed in range(12):
        inner = row(seed, 40)
        outer = Linear((Relu(inner), *inner.terms[:2]), (3, -1, 4)[: 1 + len(inner.terms[:2])], -7)
        after = run_passes(circuit_of(inner, outer_of(inner, outer)), [CarryChains(shallow)],
                           check_exact(40))  # fmt: skip
        found[f"row {seed}"] = digest(print_circuit(after))
    case = "rows" + "-shallow" * shallow
    check("chains", case, found, request.config.getoption("--update-golden"))


def outer_of(inner, outer):
    """A row that reads the terms of another and its sum."""
    return Linear((*inner.terms, inner), (*inner.coefficients[::-1], -2), outer.bias)


def depth(node):
    """Additions behind one another."""
    known = {}
    stack = [node]
    while stack:
        top = stack[-1]
        missing = [x for x in top.operands if x not in known]
        if missing:
            stack += missing
            continue
        known[top] = max((known[x] for x in top.operands), default=0) + isinstance(top, Add)
        stack.pop()
    return known[node]


def test_a_shallow_sum_is_no_deeper_than_a_balanced_tree():
    deeper = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        count = int(rng.integers(2, 20))
        terms = tuple(Input("x", k, 0, (2 << int(rng.integers(6))) - 1) for k in range(count))
        factors = tuple(1 << int(k) for k in rng.integers(0, 10, count))
        one = Linear(terms, factors, 0)
        found = [
            depth(chained(one, one.range.width, False, True, shallow, Builder())[0])
            for shallow in (True, False)
        ]
        assert found[0] <= (count - 1).bit_length()
        deeper += found[1] > found[0]
    assert deeper


def test_words_beside_one_another_need_no_addition():
    terms = tuple(Input("x", k, 0, 7) for k in range(4))
    one = Linear(terms, (1, 64, 8, 512), 0)
    found, offset = chained(one, 12, False, False, False, Builder())
    assert (depth(found), offset) == (0, 0)
    (after,) = [
        line
        for line in print_circuit(run_passes(circuit_of(one), [CarryChains()])).splitlines()
        if line.startswith("out")
    ]
    assert after == "out y = %6"


def word(low, width, most=None, flip=0, depth=0):
    return Word(Input("x", 0, 0, (1 << width) - 1), flip, low, width,
                (1 << width) - 1 if most is None else most, depth)  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b", "cost"),
    [
        # Side by side: nothing, whichever comes first.
        (word(0, 4), word(4, 4), (0, 0)),
        (word(6, 4, depth=2), word(0, 6, depth=1), (0, 2)),
        # Two words of 4 bits: 5 places in two blocks, one place above both words.
        (word(0, 4), word(0, 4), (4 * (2 + 5 - 4), 0)),
        (word(0, 4), word(0, 3), (4 * (2 + 5 - 4), 0)),
        # What can be no more than 7 + 8 needs no fifth place.
        (word(0, 4, most=7), word(0, 4, most=8), (4 * (1 + 4 - 4), 0)),
        # The lowest bits of the lower word take no table.
        (word(0, 4), word(2, 4), (4 * (2 + 7 - 6), 0)),
        (word(2, 4), word(0, 4, depth=3), (4 * (2 + 7 - 6), 3)),
        (word(0, 8), word(4, 2), (4 * (2 + 9 - 8), 0)),
        # Two inversions are one more than one.
        (word(0, 4, flip=1), word(0, 4, flip=8), (13, 0)),
        (word(0, 4, flip=1), word(0, 4), (12, 0)),
        # Places above the width are not made.
        (word(6, 4), word(6, 4), (4 * (1 + 10 - 10), 0)),
    ],
)
def test_an_addition_costs_blocks_and_places_above_its_words(a, b, cost):
    assert _cost(a, b, 10) == cost
    assert _cost(b, a, 10) == cost
