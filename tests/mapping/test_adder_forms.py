"""Adder cells are known by their functions, whatever their pins are called."""

from designs_adders import FULL, HALF, adder, library
from designs_mapped import EGFET

from flow.mapping.adder_forms import best, by_inputs, cell_forms, without_dominated


def test_a_library_without_two_outputs_has_no_adder_cell():
    assert cell_forms(EGFET) == ()


def test_pins_in_any_order_and_inverted_are_found():
    forms = {form.polarity: form for form in cell_forms(library(FULL))}
    assert sorted(forms) == [
        (0, 0, 1, 1, 1), (0, 1, 0, 1, 1), (0, 1, 1, 0, 0),
        (1, 0, 0, 1, 1), (1, 0, 1, 0, 0), (1, 1, 0, 0, 0),
    ]  # fmt: skip
    (part,) = forms[0, 1, 0, 1, 1].instances
    assert (part.cell, part.pins) == (
        "ADD3", (("Z", "a"), ("M", "b"), ("K", "c"), ("CN", "d"), ("SN", "s")),
    )  # fmt: skip
    assert {form.area for form in forms.values()} == {600_000.0}


def test_a_half_adder_has_one_polarity():
    assert [form.polarity for form in cell_forms(library(HALF))] == [(0, 0, 0, 0)]


def test_the_smaller_of_two_equal_cells_is_kept_and_unusable_ones_are_not():
    small = adder("SMALL", 300_000.0, {"T": "A ^ B", "U": "A & B"}, ("A", "B"))
    wrong = adder("WRONG", 1.0, {"T": "A ^ B", "U": "A | B & A"}, ("A", "B"))
    forms = cell_forms(library(HALF, small, wrong))
    assert [form.instances[0].cell for form in forms] == ["SMALL"]
    assert [f.polarity for f in cell_forms(library(wrong))] == []


def test_a_form_that_inverters_beat_is_dropped():
    forms = cell_forms(library(FULL, HALF))
    rows = by_inputs(forms)
    assert sorted(rows) == [2, 3]
    dear = best([*rows[2], *(f for f in rows[2])])
    assert without_dominated(dear, 1.0) == dear
    worse = [type(f)((1, 0, 0, 0), f.area + 5, f.instances) for f in rows[2]]
    assert without_dominated([*rows[2], *worse], 5.0) == rows[2]
    assert without_dominated([*rows[2], *worse], 5.1) == (*rows[2], *worse)
