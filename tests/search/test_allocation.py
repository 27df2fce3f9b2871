"""The integer program of widths, against trying every combination."""

from itertools import product

import numpy as np
import pytest

from flow.errors import UsageError
from flow.search.allocation import Choice, allocate


def layers(rng, count, names=("bops",)):
    return [
        [
            Choice(w, a, float(rng.random() / w), {n: float(rng.integers(1, 50)) for n in names})
            for w in (2, 4, 8)
            for a in (3, 5)
        ]
        for _ in range(count)
    ]


def loss(choices):
    return sum(c.loss for c in choices)


def tried(rows, limits):
    """The combination within the limits that loses least, of all of them; None if none is."""
    within = (
        chosen
        for chosen in product(*rows)
        if all(sum(c.costs[n] for c in chosen) <= limit for n, limit in limits.items())
    )
    return min(within, key=loss, default=None)


@pytest.mark.parametrize("seed", range(6))
def test_the_program_finds_what_trying_all_finds(seed):
    rng = np.random.default_rng(seed)
    names = ("bops", "area")[: 1 + seed % 2]
    rows = layers(rng, 4, names)
    limits = {n: sum(min(c.costs[n] for c in row) for row in rows) * 3.0 for n in names}
    best = tried(rows, limits)
    if best is None:
        with pytest.raises(UsageError):
            allocate(rows, limits)
        return
    found = allocate(rows, limits)
    assert loss(found) == pytest.approx(loss(best), rel=1e-9)
    assert all(sum(c.costs[n] for c in found) <= limits[n] for n in names)


def test_without_a_tight_limit_every_layer_loses_least():
    rows = layers(np.random.default_rng(9), 3)
    found = allocate(rows, {"bops": 1e6})
    assert found == tuple(min(row, key=lambda c: c.loss) for row in rows)


def test_a_limit_below_the_narrowest_widths_is_named():
    rows = [[Choice(2, 2, 1.0, {"bops": 1500.0})], [Choice(2, 2, 1.0, {"bops": 700.0})]]
    with pytest.raises(UsageError) as told:
        allocate(rows, {"bops": 2000.0})
    assert told.value.message == "no widths keep bops at 2,000: the narrowest take 2,200"
    assert told.value.hint == "raise the limit, or allow narrower widths"


def test_limits_that_exclude_each_other_are_refused():
    row = [Choice(2, 8, 1.0, {"a": 1.0, "b": 9.0}), Choice(8, 2, 1.0, {"a": 9.0, "b": 1.0})]
    with pytest.raises(UsageError, match="no widths keep all limits together"):
        allocate([row], {"a": 5.0, "b": 5.0})
