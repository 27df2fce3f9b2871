"""Which input bits a netlist reads."""

from flow.analysis.sensor_bits import bits_read
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
