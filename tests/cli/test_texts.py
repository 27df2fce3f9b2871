"""`flow opt`, `flow report`, `flow list`: texts that are whole, cut short, or garbled."""

import json
import random

import pytest

from flow.cli.main import run

CIRCUIT = """\
flow-ir 1
circuit net
%0 = input x, 0, -8, 7 : [-8, 7]
%1 = input x, 1, -8, 7 : [-8, 7]
%2 = add %0, %1 : [-16, 14] @ fc1 acc 0
%3 = const 3 : [3, 3]
%4 = compare %2, %3, lt : [0, 1]
%5 = select %4, %2, %3 : [-16, 14]
in x = %0, %1
out y = %5
"""


@pytest.mark.parametrize("length", range(0, len(CIRCUIT) - 1, 5))
def test_a_circuit_that_is_cut_short_is_refused(flow, tmp_path, length):
    (tmp_path / "c.flow").write_text(CIRCUIT[:length])
    said = flow("opt", "c.flow", "-p", "simplify", "--check")
    if said.code == 0:  # Cut behind the last operand of a port: a smaller circuit.
        return
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[1].startswith("  at c.flow")


def test_a_garbled_circuit_is_read_or_refused_and_never_our_bug(flow, tmp_path):
    rng = random.Random(3)
    for _ in range(150):
        text = list(CIRCUIT)
        for _ in range(rng.choice((1, 2, 3))):
            text[rng.randrange(len(text))] = rng.choice("0123456789%-,:=[]@ \nabxyz\x1b")
        (tmp_path / "c.flow").write_text("".join(text))
        said = flow("opt", "c.flow")
        assert said.code in (0, 2), ("".join(text), said.err)
        assert "\x1b" not in said.err


def test_opt_prints_the_circuit(flow, tmp_path):
    (tmp_path / "c.flow").write_text(CIRCUIT)
    said = flow("opt", "c.flow")
    assert (said.code, said.out, said.err) == (0, CIRCUIT, "")


@pytest.fixture(scope="module")
def report():
    """A whole report.json, from the model that the tests of reports use."""
    from report.report_demo import demo

    from flow.report.codec import to_json

    return to_json(demo())


@pytest.mark.parametrize("share", [0, 1, 7, 20, 33, 50, 66, 80, 92, 99])
def test_a_report_that_is_cut_short_is_refused(flow, tmp_path, report, share):
    (tmp_path / "report.json").write_text(report[: len(report) * share // 100])
    said = flow("report", ".")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[1].startswith("  at report.json")


def test_a_garbled_report_is_shown_or_refused_and_never_our_bug(flow, tmp_path, report):
    rng = random.Random(5)
    data = json.loads(report)

    def garble(value):
        """The value with one leaf or branch replaced."""
        junk = [None, -1, 1e400, "x\x1b", [], {}, True, [[]], "", 10**30]
        if isinstance(value, dict) and value and rng.random() < 0.8:
            key = rng.choice(sorted(value))
            return {**value, key: garble(value[key])}
        if isinstance(value, list) and value and rng.random() < 0.8:
            at = rng.randrange(len(value))
            return [*value[:at], garble(value[at]), *value[at + 1 :]]
        return rng.choice(junk)

    for _ in range(150):
        (tmp_path / "report.json").write_text(json.dumps(garble(data)))
        said = flow("report", ".")
        assert said.code in (0, 2), said.err
        assert "\x1b" not in said.err + said.out


@pytest.mark.parametrize("kind", ["targets", "passes", "technologies", "stages", "primitives"])
def test_list_names_what_there_is(flow, kind):
    said = flow("list", kind)
    assert (said.code, said.err) == (0, "")
    rows = json.loads(flow("list", kind, "--json").out)
    assert [line.split()[0] for line in said.out.splitlines()] == [
        row["name"].split()[0] for row in rows
    ]
    assert all(row["summary"] for row in rows)


def test_run_gives_an_exit_code_and_ends_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["list", "targets"]) == 0
    assert run(["check", "gone"]) == 2
    assert capsys.readouterr().err.startswith("error: no such file\n")
