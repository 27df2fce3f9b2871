"""Tensor types, exact arrays, and arrays made small."""

from fractions import Fraction

import numpy as np
import pytest

from flow.errors import IRError
from flow.ir.interval import IntRange
from flow.ir.tensor import TensorType, compact, exact, fractions, narrow, tensor_type


def test_arguments_are_broadcast_to_the_shape():
    tensor = tensor_type((2, 3), np.array([-1, 0, 1]), 5, Fraction(1, 4))
    assert tensor.lo.tolist() == [[-1, 0, 1], [-1, 0, 1]]
    assert tensor.hi.tolist() == [[5, 5, 5], [5, 5, 5]]
    assert tensor.scale.tolist() == [[Fraction(1, 4)] * 3] * 2
    assert tensor.size == 6
    assert tensor.hull == IntRange(-1, 5)
    assert tensor.ranges()[:2] == [IntRange(-1, 5), IntRange(0, 5)]


def test_an_empty_interval_is_refused():
    with pytest.raises(IRError, match=r"^a tensor type holds an empty interval$"):
        tensor_type((2,), np.array([0, 3]), 2)


def test_arrays_of_another_shape_are_refused():
    lo, hi, scale = exact(0, (2,)), exact(1, (3,)), fractions(1, (2,))
    message = r"^arrays of a tensor type do not have the shape \(2,\)$"
    with pytest.raises(IRError, match=message):
        TensorType((2,), lo, hi, scale)


def test_floats_are_no_integers():
    with pytest.raises(IRError, match=r"^integers expected, not float64$"):
        exact(np.array([1.0]), (1,))


def test_fractions_come_of_integers_and_fractions():
    values = np.array([1, Fraction(2, 3)], dtype=object)
    assert fractions(values, (2, 2)).tolist() == [[1, Fraction(2, 3)]] * 2


def test_narrow_keeps_wide_integers_as_python_integers():
    wide = np.array([1 << 62], dtype=object)
    assert narrow(wide).dtype == object
    assert narrow(wide - 1).dtype == np.int64


@pytest.mark.parametrize(
    ("values", "small"),
    [
        ([[3, 3], [3, 3]], 3),
        ([[1, 2], [1, 2]], [1, 2]),
        ([[1, 2], [1, 3]], [[1, 2], [1, 3]]),
    ],
)
def test_an_array_shrinks_to_what_broadcasts_to_it(values, small):
    array = np.array(values, dtype=object)
    assert compact(array).tolist() == small
    assert np.broadcast_to(compact(array), array.shape).tolist() == values
