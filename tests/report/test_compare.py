"""Several builds side by side: the best of each figure, the plot, the page."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from report import chromium
from report.report_demo import HOSTILE, bare, demo, hostile

from flow.report import figures as fig
from flow.report.compare import MEASURES, best, comparison
from flow.report.html import compare_to_html
from flow.report.record import Accuracy, Record
from flow.report.scatter import MOST_LABELS, Axis, scatter
from flow.report.terminal import FIGURES


def build(area: float = 1.0, accuracy: float = 0.9) -> Record:
    """The demonstration with another area, in its own measure, and another accuracy."""
    record = demo()
    cells = tuple(replace(cell, area_um2=cell.area_um2 * area) for cell in record.area.cells)
    return replace(
        record,
        layers=(),
        area=replace(record.area, um2=record.area.um2 * area, cells=cells),
        accuracy=Accuracy("accuracy", 1000, None, accuracy, accuracy),
    )


SMALL, LARGE, POOR = build(1, 0.8), build(4, 0.95), build(5, 0.7)


def test_the_best_of_each_figure_is_known_where_builds_differ():
    found = best([SMALL, LARGE, POOR])
    assert found["area"] == {0}
    assert found["  circuit"] == {1}
    # All have the same power, so none is better.
    assert "power" not in found
    assert set(found) <= {measure.title for measure in MEASURES}


def test_two_metrics_are_not_compared():
    other = build(2, accuracy=0.9)
    other = replace(other, accuracy=replace(other.accuracy, metric="R2"))
    assert "  circuit" not in best([SMALL, other])
    assert "area" in best([SMALL, other])


def test_every_measure_is_a_figure_of_the_table():
    assert {measure.title for measure in MEASURES} <= {title for title, _ in FIGURES}
    assert len({measure.title for measure in MEASURES}) == len(MEASURES)


def test_the_table_has_every_figure_that_some_build_has():
    page = comparison([("a", SMALL), ("b", bare())])
    rows = {row["title"]: row for row in page["rows"]}
    assert [cell["text"] for cell in rows["area"]["cells"]] == [
        fig.area(SMALL.area.um2), fig.NONE,
    ]  # fmt: skip
    assert [(b["name"], b["hue"]) for b in page["builds"]] == [("a", 0), ("b", 1)]
    assert "look-up tables" not in rows


def test_the_front_holds_what_no_other_build_beats():
    plot = comparison([("small", SMALL), ("large", LARGE), ("poor", POOR)])["plot"]
    assert {p["name"]: p["front"] for p in plot["points"]} == {
        "small": True, "large": True, "poor": False,
    }  # fmt: skip
    assert (plot["title_x"], plot["title_y"]) == (
        "area, lower is better", "accuracy, higher is better",
    )  # fmt: skip
    small, large = (plot["points"][i] for i in (0, 1))
    # From the small build to the right at its accuracy, then up to the large one.
    assert plot["line"] == (
        f"{small['x']},{small['y']} {large['x']},{small['y']} {large['x']},{large['y']}"
    )
    assert float(small["x"]) < float(large["x"])
    assert float(small["y"]) > float(large["y"])


def test_a_build_without_the_figures_is_named_and_one_alone_has_no_plot():
    plot = comparison([("a", SMALL), ("b", LARGE), ("c", bare())])["plot"]
    assert plot["left_out"] == ["c"]
    assert comparison([("a", SMALL), ("c", bare())])["plot"] is None
    assert "that can be plotted" in compare_to_html([("a", SMALL), ("c", bare())])


def test_an_accuracy_has_no_tick_beyond_100_percent():
    plot = comparison([("a", build(1, 0.4)), ("b", build(2, 0.99))])["plot"]
    assert [tick["text"] for tick in plot["ticks_y"]] == ["20 %", "40 %", "60 %", "80 %", "100 %"]


AXIS = Axis("x", lambda value: f"{value:g} m", "lower")


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ((1.0, 3.0), ["0.5 m", "1 m", "1.5 m", "2 m", "2.5 m", "3 m", "3.5 m"]),
        ((5.0, 5.0), ["4 m", "6 m"]),
        ((0.0, 0.0), ["0", "0.5 m"]),
        ((-3.0, 3.0), ["-4 m", "-2 m", "0", "2 m", "4 m"]),
        ((1.0, 30.0), ["1 m", "2 m", "5 m", "10 m", "20 m", "50 m"]),
        ((3.0, 30000.0), ["10 m", "100 m", "1000 m", "10000 m"]),
    ],
)
def test_ticks_are_round(values, ticks):
    points = [(f"p{i}", i, value, value) for i, value in enumerate(values)]
    plot = scatter(points, AXIS, AXIS)
    assert [tick["text"] for tick in plot["ticks_x"]] == ticks
    for point in plot["points"]:
        assert float(plot["left"]) <= float(point["x"]) <= float(plot["right"])
        assert float(plot["top"]) <= float(point["y"]) <= float(plot["bottom"])


def test_names_of_many_points_are_left_to_the_table():
    points = [("p", 0, float(i), float(i)) for i in range(MOST_LABELS + 1)]
    assert all(point["label"] for point in scatter(points[1:], AXIS, AXIS)["points"])
    assert not any(point["label"] for point in scatter(points, AXIS, AXIS)["points"])


def test_names_beside_points_do_not_lie_on_each_other():
    points = [(f"build {i}", i, 1.0 + i / 1000, 1.0) for i in range(4)]
    points.append(("far", 4, 2.0, 1.0))
    labels = [point["label"] for point in scatter(points, AXIS, AXIS)["points"]]
    lines = sorted(float(label["y"]) for label in labels[:4])
    assert all(b - a > 10 for a, b in pairwise(lines))


def test_equal_builds_give_equal_bytes_without_script_or_address():
    named = [("a", SMALL), ("b", LARGE)]
    page = compare_to_html(named)
    assert page == compare_to_html(named)
    assert not re.search(r"<script|https?:|url\(", page)
    assert "default-src 'none'" in page


def test_hostile_names_do_not_become_markup():
    page = compare_to_html([(HOSTILE, hostile()), ("b", SMALL)])
    assert HOSTILE not in page
    assert "\x1b" not in page


@pytest.mark.tool("chromium")
def test_the_page_opens_without_a_complaint(tmp_path):
    browser = chromium.start(tmp_path)
    file = tmp_path / "page.html"
    file.write_text(compare_to_html([("small", SMALL), ("large", LARGE), ("bare", bare())]))
    dom, console = browser.dom(file)
    assert console == []
    assert dom.count("<circle") == 2
    assert chromium.png_size(browser.picture(file, 900, 1200)) == (900, 1200)
