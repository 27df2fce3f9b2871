"""The report on a terminal is the golden text, and no name can control the terminal."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from report.report_demo import HOSTILE, bare, demo, hostile
from rich.console import Console

from flow.report import terminal
from flow.report.record import PathStep, Status

GOLDEN = Path(__file__).parent / "golden"


def text(shown) -> str:
    out = io.StringIO()
    Console(file=out, width=110, color_system=None).print(shown)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


RUNS = {
    "one": lambda: terminal.one(demo()),
    "bare": lambda: terminal.one(bare()),
    "side_by_side": lambda: terminal.side_by_side([("OUT1", demo()), ("OUT2", bare())]),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_text_is_the_golden_one(name, request):
    golden = GOLDEN / f"{name}.txt"
    shown = text(RUNS[name]())
    if request.config.getoption("--update-golden"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "shown", [terminal.one(hostile()), terminal.side_by_side([(HOSTILE, hostile())])]
)
def test_hostile_names_are_spelt_out(shown):
    out = text(shown)
    assert "\x1b" not in out
    assert r"[red]\x1b[31m" in out


def test_every_verdict_has_a_style():
    assert set(terminal.STYLES) == set(Status.__args__)
    assert len(set(terminal.STYLES.values())) == len(terminal.STYLES)


def test_a_long_path_shows_its_end():
    record = demo()
    steps = tuple(PathStep(f"n{i}", "INV", "x", float(i)) for i in range(100))
    out = text(terminal.one(replace(record, timing=replace(record.timing, path=steps, delay=99.0))))
    assert "... 88 nets before" in out
    assert "\nn88 " in out
    assert "\nn87 " not in out
