"""Power of netlists small enough to compute by hand."""

import numpy as np
import pytest

from flow.analysis.activity import simulate_activity, uniform_activity
from flow.analysis.power import net_loads, power_of
from flow.errors import UsageError
from flow.ir.netlist import Bus, Instance, Netlist
from flow.tech.technology import Cell, Technology, Toggle

INV = Cell(
    "INV", 1.0, ("A",), ("Y",), {"Y": "!A"}, (2.0, 6.0), 4.0, {"A": 3.0}, {"Y": Toggle(8.0, 12.0)}
)
TWO_VOLTS = Technology("two", "two", 2.0, 25.0, "", {"INV": INV}, "a test")
CHAIN = Netlist(
    "chain",
    (Bus("a", 1),),
    (Bus("y", 1),),
    (
        Instance("u1", "INV", (("A", "a"), ("Y", "n1"))),
        Instance("u2", "INV", (("A", "n1"), ("Y", "n2"))),
    ),
    ("n2",),
)


def test_power_of_two_inverters_by_hand():
    bits = np.array([[0], [1], [1], [1], [0]])  # 60 % ones, two changes in four steps
    power = power_of(CHAIN, TWO_VOLTS, simulate_activity(CHAIN, TWO_VOLTS, bits), 100.0)
    # uW: u1 sees 1 in 60 % of the samples, u2 in 40 %.
    assert power.leakage == pytest.approx((0.4 * 2 + 0.6 * 6 + 0.6 * 2 + 0.4 * 6) / 1e3)
    # Each output changes 0.5 times a sample; 10 pJ a change on average.
    assert power.internal == pytest.approx(2 * 0.5 * 10 / 100)
    # n1 has 3 pF at 2 V: 6 pJ a change. n2 drives nothing.
    assert power.switching == pytest.approx(0.5 * 6 / 100)
    assert power.inputs == pytest.approx(0.5 * 6 / 100)
    assert power.by_instance[0] == pytest.approx(0.0044 + 0.05 + 0.03)
    assert power.total == pytest.approx(sum(power.by_instance) + power.inputs)
    assert power.label == "vectors"


def test_vectorless_power_is_labelled_and_takes_the_mean_leakage():
    power = power_of(CHAIN, TWO_VOLTS, uniform_activity(CHAIN, TWO_VOLTS), 100.0)
    assert power.leakage == pytest.approx(8 / 1e3)
    assert power.label == "vectorless, uniform states"


def test_loads_are_the_pins_on_a_net():
    assert net_loads(CHAIN, TWO_VOLTS) == {"a": 3.0, "n1": 3.0}


def test_a_period_must_be_positive():
    with pytest.raises(UsageError, match=r"^a clock period of 0 ns is not positive$"):
        power_of(CHAIN, TWO_VOLTS, uniform_activity(CHAIN, TWO_VOLTS), 0.0)
