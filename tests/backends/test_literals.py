"""Literals of Verilog: the value, its width and its sign, at the ends of each width."""

import re

import pytest

from flow.backends.expressions import HEX_FROM, literal, signed_literal


def number(text, width):
    """What a sized literal says, modulo 2**width."""
    minus, size, base, digits = re.fullmatch(r"(-?)(\d+)'s?([dh])([0-9a-f]+)", text).groups()
    assert int(size) == width
    value = int(digits, 16 if base == "h" else 10)
    assert value < 1 << width
    return (-value if minus else value) % (1 << width)


@pytest.mark.parametrize("width", [1, 2, 4, HEX_FROM - 1, HEX_FROM, 40, 70])
def test_a_literal_is_its_value_in_its_width(width):
    half = 1 << width - 1
    for value in {-half, 1 - half, -1, 0, 1, half - 1, half, 2 * half - 1}:
        assert number(literal(value, width), width) == value % (2 * half)
        if -half <= value < half:
            assert number(signed_literal(value, width), width) == value % (2 * half)


def test_literals_are_decimal_where_that_can_be_read():
    assert [literal(v, 4) for v in (-8, -1, 0, 15, 16)] == [
        "-4'd8", "-4'd1", "4'd0", "4'd15", "4'd0"
    ]  # fmt: skip
    assert literal(5, HEX_FROM) == f"{HEX_FROM}'h5"
    # The least number has no opposite of its width.
    assert [signed_literal(v, 4) for v in (-8, -7, -4, 0, 7)] == [
        "4'sh8", "-4'sd7", "-4'sd4", "4'sd0", "4'sd7"
    ]  # fmt: skip
    assert [signed_literal(v, HEX_FROM) for v in (-1, 5)] == [
        f"{HEX_FROM}'sh{(1 << HEX_FROM) - 1:x}", f"{HEX_FROM}'sh5"
    ]  # fmt: skip
