"""The SKY130 cells: their figures against figures of the published files, and what they compute."""

import pytest

from flow.pipeline.synthesis import check_technology
from flow.tech.registry import load

CELL = "sky130_fd_sc_hd__{}_1"
WANTED = {
    "inv", "buf", "nand2", "nand3", "nand4", "nor2", "nor3", "and2", "or2", "a21oi", "a22oi",
    "o21ai", "o22ai", "xor2", "xnor2", "mux2", "ha", "fa", "dfxtp", "dfrtp",
}  # fmt: skip
DRIVES = {"inv_4", "buf_2", "buf_4", "buf_8", "buf_16"}
HEIGHT, SITE = 2.72, 0.46  # um, of the rows of the library


@pytest.fixture(scope="module")
def sky():
    return load("sky130")


def test_it_has_every_cell_that_mapping_wants(sky):
    drives = {CELL.format(name)[:-2] for name in DRIVES}
    assert set(sky.cells) == {CELL.format(name) for name in WANTED} | drives
    check_technology(sky)
    assert (sky.voltage, sky.nand2, sky.temperature) == (1.8, CELL.format("nand2"), 25.0)


def test_every_area_is_a_whole_number_of_sites(sky):
    sites = {name: sky.cells[CELL.format(name)].area / (HEIGHT * SITE) for name in WANTED}
    assert sites == pytest.approx({name: round(count) for name, count in sites.items()})
    assert [round(sites[name]) for name in ("inv", "nand2", "xor2", "fa", "dfrtp")] == [
        3, 3, 7, 16, 20,
    ]  # fmt: skip


def test_the_leakage_of_a_cell_is_the_mean_of_its_states(sky):
    for cell in sky.cells.values():
        if cell.kind == "combinational":
            mean = sum(cell.leakage) / len(cell.leakage)
            assert mean == pytest.approx(cell.cell_leakage, rel=2e-3), cell.name


def test_the_cells_compute_what_their_names_say(sky):
    def table(name, output="Y"):
        return sky.cells[CELL.format(name)].truth_table(output)

    assert (table("nand3"), table("nor3"), table("nand4")) == (0x7F, 0x01, 0x7FFF)
    assert (table("a21oi"), table("o21ai")) == (0x07, 0x1F)
    assert (table("a22oi"), table("o22ai")) == (0x0777, 0x111F)
    assert (table("xor2", "X"), table("xnor2"), table("mux2", "X")) == (0b0110, 0b1001, 0xCA)
    assert (table("fa", "SUM"), table("fa", "COUT")) == (0x96, 0xE8)
    assert (table("ha", "SUM"), table("ha", "COUT")) == (0b0110, 0b1000)


def test_figures_are_those_of_the_published_files(sky):
    nand = sky.cells[CELL.format("nand2")]
    assert nand.leakage == pytest.approx((3.005879e-8, 2.199e-7, 2.796e-7, 7.9423e-6), rel=1e-5)
    assert nand.capacitance == {"A": 0.002315, "B": 0.002324}
    assert nand.arcs[0].fall.loads == (0.0005, 0.00912787, 0.166636)
    assert nand.arcs[0].fall.at(0.122474, 0.00912787) == pytest.approx(0.1038626, abs=5e-5)
    full = sky.cells[CELL.format("fa")]
    worst = {(arc.related, arc.output): arc for arc in full.arcs}["A", "SUM"]
    assert worst.sense == "non_unate"
    assert worst.rise.loads == (0.0005, 0.00882184, 0.15565)
    assert worst.rise.at(0.01, 0.0005) == pytest.approx(0.4949451, abs=5e-5)


def test_delays_between_the_points_are_near_the_published_ones(sky):
    nand = sky.cells[CELL.format("nand2")].arcs[0]
    assert nand.fall.at(0.0531329, 0.00346659) == pytest.approx(0.0504824, rel=0.15)
    inverter = sky.cells[CELL.format("inv")].arcs[0]
    assert inverter.rise.at(0.282311, 0.0254232) == pytest.approx(0.2799442, rel=0.15)


def test_larger_drives_compute_the_same_and_are_faster_under_load(sky):
    for name in sorted(DRIVES):
        cell = sky.cells[CELL.format(name)[:-2]]
        small = sky.cells[CELL.format(name.split("_")[0])]
        pin = cell.outputs[0]
        assert cell.truth_table(pin) == small.truth_table(pin)
        assert cell.max_capacitance[pin] > small.max_capacitance[pin]
        for fast, slow in zip(cell.arcs, small.arcs, strict=True):
            assert fast.rise.at(0.1, 0.1) < slow.rise.at(0.1, 0.1)
            assert fast.fall.at(0.1, 0.1) < slow.fall.at(0.1, 0.1)
    half = sky.cells[CELL.format("buf_8")[:-2]].arcs[0]
    assert half.rise.at(0.01, 0.0005) == pytest.approx(0.0612234, abs=5e-5)
    assert half.rise.at(0.01, 0.232079) == pytest.approx(0.3173798, rel=0.01)


def test_the_energy_of_an_inverter_is_without_that_of_its_load(sky):
    energy = sky.cells[CELL.format("inv")].energy["Y"]
    assert energy.rise == energy.fall == pytest.approx((0.0220691 - 0.016724) / 2, rel=1e-4)
