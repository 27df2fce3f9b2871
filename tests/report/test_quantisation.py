"""The table of what the quantisation of each layer costs."""

from dataclasses import replace

from report.report_demo import HOSTILE, demo

from flow.report.codec import from_json, to_json
from flow.report.html import to_html
from flow.report.page import page
from flow.report.quantisation import TITLES, QuantisedLayer, rows

LAYERS = (
    QuantisedLayer("fc1", "dense", 4, 8, -1.0, 2.5, 0.00125, 31.25, 0.9875),
    QuantisedLayer("fc2", "conv", 2, 0, 0.0, 1e-3, 0.0, None, 1.0),
    QuantisedLayer("fc3", "tablesum", 6, 6, 0.0, 12345.6, 0.5, None, None),
)


def test_every_figure_is_a_text():
    assert [dict(zip(TITLES, row, strict=True)) for row in rows(LAYERS)] == [
        {"layer": "fc1", "type": "dense", "weights": "4 bits", "reads": "8 bits",
         "range": "-1 to 2.5", "saturated": "0.12 %", "noise": "31.2 dB", "alone": "98.75 %"},
        {"layer": "fc2", "type": "conv", "weights": "2 bits", "reads": "full width",
         "range": "0 to 0.001", "saturated": "0.00 %", "noise": "none", "alone": "100.00 %"},
        {"layer": "fc3", "type": "tablesum", "weights": "6 bits", "reads": "6 bits",
         "range": "0 to 12 346", "saturated": "50.00 %", "noise": "\u2013", "alone": "\u2013"},
    ]  # fmt: skip


def test_the_page_and_the_file_have_the_table():
    record = replace(demo(), quantisation=LAYERS)
    assert from_json(to_json(record)).quantisation == LAYERS
    assert page(record)["quantisation"]["rows"] == rows(LAYERS)
    html = to_html(record)
    assert html.count('<h2 id="quantisation">') == 1
    assert "31.2 dB" in html


def test_without_samples_there_is_none():
    assert "quantisation" not in to_json(demo())
    assert "quantisation" not in to_html(demo())


def test_names_of_layers_are_text():
    html = to_html(replace(demo(), quantisation=(replace(LAYERS[0], layer=HOSTILE),)))
    assert "<script>alert" not in html
