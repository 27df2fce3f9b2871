"""The technologies that ship with flow, against the figures of the published files."""

import pytest

from flow.errors import UsageError
from flow.tech.liberty import read_liberty
from flow.tech.parts import parts
from flow.tech.registry import load, technologies, voltages

FILES = {
    ("egfet", 0.6): "PPDK_Standard_Library_0.6V_25C_TYP_X1.lib",
    ("egfet", 0.8): "PPDK_Standard_Library_0.8V_25C_TYP_X1.lib",
    ("egfet", 1.0): "PPDK_Standard_Library_1.0V_25C_TYP_X1.lib",
    ("egfet", 1.2): "PPDK_Standard_Library_1.2V_25C_TYP_X1.lib",
    ("cnt_tft", 3.0): "CNT_TFT_pseudo_Standard_Library_3.0V_25C_TYP_X1.lib",
}

KNOWN = "cnt_tft, egfet, generic_cmos, sky130, osu018, osu035, osu050"


def test_every_technology_and_voltage_is_listed():
    assert technologies() == ("cnt_tft", "egfet", "generic_cmos", "sky130")
    assert [(n, v) for n in ("egfet", "cnt_tft") for v in voltages(n)] == list(FILES)


def test_every_data_file_belongs_to_a_listed_technology(root):
    stems = {path.stem for path in (root / "flow" / "tech" / "data").glob("*.toml")}
    expected = {f"{name}_{v:.1f}".replace(".", "v") for name, v in FILES}
    expected |= {"generic_cmos_1v0", "sky130_1v8", "flash_adc", "sources_of_power"}
    expected |= {"flash_cell", "lpu", "lpu_published"}
    assert stems == expected | set(technologies()) | set(parts())


def test_the_usual_voltage_is_taken_where_none_is_named():
    assert load("egfet") == load("egfet", 1.0)
    assert load("cnt_tft") == load("cnt_tft", 3.0)
    assert load("egfet@0.6") == load("egfet@0.6V") == load("egfet", 0.6)


def test_a_technology_says_what_it_is():
    tech = load("egfet", 0.6)
    assert tech.title == (
        "EGFET: inkjet-printed electrolyte-gated transistors, n-type with resistor pull-up, 0.6 V"
    )
    assert tech.source == (
        'N. Bleier et al., "Printed Microprocessors", ISCA 2020, EGFET_PDK Liberty figures'
    )
    assert tech.script == (
        "strash", "ifraig", "scorr", "dc2", "dc2", "strash", "dch -f", "amap -m",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "voltage", "message", "hint"),
    [
        (
            "cmos",
            None,
            "there is no technology 'cmos'",
            f"choose one of {KNOWN}, or give a Liberty file",
        ),
        (
            "../egfet",
            None,
            "there is no technology '../egfet'",
            f"choose one of {KNOWN}, or give a Liberty file; did you mean 'egfet'?",
        ),
        (
            "egfet",
            0.7,
            "technology egfet has no figures at 0.7 V",
            "it has them at 0.6, 0.8, 1, 1.2 V",
        ),
        (
            "egfet@low",
            None,
            "'low' is no voltage of technology egfet",
            "write it as in egfet@0.6",
        ),
    ],
)
def test_an_unknown_name_or_voltage_is_answered_with_what_there_is(name, voltage, message, hint):
    with pytest.raises(UsageError) as error:
        load(name, voltage)
    assert (error.value.message, error.value.hint) == (message, hint)


@pytest.mark.parametrize(("name", "voltage"), list(FILES))
def test_cells_compute_what_their_names_say(name, voltage):
    tables = {
        cell.name: cell.truth_table("Y")
        for cell in load(name, voltage).cells.values()
        if cell.kind == "combinational"
    }
    assert tables == {
        "INVX1": 0b01,
        "NAND2X1": 0b0111,
        "NOR2X1": 0b0001,
        "AND2X1": 0b1000,
        "OR2X1": 0b1110,
        "XOR2X1": 0b0110,
        "XNOR2X1": 0b1001,
    }


def test_a_full_adder_of_nine_nands_has_the_known_area_and_leakage():
    tech = load("egfet")
    assert tech.area({"NAND2X1": 9}) == 2_230_740.0
    assert round(tech.leakage({"NAND2X1": 9}), 1) == 44.3
    assert tech.nand2_equivalents(tech.cells["XOR2X1"].area) == pytest.approx(4.2072, abs=1e-4)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "voltage"), list(FILES))
def test_figures_equal_those_of_the_published_file_cell_by_cell(shared, name, voltage):
    ours = load(name, voltage)
    theirs = read_liberty(shared / "liberty" / FILES[name, voltage])
    published = {cell.name.removesuffix("_psuedo"): cell for cell in theirs.cells.values()}
    assert set(ours.cells) == set(published)
    assert (ours.voltage, ours.temperature) == (theirs.voltage, theirs.temperature)
    for cell in ours.cells.values():
        other = published[cell.name]
        assert (cell.area, cell.inputs, cell.outputs) == (other.area, other.inputs, other.outputs)
        assert cell.leakage == pytest.approx(other.leakage, rel=1e-5)
        assert cell.cell_leakage == pytest.approx(other.cell_leakage, rel=1e-5)
        assert cell.capacitance == pytest.approx(other.capacitance, rel=1e-5)
        assert cell.max_capacitance == pytest.approx(other.max_capacitance)
        for output, energy in cell.energy.items():
            known = other.energy[output]
            assert (energy.rise, energy.fall) == pytest.approx((known.rise, known.fall), rel=1e-5)
        arcs = {(arc.related, arc.output): arc for arc in other.arcs}
        assert cell.arcs
        for arc in cell.arcs:
            known = arcs[arc.related, arc.output]
            assert arc.sense == known.sense
            for edge in ("rise", "fall", "rise_transition", "fall_transition"):
                table, reference = getattr(arc, edge), getattr(known, edge)
                assert (table is None) == (reference is None)
                if table is not None:
                    corners = reference.corners()
                    assert (table.slews, table.loads) == (corners.slews, corners.loads)
                    for row, expected in zip(table.values, corners.values, strict=True):
                        assert row == pytest.approx(expected, rel=1e-5)
        if cell.kind == "combinational":
            output = cell.outputs[0]
            assert cell.truth_table(output) == other.truth_table(output)
