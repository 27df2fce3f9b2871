"""The FPGA families."""

import pytest

from flow.errors import UsageError
from flow.tech.parts import load_part, parts


def test_the_families_are_listed_in_order():
    assert parts() == ("ecp5", "ice40", "xilinx")


@pytest.mark.parametrize(
    ("name", "inputs", "program"),
    [("xilinx", 6, None), ("ecp5", 4, "nextpnr-ecp5"), ("ice40", 4, "nextpnr-ice40")],
)
def test_a_family_knows_its_tables_and_who_places_them(name, inputs, program):
    part = load_part(name)
    assert (part.name, part.inputs) == (name, inputs)
    assert (part.place.program if part.place else None) == program
    assert part.delays.lut > 0


def test_tables_within_carry_cells_count():
    cells = {"LUT4": 5, "CCU2C": 3, "TRELLIS_FF": 7, "PFUMX": 1}
    part = load_part("ecp5")
    assert part.lut_count(cells) == 11
    assert part.count(cells, part.flipflops) == 7


def test_devices_come_from_small_to_large():
    sizes = [device.luts for device in load_part("ice40").place.devices]
    assert sizes == sorted(sizes)


def test_an_unknown_family_is_named_with_those_that_are():
    with pytest.raises(UsageError) as error:
        load_part("xlinx")
    assert error.value.message == "there is no FPGA family 'xlinx'"
    assert error.value.hint == "choose one of ecp5, ice40, xilinx; did you mean 'xilinx'?"
