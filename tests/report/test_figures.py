"""Figures are written with four digits and the unit that suits them."""

import pytest

from flow.report import figures as fig


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (1, "1"), (12.3456, "12.35"), (9999.96, "10 000"), (1234567, "1 234 567"),
        (0.00012346, "0.0001235"), (1e-9, "1.000e-09"), (2.5e12, "2.500e+12"), (-3.25, "-3.25"),
    ],
)  # fmt: skip
def test_digits(number, text):
    assert fig.digits(number) == text


@pytest.mark.parametrize(
    ("um2", "text"),
    [
        (None, "\u2013"), (0, "0 µm²"), (4.5, "4.5 µm²"), (999_999, "1 mm²"), (2.5e6, "2.5 mm²"),
        (1_863_000_000, "18.63 cm²"),
    ],
)  # fmt: skip
def test_area(um2, text):
    assert fig.area(um2) == text


@pytest.mark.parametrize(
    ("mw", "text"),
    [(16.97, "16.97 mW"), (0.0076, "7.6 µW"), (2500, "2.5 W"), (0, "0 mW"), (1e-12, "0.001 pW")],
)
def test_power(mw, text):
    assert fig.power(mw) == text


def test_parts_take_unit_and_places_of_their_total():
    total = 1_863_000_000.0
    parts = (868_400_000.0, 1_020_000.0, 40_000.0, 0.0, None)
    shown = [fig.area(part, total) for part in parts]
    assert shown == ["8.68 cm²", "0.01 cm²", "<0.01 cm²", "0.00 cm²", "\u2013"]
    assert fig.power(0.0, 0.0) == "0.000 mW"


def test_times_and_rates():
    assert fig.duration(46.32, "ms") == "46.32 ms"
    assert fig.duration(4632, "ps") == "4.632 ns"
    assert fig.duration(1.5, "us") == "1.5 µs"
    assert fig.frequency(5, "ns") == "200 MHz"
    assert fig.frequency(50, "ms") == "20 Hz"
    assert fig.frequency(None, "ms") == fig.frequency(0, "ms") == "\u2013"


def test_metrics_shapes_and_bits():
    assert fig.metric("accuracy", 0.5428571) == "54.29 %"
    assert fig.metric("mean absolute error", 0.5428571) == "0.5429"
    assert fig.metric("accuracy", None) == "\u2013"
    assert fig.shape((3, 3, 16)) == "3 \u00d7 3 \u00d7 16"
    assert fig.shape(()) == "\u2013"
    assert [fig.bits(4, 6), fig.bits(0, 6), fig.bits(4, 0), fig.bits(0, 0)] == [
        "w4 a6", "a6", "w4", "\u2013"
    ]  # fmt: skip


def test_intervals():
    assert fig.interval(1) == "an answer every cycle"
    assert fig.interval(4) == "an answer every 4 cycles"
