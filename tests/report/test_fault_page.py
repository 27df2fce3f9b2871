"""The page and the tables of a fault study."""

import json

from flow.report import figures as fig
from flow.report.faults import (
    CurvePoint,
    FaultStudy,
    Neuron,
    Shares,
    Site,
    Vectors,
    curve_row,
    fault_page,
    share_rows,
    to_html,
    to_json,
    vector_lines,
    verdict,
)

ALL = Shares("all", 40, 0.5, 0.6, (0.4, 0.25, 0.1), 2.345)
STUDY = FaultStudy(
    name="<tiny>", technology="EGFET", metric="accuracy", value=0.9, samples=100, cells=5,
    area=1e6, lines=20, faults=40, simulated=40, classes=18, margin=0.0, all=ALL, kinds=(ALL,),
    layers=(ALL,), neurons=(Neuron("fc", 0, ALL), Neuron("fc", -1, ALL)),
    worst=(Site("n1 at A", 1, "NAND2X1", "fc", 0, 30.0),),
)  # fmt: skip


def test_the_line_says_how_many_faults_were_tried():
    assert verdict(STUDY) == (
        "all 40 single stuck-at faults, one of each of 18 classes, on 100 samples"
    )
    drawn = FaultStudy(**{**{k: getattr(STUDY, k) for k in STUDY.__slots__}, "simulated": 9,
                          "margin": 0.01})  # fmt: skip
    assert verdict(drawn) == (
        "9 of 40 single stuck-at faults by chance (shares are right to 1 points at 99 % "
        "confidence), one of each of 18 classes, on 100 samples"
    )


def test_rows_are_texts():
    row = ("all", "40", "50.0 %", "60.0 %", "40.0 %", "25.0 %", "10.0 %", "2.35")
    assert [tuple(x.replace("\u00a0", " ") for x in r) for r in share_rows(STUDY)] == [
        (*row[:7], "2.35" if f"{2.345:.2f}" == "2.35" else "2.34")
    ] * 3
    point = CurvePoint("25%", 3, 2, 0.249, 60, 5, 20, 1.0)
    assert [x.replace("\u00a0", " ") for x in curve_row(point)] == [
        "25%", "3", "2", "+24.9 %", "60", "5", "25.0 %", "1.00",
    ]  # fmt: skip


def test_a_field_is_shaded_by_its_harmful_faults():
    (row,) = fault_page(STUDY)["heat"]
    assert (row["layer"], row["more"]) == ("fc", 0)
    assert [(cell["name"], cell["heat"]) for cell in row["cells"]] == [("0", 2), (fig.NONE, 2)]


def test_the_page_escapes_names_and_has_no_script():
    html = to_html(STUDY)
    assert "<h1>&lt;tiny&gt;</h1>" in html
    assert "<script" not in html
    assert 'class="h2"' in html
    assert json.loads(to_json(STUDY))["all"]["above"] == [0.4, 0.25, 0.1]


def test_vectors_are_told_in_sentences():
    found = Vectors(12, 18, 14, 13, 3, 1, None, None)
    assert vector_lines(found) == [
        "12 vectors show 14 of 18 classes of faults (13 of them found by chance, the rest by SAT).",
        "3 are proved redundant: no input shows them; 1 are not decided.",
        "The replay in Icarus Verilog is not checked: it is not installed.",
    ]
