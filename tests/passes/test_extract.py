"""Shared digits of a matrix: the quick choice of pairs is the greedy one."""

from itertools import combinations

import numpy as np
import pytest

from flow.ir.interval import IntRange
from flow.passes.linear.digits import Digits, _adders, _parts
from flow.passes.linear.extract import extract
from flow.passes.linear.starts import JOINTS, Start, parents


class Exhaustive(Digits):
    """The same choice by its definition: every pair is counted anew before each one is taken."""

    def gain(self, pair):
        bits, tail = self._saved(pair)
        return (len(self._occurrences(*_parts(pair))) - 1) * bits - tail

    def reduce(self):
        while pairs := {
            row[x][0] + row[y][1] + (row[x][2] ^ row[y][2])
            for row in self.rows
            for x, y in combinations(sorted(row), 2)
        }:
            gain, best = max((self.gain(pair), -pair) for pair in pairs)
            if gain <= 0:
                return
            self._extract(_parts(-best), self._occurrences(*_parts(-best)))


def case(seed):
    chance = np.random.default_rng(seed)
    rows, columns, bits = (int(chance.integers(2, most)) for most in (7, 7, 9))
    high = 1 << bits - 1
    matrix = chance.integers(-high, high, size=(rows, columns), dtype=np.int64)
    ranges = [IntRange(-128, 127) if i % 2 else IntRange(0, 15) for i in range(columns)]
    return matrix, ranges


@pytest.mark.parametrize("seed", range(12))
def test_the_pair_that_saves_most_is_taken_each_time(seed):
    matrix, ranges = case(seed)
    start = Start(parents(matrix, JOINTS[seed % len(JOINTS)]))
    quick, slow = Digits(matrix, ranges, start), Exhaustive(matrix, ranges, start)
    quick.reduce()
    slow.reduce()
    assert quick.pairs == slow.pairs
    assert quick.program() == slow.program()
    assert quick.size() == slow.size()


@pytest.mark.parametrize("seed", range(3))
def test_the_smallest_of_several_starts_is_kept(seed):
    matrix, ranges = case(seed)
    found = []
    for joint in JOINTS:
        digits = Digits(matrix, ranges, Start(parents(matrix, joint)))
        digits.reduce()
        found.append(digits)
    rows = [{i: c for i, c in enumerate(row) if c} for row in matrix.tolist()]
    assert extract(rows, ranges, len(JOINTS)) == min(found, key=Digits.size).program()


def test_intervals_of_any_width_are_counted():
    huge = [IntRange(0, (1 << 70) - 1), IntRange(0, 1)]
    digits = Digits(np.array([[3, 5], [3, 4]]), huge, Start(parents(np.eye(2, dtype=int), None)))
    assert digits.ends == [72, 72]
    assert digits.widths == [70, 1]


@pytest.mark.parametrize("seed", range(12))
def test_every_value_knows_its_inputs_its_interval_and_where_it_stands(seed):
    matrix, ranges = case(seed)
    digits = Digits(matrix, ranges, Start(parents(matrix, JOINTS[seed % len(JOINTS)])))
    digits.reduce()
    spans = np.array([r.hi - r.lo for r in ranges])
    for v, vector in enumerate(digits.vectors):
        assert digits.reads[v] == sum(1 << int(i) for i in np.flatnonzero(vector))
        assert digits.most[v] == int(np.abs(vector) @ spans)
        assert digits.widths[v] == digits.most[v].bit_length()
        for minus in (0, 1):
            spots = {
                j * digits.apart + (s >> 1) for j, s in digits.places.get(v, ()) if s & 1 == minus
            }
            assert digits.spots[v][minus] == sum(1 << place for place in spots)
    # The terms of a row add up to it.
    for j, row in enumerate(digits.rows):
        terms = [(t >> 1 & (1 << 24) - 1, t >> 25, t & 1) for t in row]
        total = sum((-1) ** minus * digits.vectors[v] << shift for v, shift, minus in terms)
        assert np.array_equal(total, matrix[j]) or j in digits.joined
    assert digits.ends == [int(np.abs(row) @ spans).bit_length() for row in matrix]


def test_the_size_of_sums_is_counted_in_full_adders():
    # Two words of 4 bits side by side take nothing, one upon the other 4: a half adder first.
    def adders(terms, width):
        return round(_adders(terms, width), 2)

    assert adders([(0, 4), (4, 4)], 8) == 0
    assert adders([(0, 4), (0, 4)], 5) == 3.45
    assert adders([(0, 4), (2, 4)], 7) == 2.35
    assert adders([(0, 4), (0, 4), (0, 4)], 6) == 6.9
    assert adders([(0, 1)] * 3, 2) == 1
    assert adders([(0, 1)] * 3, 1) == 1
    assert adders([(9, 4), (0, 1)], 4) == 0


@pytest.mark.parametrize(("last", "kind"), [((1 << 35) - 1, np.int64), (1 << 35, object)])
def test_intervals_are_counted_in_machine_words_where_every_sum_fits_them(last, kind):
    ranges = [IntRange(0, 1 << 35), IntRange(0, last)]
    digits = Digits(np.array([[3, -5]]), ranges, Start({0: None}))
    assert digits.spans.dtype == kind
    assert digits.ends == [((3 << 35) + 5 * last).bit_length()]
