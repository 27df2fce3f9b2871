"""Which input bits a netlist reads."""

from designs_mapped import EGFET

from flow.analysis.sensor_bits import bits_read, levels_told_apart
from flow.ir.netlist import Bus, Instance, Netlist


def test_a_bit_is_read_by_a_cell_or_handed_to_an_output():
    netlist = Netlist(
        "some",
        (Bus("x", 4), Bus("z", 2), Bus("c", 1)),
        (Bus("y", 2),),
        (Instance("u1", "NAND2X1", (("A1", "x[1]"), ("A2", "c"), ("Y", "n1"))),),
        ("n1", "x[3]"),
    )
    assert bits_read(netlist) == {"x": 0b1010, "z": 0, "c": 1}


def test_a_comparison_with_a_constant_tells_one_threshold_apart():
    # y = x[1] and x[0] or z, so x >= 3 matters and no other level.
    netlist = Netlist(
        "three",
        (Bus("x", 2), Bus("z", 1)),
        (Bus("y", 1),),
        (
            Instance("u1", "AND2X1", (("A1", "x[0]"), ("A2", "x[1]"), ("Y", "n1"))),
            Instance("u2", "OR2X1", (("A1", "n1"), ("A2", "z"), ("Y", "n2"))),
        ),
        ("n2",),
    )
    assert levels_told_apart(netlist, EGFET, ("x[0]", "x[1]")) == (3,)
    assert levels_told_apart(netlist, EGFET, ("z",)) == (1,)


def test_with_too_many_other_inputs_nothing_is_found_out():
    wide = Netlist("wide", (Bus("x", 1), Bus("z", 20)), (Bus("y", 20),), (),
                   tuple(f"z[{i}]" for i in range(20)))  # fmt: skip
    assert levels_told_apart(wide, EGFET, ("x",)) is None
    narrow = Netlist("n", (Bus("x", 1), Bus("z", 8)), (Bus("y", 8),), (),
                     tuple(f"z[{i}]" for i in range(8)))  # fmt: skip
    assert levels_told_apart(narrow, EGFET, ("x",)) == ()
    assert levels_told_apart(narrow, EGFET, ("z[7]",)) == (1,)
