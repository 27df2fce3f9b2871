"""What was tried for the objective, as a report shows it."""

from dataclasses import replace

from report.report_demo import demo
from rich.console import Console

from flow.report.codec import from_json, to_json
from flow.report.figures import NONE
from flow.report.html import to_html
from flow.report.terminal import one
from flow.report.tuning import Tried, Tuning, front, line, rows

SMALL = Tried("heaps", "choices", 1e8, 2e8)
QUICK = Tried("trees", "speed", 3e8, 5e7)
BUILT = Tried("heaps", "resub", 9e7, 1.9e8, chosen=True)
TUNING = Tuning("area", "normal", "um2", (SMALL, QUICK, Tried("heaps", "plain", 4e8, 6e7), BUILT))


def test_the_front_is_what_nothing_beats_and_what_was_built():
    assert front(TUNING) == (BUILT, QUICK)
    kept = replace(SMALL, chosen=True)
    beaten = replace(TUNING, tried=(kept, QUICK, replace(BUILT, chosen=False)))
    assert front(beaten) == (replace(BUILT, chosen=False), kept, QUICK)


def test_what_was_not_timed_is_on_the_front_only_where_it_was_built():
    tuning = Tuning("area", "fast", "look-up tables", (
        Tried("adders", "yosys", 40.0, None), Tried("plain", "yosys", 50.0, None, chosen=True),
    ))  # fmt: skip
    assert rows(tuning) == [("plain", "yosys", "50 look-up tables", NONE, "built")]
    assert line(tuning) == "least area, effort fast; 2 tried"


def test_a_line_names_the_ends_of_the_front():
    assert line(TUNING) == (
        "least area, effort normal; 4 tried, 90 mm² in 190 ms to 3 cm² in 50 ms"
    )
    assert line(Tuning("balanced", "high", "um2", ())) == "least area times delay, effort high"


def test_the_terminal_the_page_and_the_json_show_it():
    record = replace(demo(), tuning=TUNING)
    console = Console(width=200, color_system=None)
    with console.capture() as captured:
        console.print(one(record))
    assert line(TUNING) in captured.get()
    page = to_html(record)
    assert '<h2 id="tuning">Size and delay</h2>' in page
    assert page.count(">built</td>") == 1
    assert from_json(to_json(record)).tuning == TUNING
    assert '<h2 id="tuning">' not in to_html(demo())
