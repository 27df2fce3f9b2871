"""Static timing of paths that can be added up by hand."""

import pytest
from designs import STAGED
from designs_mapped import EGFET, mapped

from flow.analysis.timing import timing_of
from flow.ir.netlist import Bus, Instance, Netlist
from flow.tech.technology import Arc, Cell, Table, Technology


def table(*values: float) -> Table:
    return Table((1.0,), (0.0, 10.0), (values,))


INV = Cell(
    "INV", 1.0, ("A",), ("Y",), {"Y": "!A"}, (1.0, 1.0), 1.0, {"A": 5.0},
    arcs=(Arc("A", "Y", "negative_unate", table(1.0, 3.0), table(10.0, 30.0)),),
)  # fmt: skip
SLOW = Technology("slow", "slow", 1.0, 25.0, "", {"INV": INV}, "a test")
CHAIN = Netlist(
    "chain",
    (Bus("a", 1),),
    (Bus("y", 1), Bus("z", 1)),
    (
        Instance("u1", "INV", (("A", "a"), ("Y", "n1"))),
        Instance("u2", "INV", (("A", "n1"), ("Y", "n2"))),
        Instance("u3", "INV", (("A", "n1"), ("Y", "n3"))),
    ),
    ("n2", "n3"),
)


def test_the_longest_path_counts_loads_and_edges():
    timing = timing_of(CHAIN, SLOW)
    # n1 carries two pins, 10 pF: it rises in 3 ns and falls in 30 ns; n2 carries none.
    # Worst: n1 falls (30), then n2 rises (1); or n1 rises (3), then n2 falls (10).
    assert timing.delay_ns == 31.0
    assert [(hop.instance, hop.edge, hop.arrival_ns) for hop in timing.path] == [
        ("u1", "fall", 30.0), ("u2", "rise", 31.0),
    ]  # fmt: skip
    assert (timing.start, timing.end, timing.method) == ("a", "y", "flow sta")
    assert timing.fmax_hz == pytest.approx(1e9 / 31)


def test_wires_take_no_time():
    timing = timing_of(Netlist("w", (Bus("a", 1),), (Bus("y", 1),), (), ("a",)), SLOW)
    assert (timing.delay_ns, timing.path, timing.fmax_hz) == (0.0, (), None)


@pytest.mark.tool("abc")
def test_a_path_of_a_pipeline_lies_between_flipflops_or_ports(tmp_path):
    _, made = mapped(STAGED, tmp_path)
    timing = timing_of(made.netlist, EGFET)
    arrivals = [hop.arrival_ns for hop in timing.path]
    assert arrivals == sorted(arrivals)
    assert timing.delay_ns == arrivals[-1]
    assert [hop.cell for hop in timing.path[1:]].count("DFFX1") == 0
