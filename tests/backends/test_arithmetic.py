"""Integer operations on vectors of literals: every value of small words, and how many gates."""

from itertools import pairwise, product

import numpy as np
import pytest

from flow.backends.arithmetic import (
    Word,
    add,
    clamp,
    compress,
    constant,
    equal,
    fitted,
    less,
    lookup,
    multiply,
    signed_digits,
    subtract,
    weighted_bits,
    weighted_sum,
)
from flow.ir.aig import FALSE, TRUE, AigBuilder, pack, unpack
from flow.ir.interval import IntRange

KINDS = ((3, False), (3, True), (1, False), (2, True), (4, False))
PAIRS = [(a, b) for a in KINDS for b in KINDS]


class Words:
    """A graph of words of inputs, with every value of them."""

    def __init__(self, *kinds):
        total = sum(width for width, _ in kinds)
        self.g = AigBuilder("words", [f"i{k}" for k in range(total)])
        states = np.arange(1 << total)
        self.samples = (states[:, None] >> np.arange(total) & 1).astype(np.uint8)
        self.words, self.values = [], []
        at = 0
        for width, signed in kinds:
            self.words.append(Word(tuple(2 + 2 * (at + i) for i in range(width)), signed))
            value = states >> at & (1 << width) - 1
            self.values.append(value - (value >> width - 1 << width) * signed)
            at += width

    def finish(self, bits):
        return self.g.finish([(f"y{i}", x) for i, x in enumerate(bits)])

    def numbers(self, bits):
        """What the bits say without a sign, for every state."""
        found = unpack(self.finish(bits).simulate(pack(self.samples)), len(self.samples))
        return found.astype(int) @ (1 << np.arange(len(bits)))


def both(kinds):
    made = Words(*kinds)
    return made, *made.words, *made.values


@pytest.mark.parametrize("width", [1, 3, 6])
def test_sums_differences_and_products_are_those_of_numbers(width):
    for kinds in PAIRS:
        made, a, b, x, y = both(kinds)
        for operation, wanted in ((add, x + y), (subtract, x - y), (multiply, x * y)):
            found = operation(made.g, a, b, width)
            assert len(found) == width
            assert (made.numbers(found) == wanted % (1 << width)).all()


def test_a_square_is_a_product():
    for kind in KINDS:
        made = Words(kind)
        (a,), (x,) = made.words, made.values
        assert (made.numbers(multiply(made.g, a, a, 8)) == x * x % 256).all()


def test_comparisons_are_those_of_numbers():
    for kinds in PAIRS:
        made, a, b, x, y = both(kinds)
        found = [less(made.g, a, b, False), less(made.g, a, b, True), equal(made.g, a, b)]
        assert (made.numbers(found) == (x < y) + 2 * (x <= y) + 4 * (x == y)).all()


def test_the_words_without_bits_are_zero():
    g = AigBuilder("none", [])
    none = Word((), False)
    assert (less(g, none, none, False), less(g, none, none, True)) == (FALSE, TRUE)
    assert (equal(g, none, none), none.sign, none.bit(3)) == (TRUE, FALSE, FALSE)
    assert (none.extended(2), add(g, none, none, 0)) == ((FALSE, FALSE), ())


def test_a_word_goes_on_with_its_sign():
    negative, positive = Word((2, 4), True), Word((2, 4), False)
    assert (negative.sign, negative.extended(4)) == (4, (2, 4, 4, 4))
    assert (positive.sign, positive.extended(4)) == (FALSE, (2, 4, FALSE, FALSE))
    assert positive.extended(1) == (2,)


def test_bits_that_an_interval_decides_are_constants():
    bits = [2, 4, 6, 8, 10]
    assert fitted(bits, IntRange(0, 5)) == Word((2, 4, 6), False)
    assert fitted(bits, IntRange(8, 11)) == Word((2, 4, FALSE, TRUE), False)
    assert fitted(bits, IntRange(9, 9)) == Word((TRUE, FALSE, FALSE, TRUE), False)
    assert fitted(bits, IntRange(-2, 1)) == Word((2, 4), True)
    assert fitted(bits, IntRange(-3, -2)) == Word((2, 4, TRUE), True)
    assert constant(-3, 4) == (TRUE, FALSE, TRUE, TRUE)
    assert constant(5, 2) == (TRUE, FALSE)


@pytest.mark.parametrize(
    ("operation", "width", "adders", "gates"),
    [
        # The first place is half an adder (4 gates), others one (9); the last has no carry.
        (add, 1, 0, 4),
        (add, 2, 1, 12),
        (add, 4, 3, 30),
        (subtract, 1, 0, 4),
        (subtract, 2, 1, 12),
        (subtract, 4, 3, 31),
    ],
)
def test_every_place_but_the_last_is_an_adder(operation, width, adders, gates):
    made, a, b, *_ = both(((4, False), (4, False)))
    graph = made.finish(operation(made.g, a, b, width))
    assert (len(graph.adders), graph.size) == (adders, gates)


@pytest.mark.parametrize("kind", [(4, False), (4, True)])
def test_a_clamp_is_exact(kind):
    for lo, hi in product((-9, -8, -5, -1, 0, 2), (3, 6, 7, 8, 15, 20)):
        made = Words(kind)
        (a,), (x,) = made.words, made.values
        found = clamp(made.g, a, IntRange(int(x.min()), int(x.max())), lo, hi)
        assert (made.numbers(found) == np.clip(x, lo, hi) % (1 << len(found))).all()


@pytest.mark.parametrize(
    ("kind", "lo", "hi", "gates"),
    [
        # An end that no value passes takes no gate.
        ((4, False), 0, 15, 0),
        ((4, True), -8, 7, 0),
        ((4, True), -9, 8, 0),
        # Above all ones one of the bits above them is set, and below 0 the sign: a choice is
        # two gates for each bit above all ones, one for each below 0.
        ((4, False), 0, 7, 6),
        ((4, False), 0, 3, 7),
        ((4, True), 0, 7, 3),
        ((4, True), -8, 3, 7),
        ((4, True), 0, 3, 11),
        ((4, True), -8, 0, 7),
    ],
)
def test_a_clamp_takes_few_gates(kind, lo, hi, gates):
    made = Words(kind)
    (a,), (x,) = made.words, made.values
    found = clamp(made.g, a, IntRange(int(x.min()), int(x.max())), lo, hi)
    assert made.finish(found).size == gates


@pytest.mark.parametrize(
    ("lo", "hi", "width"), [(0, 3, 4), (-8, 7, 5), (-7, 7, 4), (-3, 8, 5), (-17, 16, 6)]
)
def test_a_clamp_has_bits_for_its_ends_and_its_word(lo, hi, width):
    made = Words((4, True))
    assert len(clamp(made.g, made.words[0], IntRange(-8, 7), lo, hi)) == width


@pytest.mark.parametrize(("lo", "hi"), [(-5, 6), (-6, 7)])
def test_a_clamp_at_the_ends_of_an_interval_takes_no_gate(lo, hi):
    made = Words((4, True))
    found = clamp(made.g, made.words[0], IntRange(-5, 6), lo, hi)
    assert made.finish(found).size == 0


@pytest.mark.parametrize("width", [1, 4, 7])
def test_a_weighted_sum_of_bits_is_exact(width):
    for bias, weights in product(
        (-9, 0, 1, 37), ((1, 1, 1, 1, 1), (3, -5, 7, 1, -1), (8, -8, 12, 0, 30))
    ):
        made = Words(*(((1, False),) * 5))
        terms = [(w, word.bits[0]) for w, word in zip(weights, made.words, strict=True)]
        wanted = bias + sum(w * x for w, x in zip(weights, made.values, strict=True))
        found = weighted_sum(made.g, [*terms, (5, TRUE), (-2, TRUE), (9, FALSE)], bias, width)
        assert (made.numbers(found) == (wanted + 3) % (1 << width)).all()


def test_a_word_is_bits_with_weights_of_which_a_sign_is_negative():
    assert weighted_bits(Word((2, 4, 6), True), 3) == [(3, 2), (6, 4), (-12, 6)]
    assert weighted_bits(Word((2, 4, 6), False), -1) == [(-1, 2), (-2, 4), (-4, 6)]


def test_columns_are_compressed_three_at_a_time():
    made = Words(*(((1, False),) * 7))
    bits = [word.bits[0] for word in made.words]
    counted = compress(made.g, [bits.copy(), [], []])
    assert (made.numbers(counted) == sum(made.values)).all()
    graph = made.finish(counted)
    # Of 7 bits: three full adders below, one above; a sum of the last column has no carry.
    assert [len(adder.inputs) for adder in graph.adders] == [3, 3, 3, 3]
    assert compress(made.g, [[], [bits[0]]]) == (FALSE, bits[0])
    alone = made.finish(compress(made.g, [bits[:3]]))
    assert (len(alone.adders), alone.size) == (0, 8)


def test_signed_digits_add_up_and_have_no_neighbours():
    for value in (*range(-40, 41), 1 << 20, -(1 << 20) + 1):
        digits = signed_digits(value)
        assert sum(digit << place for place, digit in digits) == value
        assert all(b - a > 1 for a, b in pairwise(place for place, _ in digits))
        assert {abs(digit) for _, digit in digits} <= {1}


@pytest.mark.parametrize(("lo", "hi"), [(0, 7), (1, 6), (-4, 3), (-3, 2), (0, 0)])
def test_a_table_is_exact_where_it_is_reached(lo, hi):
    interval = IntRange(lo, hi)
    made = Words((max(interval.width, 1), interval.signed))
    (a,), (x,) = made.words, made.values
    table = [(5 * v * v + 3 * v + 1) % 16 for v in range(-6, 10)]
    found = lookup(made.g, Word(a.bits[: interval.width], a.signed), interval, -6, table, 4)
    reached = (x >= lo) & (x <= hi)
    wanted = np.array([table[v + 6] for v in x])
    assert (made.numbers(found)[reached] == wanted[reached]).all()


@pytest.mark.parametrize(
    ("table", "gates"),
    [
        ((1, 1, 1, 1), 0),
        ((0, 1, 0, 1), 0),  # The lowest bit.
        ((1, 1, 0, 0), 0),  # The highest bit, inverted.
        ((0, 1, 1, 0), 4),  # An exclusive or.
        ((0, 0, 0, 1), 1),
        ((0, 1, 1, 1), 2),
    ],
)
def test_halves_of_a_table_that_are_equal_or_opposite_are_shared(table, gates):
    made = Words((2, False))
    found = lookup(made.g, made.words[0], IntRange(0, 3), 0, table, 1)
    assert made.finish(found).size == gates
    assert (made.numbers(found) == np.array(table)).all()


def test_entries_that_are_never_reached_are_free():
    made = Words((2, False))
    # 1 stands at 1 alone, and 3 is never reached: the lowest bit, not a gate.
    found = lookup(made.g, made.words[0], IntRange(0, 2), 0, (0, 1, 0), 1)
    assert made.finish(found).size == 0
