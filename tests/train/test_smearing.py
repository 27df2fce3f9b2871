"""Made samples: values of real ones, labels of a teacher that has seen nothing else."""

import numpy as np
import pytest

from flow.train.smearing import Smearing, smeared

X = np.random.default_rng(1).integers(0, 16, size=(60, 3)).astype(np.uint8)
Y = (X[:, 0] > 7).astype(np.int64)


@pytest.mark.parametrize("teacher", ["forest", "linear"])
def test_made_samples_have_values_of_real_ones_and_answers_of_the_teacher(teacher):
    x, y = smeared(X, Y, Smearing(240, teacher), seed=3)
    # The real ones come twice, a third of all.
    assert (x.shape, x.dtype, y.dtype) == ((360, 3), X.dtype, Y.dtype)
    assert (x[:60] == X).all()
    assert (x[60:120] == X).all()
    assert (y[:60] == Y).all()
    made = x[120:]
    for feature in range(3):
        assert set(made[:, feature].tolist()) <= set(X[:, feature].tolist())
    # About a third of three values are another sample's; two of three such are new samples.
    new = ~(made[:, None] == X[None]).all(axis=2).any(axis=1)
    assert 0.3 < new.mean() < 0.7
    # The first feature decides, and the teacher has found that out.
    assert ((made[:, 0] > 7) == y[120:]).mean() > 0.9
    again = smeared(X, Y, Smearing(240, teacher), seed=3)
    assert (again[0] == x).all()
    assert (again[1] == y).all()


def test_without_made_samples_the_real_ones_stay_as_they_are():
    x, y = smeared(X, Y, Smearing(0))
    assert x is X
    assert y is Y
