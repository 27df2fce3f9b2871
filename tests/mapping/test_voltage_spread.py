"""Flash cells whose threshold voltages scatter: wrong decisions, and what they do to answers."""

import numpy as np
import pytest

from flow.errors import IRError
from flow.ir.aig import pack
from flow.ir.threshold import FlipFlop, PlacedGate, ThresholdGate, ThresholdNetlist
from flow.mapping.flash.spread import scattered_tables, voltage_spread
from flow.mapping.flash.voltages import best_voltages, robustness
from flow.tech.flash_cell import flash_cell

MAJORITY = ThresholdGate((1, 1, 1), 2)
# y = a and not b or c, and not y.
NETLIST = ThresholdNetlist(
    "two", ("a", "b", "c"), (),
    (PlacedGate(ThresholdGate((1, -1, 2), 1), (0, 1, 2)),
     PlacedGate(ThresholdGate((-1,), 0), (3,))),
    ("y", "z"), (3, 4),
)  # fmt: skip
BITS = np.array([[m >> i & 1 for i in range(3)] for m in range(8)], dtype=np.uint8)


def test_cells_without_spread_decide_as_their_gates():
    random = np.random.default_rng(0)
    for gate in (MAJORITY, ThresholdGate((1, -1, 2), 1), ThresholdGate((-2, -1, 1), 0)):
        assert set(scattered_tables(gate, 0.0, 50, random).tolist()) == {gate.table()}
    found = voltage_spread(NETLIST, pack(BITS), 0.0, copies=3)
    assert (found.cells, found.wrong.tolist(), found.share) == (2, [0, 0, 0], 0.0)
    y = (BITS[:, 0] & (1 - BITS[:, 1])) | BITS[:, 2]
    expected = sum(int(bit) << s for s, bit in enumerate(y))
    assert (found.answers[:, 0, 0] & np.uint64(255)).tolist() == [expected] * 3
    assert (found.answers[:, 1, 0] & np.uint64(255)).tolist() == [expected ^ 255] * 3


def test_as_many_cells_are_right_as_the_yield_of_their_voltages_says():
    sigma = flash_cell().sigma_mv
    gate = ThresholdGate((5, 4, 3, 2, 1), 8)
    tables = scattered_tables(gate, sigma, 4000, np.random.default_rng(1))
    share = float(np.mean(tables == np.uint64(gate.table())))
    assert share == pytest.approx(robustness(best_voltages(gate), 4000, 2).share, abs=0.02)


def test_more_spread_makes_more_cells_wrong_and_equal_seeds_equal_copies():
    shares = [voltage_spread(NETLIST, pack(BITS), s, copies=200).share for s in (0, 100, 400)]
    assert shares[0] == 0.0
    assert shares[0] < shares[1] < shares[2]
    first, again = (voltage_spread(NETLIST, pack(BITS), 100.0, copies=9, seed=4) for _ in range(2))
    assert np.array_equal(first.answers, again.answers)


def test_what_is_no_combinational_netlist_is_refused():
    held = ThresholdNetlist("held", ("a",), (FlipFlop("q", 0),), (), ("y",), (1,))
    with pytest.raises(IRError, match="held is not combinational"):
        voltage_spread(held, pack(BITS[:, :1]), 1.0)
