"""Reading Liberty files: units, tables, quirks, and refusals."""

import pytest

from flow.errors import UsageError
from flow.tech import liberty_groups
from flow.tech.liberty import parse_liberty, read_liberty
from flow.tech.technology import Arc, Storage, Table, Toggle

# Written for this test. A cell head in column 0, a missing semicolon, a continued line, a
# comment, units that are not those of flow, a template, a load-first table, a rail at 0 V.
SMALL = r"""
library (small) {
  /* a comment { with a brace */
  time_unit : "10ps";
  leakage_power_unit : 1uW;
  capacitive_load_unit (1, ff);
  voltage_unit : "1V";
  nom_voltage : 1.2
  nom_temperature : 85;
  default_operating_conditions : slow;
  lu_table_template (slew_first) {
    variable_1 : input_net_transition;
    variable_2 : total_output_net_capacitance;
    index_1 ("1, 2");
    index_2 ("10, \
              30");
  }
  lu_table_template (load_first) {
    variable_1 : total_output_net_capacitance;
    variable_2 : input_net_transition;
    index_1 ("10, 30");
    index_2 ("1, 2");
  }
cell(NAND) {
    area : 4.5;
    pg_pin (VSS) { pg_type : primary_ground; }
    leakage_power () { value : 3; when : "A * B * !Y"; }
    leakage_power () { value : 1; when : "!A * Y"; }
    leakage_power () { value : 2; }
    pin (A, B) { direction : input; capacitance : 2; }
    pin (Y) {
      direction : output; function : "(A B)'"; max_capacitance : 50;
      timing () {
        related_pin : "A B"; timing_sense : negative_unate;
        cell_rise (slew_first) { values ("1, 2", "3, 4"); }
        cell_fall (load_first) { values ("1, 2", "3, 4"); }
      }
      timing () {
        related_pin : "A"; timing_sense : negative_unate; when : "B";
        cell_rise (slew_first) { values ("5, 0", "0, 5"); }
      }
      timing () { related_pin : "A"; timing_type : hold_rising; }
      internal_power () {
        related_pin : "A";
        rise_power (scalar) { values ("4"); }
        fall_power (scalar) { values ("2"); }
      }
      internal_power () {
        related_pin : "A"; related_pg_pin : VSS;
        rise_power (scalar) { values ("1000"); }
      }
    }
  }
  cell ("FLOP") {
    area : 20;
    cell_leakage_power : 7;
    ff (IQ, IQN) { next_state : "D"; clocked_on : "!CK"; clear : "R'"; }
    pin (D) { direction : input; rise_capacitance : 1; fall_capacitance : 3; }
    pin (CK) { direction : input; clock : true; capacitance : 1; }
    pin (R) { direction : input; capacitance : 1; }
    pin (Q) { direction : output; function : "IQ"; }
  }
  cell (TRI) {
    area : 6; dont_use : true;
    pin (I) { direction : input; }
    pin (E) { direction : input; }
    pin (Z) { direction : output; function : "I"; three_state : "!E"; }
  }
  cell (RAM) { area : 9; bus (D) { direction : input; } }
  cell (FILL) { area : 1; }
}
"""


@pytest.fixture(scope="module")
def small():
    return parse_liberty(SMALL, "small.lib")


def test_the_head_of_a_library_is_read(small):
    head = (small.name, small.voltage, small.temperature, small.corner, small.nand2, small.source)
    assert head == ("small", 1.2, 85.0, "slow", "NAND", "Liberty file small.lib")


def test_cells_that_are_no_gates_are_left_out_and_named(small):
    assert list(small.cells) == ["NAND", "FLOP", "TRI"]
    assert small.notes == (
        "cell RAM is left out: it has a bus group",
        "cell FILL is left out: it has no output",
    )


def test_leakage_is_given_for_each_input_state_in_microwatt(small):
    nand = small.cells["NAND"]
    # !A: states 0 and 2; A B: state 3; state 1 has only the group without a condition.
    assert nand.leakage == (1.0, 2.0, 1.0, 3.0)
    assert nand.cell_leakage == 2.0
    assert small.cells["FLOP"].leakage == (7.0,) * 8


def test_capacitance_is_given_in_picofarad(small):
    assert small.cells["NAND"].capacitance == pytest.approx({"A": 0.002, "B": 0.002})
    assert small.cells["FLOP"].capacitance["D"] == pytest.approx(0.003)
    assert small.cells["NAND"].max_capacitance == pytest.approx({"Y": 0.05})


def test_delays_are_the_worst_over_conditions_with_slew_in_rows(small):
    rise_a, fall = ((0.05, 0.02), (0.03, 0.05)), ((0.01, 0.03), (0.02, 0.04))
    (a, b) = small.cells["NAND"].arcs
    assert (a.related, b.related, a.sense) == ("A", "B", "negative_unate")
    for row, expected in zip(a.rise.values, rise_a, strict=True):
        assert row == pytest.approx(expected)
    for row, expected in zip(b.fall.values, fall, strict=True):
        assert row == pytest.approx(expected)
    assert a.rise.slews == pytest.approx((0.01, 0.02))
    assert a.fall.loads == pytest.approx((0.01, 0.03))


def test_energy_leaves_the_rail_at_zero_volt_out(small):
    energy = small.cells["NAND"].energy["Y"]
    assert (energy.rise, energy.fall, energy.mean) == pytest.approx((0.004, 0.002, 0.003))


def test_a_flip_flop_knows_its_pins(small):
    flop = small.cells["FLOP"]
    assert flop.kind == "flipflop"
    assert flop.storage == Storage("IQ", "IQN", data="D", clock="!CK", clear="R'")
    assert flop.clock == "CK"
    assert small.flipflops == (flop,)


def test_a_tri_state_cell_knows_when_it_drives(small):
    tri = small.cells["TRI"]
    assert (tri.kind, tri.enable, tri.dont_use) == ("tristate", {"Z": "!(!E)"}, True)


def test_a_table_is_interpolated_and_held_at_its_border():
    table = Table((0.0, 2.0), (0.0, 10.0), ((0.0, 10.0), (4.0, 14.0)))
    assert table.at(1.0, 5.0) == 7.0
    assert table.at(-1.0, 99.0) == 10.0
    assert table.at(9.0, 9.0) == 13.0
    assert Table((0.0,), (0.0,), ((3.0,),)).at(5.0, 5.0) == 3.0
    wide = Table((1.0, 2.0, 3.0), (0.0,), ((1.0,), (2.0,), (9.0,)))
    assert wide.corners() == Table((1.0, 3.0), (0.0,), ((1.0,), (9.0,)))


def test_areas_and_leakages_are_summed_over_a_netlist(small):
    assert small.area({"NAND": 2, "FLOP": 1}) == 29.0
    assert small.leakage({"NAND": 2, "FLOP": 1}) == 11.0
    assert small.nand2_equivalents(9.0) == 2.0


def test_a_cell_that_is_not_there_is_named_with_those_that_are(small):
    with pytest.raises(UsageError) as error:
        small.area({"NOR": 1})
    assert error.value.message == "technology small has no cell NOR"
    assert error.value.hint == "it has FLOP, NAND, TRI"


_CELL = "library (x) {{ cell (G) {{ pin (A) {{ direction : input; }} {} }} }}"
_OUT = 'pin (Y) {{ direction : output; function : "{}"; {} }}'


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("", "the file holds no library group, so it is no Liberty file", "x.lib"),
        (
            "library (x) {\n cell (A) {\n",
            "not a Liberty file: the group 'cell' is never closed",
            "x.lib, line 2",
        ),
        (
            "library (x) { }\n}",
            "not a Liberty file: a brace is closed that was never opened",
            "x.lib, line 2",
        ),
        (
            "library (x) { cell (A { } }",
            "not a Liberty file: the parenthesis behind 'cell' is not closed",
            "x.lib, line 1",
        ),
        (
            'library (x) {\n date : "unclosed;\n}',
            "not a Liberty file: '\"' cannot be read here",
            "x.lib, line 2",
        ),
        (
            "a () {" * 70,
            "not a Liberty file: groups nest deeper than 64",
            "x.lib, line 1",
        ),
        (
            "library (x) { leakage_power_unit : parsec; cell (A) { } }",
            "the unit 'parsec' is not understood",
            "x.lib",
        ),
        (
            "library (x) { }",
            "the Liberty file holds no cell that can be used",
            "x.lib",
        ),
        (
            _CELL.format("area : wide; " + _OUT.format("A", "")),
            "area is 'wide', which is no number",
            "x.lib, line 1",
        ),
        (
            _CELL.format(_OUT.format("A +", "")),
            "not a Boolean expression: an operand is missing at column 4 of 'A +'",
            "x.lib, line 1, function",
        ),
        (
            _CELL.format(
                _OUT.format(
                    "A", 'timing () { related_pin : "A"; cell_rise (t) { values ("1, 2"); } }'
                )
            ),
            "the table cell_rise has 2 values, but its indices ask for 1",
            "x.lib, line 1",
        ),
        (
            _CELL.format("leakage_power () { value : nan; } " + _OUT.format("A", "")),
            "leakage value is 'nan', which is no number",
            "x.lib, line 1",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_place(text, message, where):
    with pytest.raises(UsageError) as error:
        parse_liberty(text, "x.lib")
    assert (error.value.message, error.value.where) == (message, where)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError) as error:
        read_liberty(tmp_path / "none.lib")
    assert error.value.message == "cannot read the Liberty file: No such file or directory"


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.db").write_bytes(b"\0\1\2")
    with pytest.raises(UsageError) as error:
        read_liberty(tmp_path / "x.db")
    assert error.value.message == "the file is not text, so it is no Liberty file"


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(liberty_groups, "MAX_BYTES", 10)
    (tmp_path / "x.lib").write_text("library (x) { }")
    with pytest.raises(UsageError) as error:
        read_liberty(tmp_path / "x.lib")
    assert error.value.message == "the Liberty file has 15 bytes; at most 10 are read"


def test_a_cell_of_many_inputs_has_one_leakage():
    pins = " ".join(f"pin (A{i}) {{ direction : input; }}" for i in range(20))
    text = (
        f"library (x) {{ cell (W) {{ cell_leakage_power : 5; {pins} {_OUT.format('A0', '')} }} }}"
    )
    cell = parse_liberty(text.replace("{{", "{").replace("}}", "}"), "x.lib").cells["W"]
    assert cell.leakage == (0.005,)
    assert cell.leakage_at(99) == 0.005


def test_arcs_and_energies_are_values():
    assert Arc("A", "Y", "non_unate", None, None) == Arc("A", "Y", "non_unate", None, None)
    assert Toggle(1.0, 3.0).mean == 2.0


@pytest.mark.shared
def test_the_published_printed_libraries_are_read_whole(shared):
    tech = read_liberty(shared / "liberty" / "PPDK_Standard_Library_1.0V_25C_TYP_X1.lib")
    assert (tech.voltage, tech.temperature, tech.nand2, tech.notes) == (1.0, 25.0, "NAND2X1", ())
    assert list(tech.cells) == [
        "DFFNRX1", "DFFX1", "INVX1", "LATCHX1", "NAND2X1", "NOR2X1", "TSBUF", "AND2X1", "OR2X1",
        "XNOR2X1", "XOR2X1",
    ]  # fmt: skip
    nand = tech.cells["NAND2X1"]
    assert nand.area == 247860.0
    assert nand.leakage == pytest.approx((0.248054, 0.391073, 0.490604, 18.5691))
    assert nand.truth_table("Y") == 0b0111
    assert tech.cells["TSBUF"].kind == "tristate"
    assert tech.cells["TSBUF"].cell_leakage == pytest.approx(0.015579)
    assert tech.cells["XNOR2X1"].truth_table("Y") == 0b1001
    assert round(tech.cells["INVX1"].worst_delay()) == 1284350
