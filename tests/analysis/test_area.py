"""Area is the sum of the cells."""

from designs_mapped import EGFET

from flow.analysis.area import area_of
from flow.ir.netlist import Bus, Instance, Netlist

PAIR = Netlist(
    "pair",
    (Bus("a", 1),),
    (Bus("y", 1),),
    (
        Instance("u1", "NAND2X1", (("A1", "a"), ("A2", "a"), ("Y", "n1"))),
        Instance("u2", "INVX1", (("A", "n1"), ("Y", "n2"))),
        Instance("u3", "INVX1", (("A", "n2"), ("Y", "n3"))),
    ),
    ("n3",),
)


def test_area_of_three_cells():
    area = area_of(PAIR, EGFET)
    assert area.um2 == 247860 + 2 * 228420
    assert area.cm2 == 0.007047
    assert area.cells == {"INVX1": 2, "NAND2X1": 1}
    assert area.by_cell == {"INVX1": 456840, "NAND2X1": 247860}
    assert area.by_instance == (247860, 228420, 228420)
    assert area.count == 3
    assert area.nand2 == 704700 / 247860
