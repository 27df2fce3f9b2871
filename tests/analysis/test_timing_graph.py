"""Settling times of bits in look-up tables and carry chains, and what crosses ranks."""

import numpy as np
import pytest

from flow.analysis.bit_sources import FIXED, Net, Roots, nets
from flow.analysis.lut_delays import lut_graph
from flow.analysis.timing_graph import word_graph
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Bits, Concat, Const, Input, Shl, Shr, Signed, Sub, Xor
from flow.tech.parts import load_part

X = tuple(Input("x", i, 0, 7) for i in range(3))


def circuit(*lanes):
    return Circuit("c", (Port("x", X),), (Port("y", lanes),))


def test_bits_are_followed_through_wires():
    difference = Sub(X[0], X[1])
    field = Bits(Shl(difference, 2), 1, 4)
    whole = circuit(Concat((field, Bits(X[2], 1, 2)), (4, 2)), Signed(Shr(difference, 1), 3))
    roots = Roots(whole)
    names = {number: node.mnemonic for node, number in roots.number.items()}
    lanes = whole.outputs[0].lanes

    def told(node):
        places = [None if s == FIXED else divmod(s, roots.stride) for s in roots.bits(node)]
        return [place and (names[place[0]], *place) for place in places]

    assert told(lanes[0]) == [None, ("sub", 3, 0), ("sub", 3, 1), ("sub", 3, 2),
                              ("input", 2, 1), ("input", 2, 2)]  # fmt: skip
    assert told(lanes[1]) == [("sub", 3, 1), ("sub", 3, 2), ("sub", 3, 3)]


def test_bits_with_the_same_readers_are_one_net():
    total = Add(X[0], X[1])
    whole = circuit(Add(Bits(total, 0, 2), X[2]), Bits(total, 3, 1))
    roots = Roots(whole)
    last = roots.number[whole.outputs[0].lanes[0]]
    driver = roots.number[total]
    assert nets(whole, roots) == [
        Net(roots.number[X[0]], (0, 1, 2), (driver,)),
        Net(roots.number[X[1]], (0, 1, 2), (driver,)),
        Net(roots.number[X[2]], (0, 1, 2), (last,)),
        Net(driver, (0, 1), (last,)),
        Net(driver, (3,), (last + 1,)),
        Net(last, (0, 1, 2, 3), (last + 1,)),
    ]


def test_carry_chains_overlap():
    part = load_part("ecp5")
    times = part.delays
    first = Add(X[0], X[1])
    second = Add(first, X[2])
    roots = Roots(circuit(second))
    graph = lut_graph(circuit(second), roots, part)
    found = graph.arrivals(np.zeros(graph.count, dtype=np.int64))
    carry = times.through / 2
    # Bit 1 of the first sum enters the second chain before the first is at its end.
    begun = times.wire + times.enter + times.leave
    rest = times.wire + times.enter + 2 * carry + times.leave
    assert found[roots.number[second]] == pytest.approx(begun + rest)
    assert found[roots.number[first]] == pytest.approx(
        times.wire + times.enter + 2 * carry + times.leave
    )


def test_tails_and_arrivals_measure_the_same_paths():
    total = Add(Add(X[0], X[1]), Xor(X[2], Const(5)))
    roots = Roots(circuit(total))
    graph = lut_graph(circuit(total), roots, load_part("xilinx"))
    together = np.zeros(graph.count, dtype=np.int64)
    assert graph.tails(together).max() == pytest.approx(graph.arrivals(together).max())
    apart = np.arange(graph.count)
    assert graph.tails(apart).max() == pytest.approx(graph.arrivals(apart).max())


def test_a_word_settles_after_its_operands():
    total = Add(Add(X[0], X[1]), X[2])
    roots = Roots(circuit(total))
    graph = word_graph(roots, lambda node: 2.5 if isinstance(node, Add) else 0.0)
    assert graph.arrivals(np.zeros(graph.count, dtype=np.int64)).tolist() == [0, 0, 0, 2.5, 5]
    assert graph.arrivals(np.array([0, 0, 0, 0, 1])).tolist() == [0, 0, 0, 2.5, 2.5]
