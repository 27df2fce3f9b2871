"""With --json every command prints one JSON document on stdout: its result, or its error."""

import json
import re

import pytest
from report.report_demo import bare, demo

from flow.cli.main import COMMANDS
from flow.report.codec import to_json

LITTLE = """flow-ir 1
circuit little
%0 = input x, 0, -8, 7 : [-8, 7]
%1 = add %0, %0 : [-16, 14]
in x = %0
out y = %1
"""


def only(said, code=0):
    """The one document that stands on stdout."""
    assert said.code == code, said.err
    return json.loads(said.out)


@pytest.fixture
def folders(tmp_path):
    """Two build folders, as `flow report` sees them."""
    for name, record in (("a", demo()), ("b", bare())):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(to_json(record))
        (tmp_path / name / "manifest.json").write_text('{"format": "flow-manifest 1"}')
    return tmp_path


def test_check_gives_layers_and_notes(flow, model):
    found = only(flow("check", model, "--data", "data.csv", "--json"))
    assert set(found) >= {"layers", "notes"}
    assert found["layers"][0]["layer"]


def test_eval_says_what_it_has_written(flow, model):
    found = only(flow("eval", model, "--data", "data.csv", "-o", "y.npy", "--json"))
    assert found == {
        "output": "y.npy",
        "samples": 5,
        "outputs": [{"name": found["outputs"][0]["name"], "shape": [3]}],
        "notes": found["notes"],
    }


def test_opt_gives_passes_and_the_circuit(flow, tmp_path):
    (tmp_path / "c.flow").write_text(LITTLE)
    passes = ("-p", "simplify,share")
    found = only(flow("opt", "c.flow", *passes, "--json"))
    assert [row["pass"] for row in found["passes"]] == ["simplify", "share"]
    assert set(found["passes"][0]) == {"pass", "nodes"}
    assert found["circuit"] == flow("opt", "c.flow", *passes).out
    more = only(flow("opt", "c.flow", *passes, "--json", "--time", "--print-between"))
    assert set(more["passes"][0]) == {"pass", "nodes", "seconds", "circuit"}


def test_build_gives_the_stage_where_it_was_told_to_end(flow, model):
    said = flow("build", model, "--data", "data.csv", "-o", "out", "--to", "emit", "--json")
    assert only(said) == {"stage": "emit", "folder": "out"}


def test_report_gives_one_record_or_a_list(flow, folders):
    one = only(flow("report", "a", "--json"))
    both = only(flow("report", "a", "b", "--json"))
    assert one == json.loads(to_json(demo()))
    assert both == [one, json.loads(to_json(bare()))]


def test_report_writes_the_page_and_says_nothing_else(flow, folders):
    said = flow("report", "a", "b", "--json", "--html", "page.html")
    assert len(only(said)) == 2
    assert (folders / "page.html").read_text().startswith("<!doctype html>")
    assert flow("report", "a", "b", "--html", "page.html").out.endswith("page: page.html\n")
    said = flow("report", "a", "--html", "gone/page.html")
    assert (said.code, said.err) == (
        2, "error: the output cannot be written: No such file or directory\n"
        "  at gone/page.html\n",
    )  # fmt: skip


def test_builds_of_one_name_are_told_apart(flow, folders):
    for place in ("x", "y"):
        (folders / place / "a").mkdir(parents=True)
        text = (folders / "a" / "report.json").read_text()
        (folders / place / "a" / "report.json").write_text(text)
    said = flow("report", "x/a", "y/a", "b")
    assert said.out.splitlines()[0].split() == ["x/a", "y/a", "b"]


def test_a_build_that_ended_early_has_no_report(flow, folders):
    (folders / "a" / "report.json").unlink()
    (folders / "a" / "manifest.json").write_text(
        '{"format": "flow-manifest 1", "stages": ["import", "lower"]}'
    )
    said = flow("report", "b", "a")
    assert (said.code, said.out, said.err) == (
        2, "", "error: this build has no report: it ended after the stage lower\n  at a\n"
        "  hint: build it to its end, without --to\n",
    )  # fmt: skip


def test_list_gives_names_and_summaries(flow):
    assert {"name", "summary"} == set(only(flow("list", "stages", "--json"))[0])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_option(flow, command):
    assert re.search(r"^  --json +One JSON document", flow(command, "--help").out, re.MULTILINE)


ERRORS = {
    "build": ("build --json", "no model is named", 2),
    "codesign": ("codesign gone.h5 --json", "no output folder is named", 2),
    "array": ("array gone.npy -o o --json", "no such file", 2),
    "run": ("run gone --json", "this is no folder of a chip", 2),
    "plan": ("plan gone.json --json", "no such file", 2),
    "check": ("check gone.h5 --json", "no such file", 2),
    "eval": ("eval gone --data gone.csv -o y.npy --json", "no such file", 2),
    "search": ("search gone.toml --json", "no output folder is named", 2),
    "train": ("train gone.toml -o o --json", "the specification cannot be read: No such file", 2),
    "opt": ("opt gone --json", "the file cannot be read: No such file or directory", 2),
    "report": ("report gone --json", "there is no such build folder", 2),
    "faults": ("faults gone --json", "this is not the output folder of a build", 2),
    "retune": ("retune gone --slack s.txt --json", "this is not the output folder of a build", 2),
    "verify": ("verify gone --json", "this is not the output folder of a build", 2),
    "list": ("list nothing --json", "Invalid value for '{targets|passes|", 2),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_an_error_is_a_document_too(flow, command):
    words, message, code = ERRORS[command]
    said = flow(*words.split())
    error = only(said, code)["error"]
    assert set(error) >= {"message", "where", "hint", "code"}
    assert error["message"].startswith(message)
    assert error["code"] == code
    # Readers find the same on stderr, with and without the option.
    assert message in said.err
    plain = flow(*words.replace(" --json", "").split())
    assert (plain.code, plain.out, plain.err) == (code, "", said.err)


def test_every_obstacle_of_a_model_stands_in_the_error(flow, model, tmp_path):
    from frontend import keras_files

    layers = keras_files.sequential(
        {"class_name": "LSTM", "config": {"name": "lstm", "units": 3}},
        {"class_name": "GRU", "config": {"name": "gru", "units": 3}},
        inputs=(4, 2), name="net",
    )  # fmt: skip
    (tmp_path / "odd.h5").write_bytes(keras_files.h5({}, layers))
    said = flow("check", "odd.h5", "--json")
    error = only(said, 3)["error"]
    assert error["code"] == 3
    assert len(error["obstacles"]) >= 2
    assert all(obstacle in said.err for obstacle in error["obstacles"])


def test_failed_checks_leave_one_document(flow, model, tmp_path):
    assert flow("build", model, "--data", "data.csv", "-o", "out", "--to", "emit").code == 0
    (tmp_path / "out" / "README.md").write_text("changed\n")
    said = flow("verify", "out", "--json", "--prove-limit", 0)
    rows = only(said, 5)
    assert [row["check"] for row in rows if row["status"] == "failed"] == ["file README.md"]
    assert said.err.startswith("error: 1 of ")


def test_a_bug_of_ours_is_a_document(flow, monkeypatch):
    import flow.cli.list_command as listing

    def broken(kind):
        raise ZeroDivisionError("no \x1b way")

    monkeypatch.setattr(listing, "rows", broken)
    said = flow("list", "passes", "--json")
    error = only(said, 70)["error"]
    assert error["message"] == "ZeroDivisionError: no \\x1b way"
    assert error["where"].startswith("broken, line ")
    assert error["hint"].startswith("this is a bug of flow")
    assert said.err.startswith("error: ZeroDivisionError: no \\x1b way\n  at broken, line ")
