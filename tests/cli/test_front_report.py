"""`flow report` of a search folder: its table, its JSON, its page."""

import json

import pytest
from report.test_front import front

from flow.cli.main import run
from flow.search.front import print_front


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "toy"
    place.mkdir()
    (place / "front.json").write_text(print_front(front()))
    return place


def test_the_front_is_shown_as_a_table_and_as_a_page(folder, tmp_path, capsys):
    page = tmp_path / "front.html"
    assert run(["report", str(folder), "--html", str(page)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["point", "train", "valid", "cm2", "mW"],
        ["0", "0.7500", "0.8000", "0.0040", "0.0148"],
        ["1", "0.9375", "0.8800", "0.0220", "0.1132"],
        ["page:", str(page)],
    ]
    assert f"flow build {folder} --pick 1 -o OUT" in page.read_text()


def test_its_json_is_the_front_itself(folder, capsys):
    assert run(["report", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((folder / "front.json").read_text())
