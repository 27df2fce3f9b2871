"""The flash converter of a printed input, with what its bits need."""

import pytest

from flow.tech.flash_adc import conventional, converter, flash_parts


def test_a_whole_converter_of_four_bits_costs_what_its_paper_says():
    whole = conventional(4)
    assert (len(whole.thresholds), whole.gates) == (16, 28)
    assert whole.area_um2(flash_parts()) / 1e8 == pytest.approx(0.1705884, rel=1e-9)
    assert whole.power_mw(flash_parts()) == pytest.approx(1.296067, rel=1e-6)


@pytest.mark.parametrize(
    ("read", "thresholds", "gates"),
    [
        (0b0000, (), 0),
        (0b1000, (8,), 0),
        (0b0100, (4, 8, 12), 1),
        (0b1100, (4, 8, 12), 2),
        (0b0010, (2, 4, 6, 8, 10, 12, 14), 3),
        (0b1111, tuple(range(1, 16)), 28),
    ],
)
def test_only_thresholds_that_change_a_read_bit_keep_their_comparators(read, thresholds, gates):
    found = converter(4, read)
    assert (found.thresholds, found.gates) == (thresholds, gates)


def test_a_threshold_that_changes_no_answer_needs_no_comparator():
    found = converter(4, 0b1111, levels=(11,))
    assert (found.thresholds, found.gates) == ((11,), 0)
    two = converter(4, 0b1111, levels=(3, 7))
    assert (two.thresholds, two.gates) == ((3, 7), 2)


def test_bits_above_the_converter_do_not_count():
    assert converter(2, 0b11100) == converter(2, 0)


def test_a_gate_at_a_lower_supply_takes_less_power():
    found = converter(4, 0b1100)
    assert found.power_mw(flash_parts(), gate_mw=0.006) == 3 * 0.046066667 + 2 * 0.006
