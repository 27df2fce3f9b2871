"""The page of a search: its points, published designs beside them, and what each is made of."""

from dataclasses import replace

import numpy as np
import pytest
from report.chromium import start
from report.report_demo import HOSTILE
from report.test_html import read, words

from flow.report.front import Part, front_page, front_to_html, inputs_of, parts_of
from flow.report.published import Published, published, published_for
from flow.search.front import Front, Point, Trimmed
from flow.search.space import Space

SPACE = Space(inputs=3, hidden=(2,), classes=2, hidden_bits=2, exponents=2, bias_bits=6)
RIVALS = (
    Published("toy", "P24", "approximate MLP", 0.5, "published", 0.9, False, 2.0, title="t"),
    Published("toy", "P23", "approximate tree", 0.02, "published", 0.8, True, 0.05, title="t"),
    Published("toy", "P22", "ternary network", 0.3, "published", None, False, 1.0, title="t"),
)


def genome(*places):
    """Neuron 0 reads the inputs of (input, mask); class 1 reads neuron 0."""
    found = np.zeros((1, SPACE.genes), np.int64)
    first, last = SPACE.layers(found)
    first.alive[0, 0] = 1
    first.bits[...] = 1
    for column, mask in places:
        first.masks[0, 0, column] = mask
    last.masks[0, 1, 0] = 1
    return tuple(found[0].tolist())


def front(name="toy") -> Front:
    points = (
        Point(genome((0, 0b1000)), None, 60, 20, 399_500, 400_000, 14_790),
        Point(genome((0, 0b1000), (2, 0b0111)), None, 75, 22, 2_196_000, 2_000_000, 113_200),
    )
    return Front(
        name, SPACE, (0.0,) * 3, (1.0,) * 3, ("age", "mass", "size"), ("no", "yes"),
        {"train": 80, "valid": 25, "test": 45}, None, "egfet", 1.0, 12, 7, (0.5, 0.75), {}, {},
        points,
    )  # fmt: skip


def test_a_point_is_told_by_layers_and_the_inputs_it_reads():
    assert parts_of(front(), 1) == (
        Part("hidden 1", 1, 2, 4, 1),
        Part("decision", 2, 1, 1, 0),
    )
    assert inputs_of(front(), 1) == ("age", "size")
    assert inputs_of(front(), 0) == ("age",)


def test_a_trimmed_point_reads_what_its_gates_read():
    own = front()
    # Signals 1 to 4 are the bits of age, 5 to 8 those of mass, 9 to 12 those of size.
    gates = Trimmed((9, 14), (26,))
    own = replace(own, points=(own.points[0], replace(own.points[1], gates=gates)))
    assert inputs_of(own, 1) == ("age", "mass")
    assert [row["gates"] for row in front_page(own, "out", RIVALS)["rows"]] == ["", "1"]
    text = words(front_to_html(own, "out", RIVALS))
    assert "1 gates are left after trimming; the table is of the network before it" in text


def test_rows_name_area_power_its_source_and_the_command_that_builds_the_point():
    row = front_page(front(), "out/toy", RIVALS)["rows"][1]
    told = {name: row[name] for name in ("train", "valid", "area", "power", "inputs", "source")}
    assert told == {
        "train": "93.75 %", "valid": "88.00 %", "area": "2.196 mm²", "power": "113.2 µW",
        "inputs": "2 of 3", "source": "Blue Spark printed battery, 3 mW",
    }  # fmt: skip
    assert row["command"] == "flow build out/toy --pick 1 -o OUT"


def test_published_designs_are_drawn_where_both_figures_are_known():
    area, power = front_page(front(), "out", RIVALS)["plots"]
    assert [r["said"] for r in area["rivals"]] == [
        "P24, t, approximate MLP: 50 mm², 90.0 % on test data (published)",
        "P23, t, approximate tree: 2 mm², at least 80.0 % on test data (published)",
    ]
    assert [r["family"] for r in power["rivals"]] == ["perceptrons", "trees"]
    assert [limit["text"] for limit in power["limits"]][:2] == [
        "printed energy harvester", "Blue Spark printed battery, 3 mW",
    ]  # fmt: skip
    assert area["limits"] == []
    places = [float(p["x"]) for p in area["points"]]
    assert places == sorted(places)


def test_at_another_supply_only_designs_of_that_supply_have_a_power():
    page = front_page(replace(front(), voltage=0.6), "out", RIVALS)
    assert [len(plot["rivals"]) for plot in page["plots"]] == [2, 0]


def test_no_name_becomes_code():
    html = front_to_html(front(HOSTILE), HOSTILE, RIVALS)
    reader = read(html)
    assert "script" not in reader.tags
    assert all(not name.startswith("on") for name, _ in reader.attributes)
    assert front_to_html(front(HOSTILE), HOSTILE, RIVALS) == html


def test_without_points_and_rivals_the_page_stands():
    text = words(front_to_html(replace(front(), points=()), "out", ()))
    assert "Published designs" not in text


def test_every_published_design_has_its_source():
    names = {design.set for design in published()}
    assert len(published()) == 88
    assert {"cardio", "redwine", "whitewine", "pendigits", "seeds", "balance_scale"} <= names
    assert all(design.citation and design.area_cm2 > 0 for design in published())
    assert [d.paper for d in published_for("breast_cancer")] == ["DATE24", "ICCAD23"]
    cardio = next(d for d in published_for("cardio") if d.tree)
    assert (cardio.accuracy, cardio.area_cm2, cardio.power_mw) == (0.92, 0.4354, 2.05)


@pytest.mark.tool("chromium")
def test_the_browser_shows_one_plot_at_a_time_without_a_script(tmp_path):
    file = tmp_path / "front.html"
    file.write_text(front_to_html(front(), "out", RIVALS))
    document, console = start(tmp_path).dom(file)
    assert console == []
    assert document.count("<circle") == 4
    assert 'id="show-power"' in document
