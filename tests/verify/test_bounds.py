"""The interval found for a linear form holds every value that the form has."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from flow.ir.interval import IntRange
from flow.verify.bounds import bounds

INPUTS = (IntRange(-4, 3), IntRange(0, 5), IntRange(-2, 2))


def found(form, shifts):
    """The interval of a form over INPUTS and shifts of older forms, and the true one."""
    ranges, rows = (
        list(INPUTS),
        [list(v) for v in product(*(range(r.lo, r.hi + 1) for r in INPUTS))],
    )

    def values(of):
        return [of[0] + sum(c * row[atom] for atom, c in of[1]) for row in rows]

    for inner, amount in shifts:
        shifted = [v >> amount for v in values(inner)]
        ranges.append(IntRange(min(shifted), max(shifted)))
        for row, v in zip(rows, shifted, strict=True):
            row.append(v)
    known = dict(enumerate(shifts, len(INPUTS)))
    every = values(form)
    return bounds(form, ranges.__getitem__, known.get), IntRange(min(every), max(every))


@st.composite
def forms_over_shifts(draw):
    def form(atoms):
        c = draw(st.lists(st.integers(-9, 9), min_size=atoms, max_size=atoms))
        return draw(st.integers(-20, 20)), tuple((i, k) for i, k in enumerate(c) if k)

    shifts = []
    for _ in range(draw(st.integers(1, 4))):
        shifts.append((form(len(INPUTS) + len(shifts)), draw(st.integers(1, 4))))
    return form(len(INPUTS) + len(shifts)), shifts


@given(forms_over_shifts())
def test_an_interval_holds_every_value(case):
    interval, true = found(*case)
    assert interval.covers(true)


def test_a_word_without_its_high_part_is_its_low_part():
    # x - 4 floor(x / 4), for x = 3a + b
    x = (0, ((0, 3), (1, 1)))
    assert found((0, (*x[1], (3, -4))), [(x, 2)])[0] == IntRange(0, 3)


def test_a_signed_word_as_its_bits_is_never_negative():
    # a - 8 floor(a / 4): the three bits of a, the sign worth 4
    assert found((0, ((0, 1), (3, -8))), [((0, ((0, 1),)), 2)])[0] == IntRange(0, 7)


def test_two_roundings_of_one_sum_differ_by_one_at_most():
    x, y = (0, ((0, 1), (1, 3))), (5, ((0, 1), (1, 3)))
    assert found((0, ((3, -1), (4, 1))), [(x, 3), (y, 3)])[0] == IntRange(0, 1)
