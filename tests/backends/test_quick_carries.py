"""Sums and comparisons whose carries go along trees."""

import numpy as np
import pytest

from flow.backends.arithmetic import Word, quick_add, quick_less, quick_subtract
from flow.backends.bitblast import bitblast
from flow.ir.aig import TRUE, AigBuilder, pack, unpack
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Compare, Input

KINDS = ((3, False), (4, True), (1, False), (2, True))


@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", KINDS)
@pytest.mark.parametrize("inverted", [0, 1])
def test_every_pair_of_small_words_is_added_subtracted_and_compared(left, right, inverted):
    (m, signed_a), (n, signed_b) = left, right
    g = AigBuilder("words", [*(f"a{i}" for i in range(m)), *(f"b{i}" for i in range(n))])
    a = Word(tuple(2 + 2 * i ^ inverted for i in range(m)), signed_a)
    b = Word(tuple(2 + 2 * (m + i) ^ inverted for i in range(n)), signed_b)
    width = 6
    found = [
        *quick_add(g, a, b, width),
        *quick_add(g, a, b, width, TRUE),
        *quick_subtract(g, a, b, width),
        quick_less(g, a, b, False),
        quick_less(g, a, b, True),
    ]
    graph = g.finish([(f"y{i}", x) for i, x in enumerate(found)])
    states = np.arange(1 << (m + n))
    bits = (states[:, None] >> np.arange(m + n) & 1 ^ inverted).astype(np.uint8)
    answers = unpack(graph.simulate(pack(bits)), len(states)).astype(int)
    x, y = states % (1 << m), states >> m
    x, y = x - (x >> m - 1 << m) * signed_a, y - (y >> n - 1 << n) * signed_b
    words = [answers[:, k : k + width] @ (1 << np.arange(width)) for k in (0, width, 2 * width)]
    assert [list(word) for word in words] == [
        list((x + y) % 64), list((x + y + 1) % 64), list((x - y) % 64)
    ]  # fmt: skip
    assert list(answers[:, -2]) == list((x < y).astype(int))
    assert list(answers[:, -1]) == list((x <= y).astype(int))


def test_trees_of_carries_are_shallow():
    intern = Builder()
    a, b = (intern(Input(name, 0, 0, (1 << 32) - 1)) for name in "ab")
    circuit = Circuit(
        "sum",
        (Port("a", (a,)), Port("b", (b,))),
        (Port("y", (intern(Add(a, b)),)), Port("z", (intern(Compare(a, b, "lt")),))),
    )
    ripple, quick = (int(max(bitblast(circuit, quick=q).levels())) for q in (False, True))
    assert (ripple, quick) == (67, 14)
