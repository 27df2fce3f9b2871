"""`report.json` says what the record says, in the same bytes each time, and trusts no reader."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from report.report_demo import bare, demo, hostile

from flow.errors import UsageError
from flow.report.codec import from_json, to_json

GOLDEN = Path(__file__).parent / "golden"
HINT = "  hint: only a report.json that `flow build` wrote can be read"


def edited(**changes) -> str:
    return json.dumps({**json.loads(to_json(demo())), **changes})


def message(text: str) -> str:
    with pytest.raises(UsageError) as error:
        from_json(text)
    return error.value.show()


def test_the_json_of_the_demo_is_the_golden_one(request):
    golden = GOLDEN / "demo.json"
    if request.config.getoption("--update-golden"):
        golden.write_text(to_json(demo()), encoding="utf-8")
    assert to_json(demo()) == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("make", [demo, bare, hostile])
def test_reading_and_writing_again_changes_nothing(make):
    text = to_json(make())
    assert to_json(from_json(text)) == text


def test_what_was_read_is_what_was_written_up_to_twelve_digits():
    record = demo()
    assert from_json(to_json(record)) == replace(
        record,
        accuracy=replace(
            record.accuracy, framework=0.548979591837, network=0.542857142857,
            circuit=0.542857142857,
        ),
    )  # fmt: skip


def test_the_text_is_ascii_and_its_keys_are_sorted():
    text = to_json(hostile())
    assert text.isascii()
    data = json.loads(text)
    assert list(data) == sorted(data)
    assert data["schema"] == "flow-report 1"


def test_minus_zero_is_zero():
    record = replace(bare(), notes=())
    power = replace(demo().power, leakage_mw=0.0, switching_mw=-0.0)
    assert "-0.0" not in to_json(replace(record, power=power))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{",
            "error: report.json is not JSON: Expecting property name enclosed in double quotes:"
            f" line 1 column 2 (char 1)\n  at report.json\n{HINT}",
        ),
        (
            "[]",
            "error: report.json has the schema None, not 'flow-report 1'\n"
            f"  at report.json\n{HINT}",
        ),
        (
            '{"schema": "flow-report 9"}',
            "error: report.json has the schema 'flow-report 9', not 'flow-report 1'\n"
            f"  at report.json\n{HINT}",
        ),
        (
            '{"schema": "flow-report 1"}',
            f"error: report.json lacks the key 'summary'\n  at report\n{HINT}",
        ),
        (
            '{"a": 1, "a": 2}',
            f"error: report.json is not JSON: a key stands twice\n  at report.json\n{HINT}",
        ),
        (
            '{"a": NaN}',
            f"error: report.json is not JSON: NaN is not a number\n  at report.json\n{HINT}",
        ),
    ],
)  # fmt: skip
def test_a_text_that_is_no_report_is_refused(text, expected):
    assert message(text) == expected


def test_deep_nesting_is_refused():
    shown = message("[" * 1_000_000)
    assert shown == (
        f"error: report.json is not JSON: it is nested too deep\n  at report.json\n{HINT}"
    )


def test_a_huge_text_is_refused():
    assert message(" " * ((32 << 20) + 1)) == f"error: report.json is larger than 32 MiB\n{HINT}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"notes": "all well"},
            "error: report.json is malformed: report.notes must be a list, not 'all well'\n"
            "  at report.notes",
        ),
        (
            {"notes": [1]},
            "error: report.json is malformed: report.notes[0] must be of type str, not 1\n"
            "  at report.notes[0]",
        ),
        (
            {"summary": None},
            "error: report.json is malformed: report.summary must be an object, not None\n"
            "  at report.summary",
        ),
        (
            {"widths": [{"bits": True, "wires": 1}]},
            "error: report.json is malformed: report.widths[0].bits must be of type int, not True\n"
            "  at report.widths[0].bits",
        ),
        (
            {"latency": {"cycles": 1.5, "interval": 1}},
            "error: report.json is malformed: report.latency.cycles must be of type int, not 1.5\n"
            "  at report.latency.cycles",
        ),
        (
            {"checks": [{"check": "a", "status": "fine", "detail": ""}]},
            "error: report.json is malformed: report.checks[0].status must be 'proved' or 'passed'"
            " or 'disproved' or 'failed' or 'timed out' or 'not checked', not 'fine'\n"
            "  at report.checks[0].status",
        ),
        (
            {"checks": [{"check": "a", "status": ["passed"], "detail": ""}]},
            "error: report.json is malformed: report.checks[0].status must be 'proved' or 'passed'"
            " or 'disproved' or 'failed' or 'timed out' or 'not checked', not ['passed']\n"
            "  at report.checks[0].status",
        ),
        (
            {"\x1b[31m": 1},
            "error: report.json has an unknown key '\\x1b[31m'\n  at report",
        ),
        (
            {"sources": [{"name": "a", "limit_mw": 10**400, "drives": False}]},
            "error: report.json is malformed: report.sources[0].limit_mw must be a finite number,"
            f" not 1{'0' * 59}...\n  at report.sources[0].limit_mw",
        ),
        (
            {"sources": [{"name": "tiny", "limit_mw": 1, "drives": True}]},
            "error: report.json does not add up: 'tiny' cannot drive the circuit, but is said to\n"
            "  at report.json",
        ),
        (
            {"layers": []},
            None,
        ),
    ],
)
def test_a_malformed_report_is_refused_with_its_place(changes, expected):
    if expected is None:
        assert from_json(edited(**changes)).layers == ()
    else:
        assert message(edited(**changes)) == f"{expected}\n{HINT}"


def test_a_report_whose_layers_do_not_add_up_is_refused():
    layers = json.loads(to_json(demo()))["layers"]
    layers[0]["cells"] += 7
    assert message(edited(layers=layers)) == (
        "error: report.json does not add up: the cells of the layers add up to 6467, not 6460\n"
        f"  at report.json\n{HINT}"
    )
