"""Splits and levels: the test part is never seen, and every level is that of a converter."""

import numpy as np
import pytest

from flow.errors import UsageError
from flow.train.dataset import Scaler, folds_of, prepare
from flow.train.table import Table, bundled


def test_a_level_is_the_floor_of_its_place_between_the_ends():
    scaler = Scaler(np.array([0.0, 5.0]), np.array([8.0, 5.0]), 4)
    x = np.array([[0, 5], [0.49, 5], [0.5, 9], [7.99, -9], [8, 5], [-3, 5], [99, 5]])
    assert scaler.levels(x).tolist() == [
        [0, 0], [0, 0], [1, 0], [15, 0], [15, 0], [0, 0], [15, 0],
    ]  # fmt: skip


def test_the_test_part_is_that_of_scikit_learn_with_seed_42():
    from sklearn.model_selection import train_test_split

    table = bundled("wine")
    data = prepare(table)
    fit, held = train_test_split(np.arange(178), test_size=0.3, random_state=42, stratify=table.y)
    assert data.y_test.tolist() == table.y[held].tolist()
    ends = table.x[fit].min(axis=0), table.x[fit].max(axis=0)
    assert (data.scaler.low == ends[0]).all()
    assert (data.scaler.high == ends[1]).all()
    assert len(data.y_train) + len(data.y_valid) == len(fit)
    assert (len(data.x_train), len(data.x_valid), len(data.x_test)) == (94, 30, 54)
    assert (data.features, data.classes) == (13, 3)
    assert sorted(map(tuple, data.x_fit)) == sorted(map(tuple, data.scaler.levels(table.x[fit])))


def test_every_class_with_two_samples_trains_and_is_split_by_share():
    y = np.array([0] * 20 + [1] * 4 + [2] * 2)
    table = Table("t", ("a",), np.arange(26.0)[:, None], y, ("0", "1", "2"), "")
    data = prepare(table, test=0.3, validation=0.5)
    assert np.bincount(data.y_train, minlength=3).tolist() == [7, 1, 1]
    assert np.bincount(data.y_valid, minlength=3).tolist() == [7, 2, 0]


def test_clipped_ends_keep_an_outlier_from_stretching_the_range():
    x = np.concatenate([np.arange(99.0), [1e6]])[:, None]
    table = Table("t", ("a",), x, np.arange(100) % 2, ("0", "1"), "")
    wide, clipped = prepare(table), prepare(table, clip=0.05)
    assert len(np.unique(clipped.x_fit)) == 16
    assert len(np.unique(wide.x_fit)) <= 2


def test_what_cannot_be_split_is_refused():
    table = Table("t", ("a",), np.zeros((3, 1)), np.array([0, 0, 1]), ("no", "yes"), "")
    with pytest.raises(UsageError) as error:
        prepare(table)
    assert error.value.message == "the class 'yes' has one sample only, and cannot be split"
    with pytest.raises(UsageError) as error:
        prepare(bundled("iris"), bits=9)
    assert error.value.message == "9 bits are no width of an input"


def test_folds_hold_back_every_sample_once_and_even_shares_of_each_class():
    y = np.array([0] * 10 + [1] * 5 + [2])
    parts = folds_of(y, 5, seed=3)
    assert np.sum(parts, axis=0).tolist() == [1] * 16
    assert [np.bincount(y[held], minlength=3)[:2].tolist() for held in parts] == [[2, 1]] * 5
    assert sorted(int(held.sum()) for held in parts) == [3, 3, 3, 3, 4]
