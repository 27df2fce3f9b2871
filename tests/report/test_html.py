"""The HTML report: whole in itself, true to its figures, safe with any name, fit for a phone."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from report.chromium import png_size, start
from report.report_demo import HOSTILE, bare, demo, hostile

from flow.report.html import to_html
from flow.report.page import LOOKS, MEANINGS, MOST_STEPS, page
from flow.report.record import Accuracy, Check, PathStep, Status

PAGES = {"demo": demo, "bare": bare, "hostile": hostile}
VOID = {"meta", "link", "input"}


class Reader(HTMLParser):
    """Collects tags and text, and holds that every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags, self.open, self.attributes, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def words(html: str) -> str:
    """The text of the page, a space between pieces."""
    return re.sub(r"\s+", " ", " ".join(read(html).text))


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_one_file_without_script_or_address(name):
    html = to_html(PAGES[name]())
    reader = read(html)
    assert not {"script", "img", "iframe", "object", "embed", "base", "form"} & set(reader.tags)
    assert [v for n, v in reader.attributes if n in ("src", "href", "srcset")] == ["data:,"]
    assert not [n for n, _ in reader.attributes if n.startswith("on")]
    assert not re.search(r"https?://|//[a-z]|@import|url\(", html)
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"" in html
    assert len(html.encode()) < 1_000_000


def test_equal_records_give_equal_bytes():
    assert to_html(demo()) == to_html(demo())


def test_every_figure_stands_on_the_page():
    text = words(to_html(demo()))
    for figure in (
        "whitewine_mlp", "classification · target printed · egfet, 1 V, typical",
        "4 of 6 checks hold, 2 not decided", "54.29 %", "framework 54.90 %", "18.63 cm²",
        "8 468 NAND2 equivalents", "6 460 cells", "16.97 mW", "leakage 14.21 mW",
        "switching 2.76 mW", "from 980 vectors", "46.32 ms", "OpenSTA 2.7", "combinational",
        "clock period 50 ms (20 Hz)", "Molex 90 mAh, 2 in series", "gives up to 30 mW",
        "hidden_1 dense 11 \u00d7 10 110 w5 a4 214 2 961 8.68 cm² 7.91 mW",
        "(shared) glue \u2013 0 \u2013 0 9 0.01 cm² 0.01 mW",
        "total 222 408 6 460 18.63 cm² 16.97 mW",
        "5 2 181 104 5 62.0 % 292",
        "hidden_1_acc_4 NAND2 hidden_1 11.85 ms",
        "NAND2 2 411 5.30 cm²", "803 wires by their bits; the widest has 12.",
        "8 bits: 141 wires", "Bleier et al., Printed Microprocessors, ISCA 2020",
        "flow build whitewine.h5 --target printed --data whitewine.npz -o OUT",
        "The softmax of the model is computed on the host.",
        "5b1c2f0de0f7c3a74a9b1d8a2e6c4f90b7d1358e4c60aa21f39e80d5167bc942",
    ):  # fmt: skip
        assert figure.replace(" ", "") in text.replace("\u00a0", "").replace(" ", ""), figure


def test_a_bare_record_makes_a_page_without_empty_sections():
    text = words(to_html(bare()))
    assert "Nothing was checked." in text
    assert "5 cycles an answer every 2 cycles" in text
    for absent in ("Layers", "Answers", "Power sources", "Critical path", "Cells", "None"):
        assert absent not in text


def test_figures_that_are_not_known_take_no_column():
    record = demo()
    layers = tuple(replace(row, area_um2=None) for row in record.layers)
    cells = tuple(replace(cell, area_um2=None) for cell in record.area.cells)
    area = replace(record.area, um2=None, nand2=None, cells=cells)
    text = words(to_html(replace(record, area=area, layers=layers)))
    assert "area 6 460 cells power" in text
    assert "weights bits adders cells power hidden_1 dense" in text
    assert "110 w5 a4 214 2 961 7.91 mW" in text
    assert "cm²" not in text.replace("printed solar cell, 10 cm²", "")


def test_every_verdict_has_its_own_look_sign_and_word():
    states: tuple[Status, ...] = tuple(LOOKS)
    assert set(states) == set(MEANINGS) == set(Status.__args__)
    assert len({look[0] for look in LOOKS.values()}) == len(states)
    assert len({look[1] for look in LOOKS.values()}) == len(states)
    record = replace(demo(), checks=tuple(Check(f"check {s}", s, "") for s in states))
    html = to_html(record)
    for state, (look, sign) in LOOKS.items():
        badge = f'<span class="badge {look}"><b aria-hidden="true">{sign}</b>{state}</span>'
        assert html.count(badge) == 1
        assert f"\n.{look} {{" in html


def test_hostile_names_stay_text():
    html = to_html(hostile())
    shown = HOSTILE.replace("\x1b", r"\x1b")
    assert "<script" not in html
    assert "\x1b" not in html
    assert shown in "".join(read(html).text)
    labels = [value for name, value in read(html).attributes if name == "aria-label"]
    assert any(label.startswith(f"Share of area by layer: {shown} 46.6") for label in labels)
    assert html.count("{{7*7}}") > 20


def test_directions_and_broken_characters_are_spelt_out():
    record = replace(demo(), notes=("good\u202eelif\ud800",))
    html = to_html(record)
    assert r"good\u202eelif\ud800" in html
    html.encode()


def test_the_shares_of_the_layers_fill_the_strip():
    strips = page(demo())["layers"]["strips"]
    assert [strip["name"] for strip in strips] == ["area", "power"]
    for strip in strips:
        shares = [float(part["share"].rstrip("%")) for part in strip["parts"]]
        assert sum(shares) == pytest.approx(100, abs=0.01)


def test_a_hundred_classes_show_their_most_frequent_mistakes():
    names = tuple(f"c{i}" for i in range(100))
    rows = [[0] * 100 for _ in names]
    for i in range(100):
        rows[i][i] = 9
    rows[3][7], rows[80][2] = 5, 6
    confusion = tuple(tuple(row) for row in rows)
    accuracy = Accuracy("accuracy", 911, None, 900 / 911, 900 / 911, names, confusion)
    view = page(replace(demo(), accuracy=accuracy))
    assert view["confusion"] is None
    assert view["mistakes"] == {
        "rows": [("c80", "c2", "6"), ("c3", "c7", "5")],
        "classes": 100,
        "samples": "911",
    }
    assert "Of 100 classes, 911 samples." in words(to_html(replace(demo(), accuracy=accuracy)))


def test_a_long_path_shows_its_end_and_says_what_is_hidden():
    record = demo()
    steps = tuple(PathStep(f"n{i}", "INV", "x", float(i)) for i in range(1000))
    timing = replace(record.timing, path=steps, delay=999.0)
    html = to_html(replace(record, timing=timing))
    assert f"The first {1000 - MOST_STEPS} steps are in report.json." in html
    assert "n999" in html
    assert "n799<" not in html
    assert len(html) < 200_000


def test_the_headings_are_in_order():
    levels = [int(tag[1]) for tag in read(to_html(demo())).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


FRAME = """<!doctype html><body><iframe id=f style="border:0;width:{width}px;height:900px" src="page.html"></iframe>
<p id=out></p><script>
document.getElementById("f").onload = e => {{
  const d = e.target.contentDocument, w = d.documentElement;
  const wide = [...d.querySelectorAll("body *")].filter(x => !x.closest(".scroll, .hidden")
    && x.getBoundingClientRect().right > {width} + 0.5).map(x => x.outerHTML.slice(0, 80));
  document.getElementById("out").textContent =
    `width ${{w.scrollWidth}} sections ${{d.querySelectorAll("section").length}} wide ${{wide}}.`;
}};
</script></body>"""  # noqa: E501


@pytest.mark.tool("chromium")
@pytest.mark.parametrize("name", PAGES)
def test_chromium_shows_the_figures_without_a_complaint(name, tmp_path):
    file = tmp_path / "page.html"
    html = to_html(PAGES[name]())
    file.write_text(html, encoding="utf-8")
    dom, console = start(tmp_path).dom(file)
    assert console == []
    assert words(dom).replace(" ", "") == words(html).replace(" ", "")


@pytest.mark.tool("chromium")
@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("name", PAGES)
def test_chromium_lays_the_page_out_within_its_width(name, width, tmp_path):
    html = to_html(PAGES[name]())
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width), encoding="utf-8")
    dom, console = start(tmp_path).dom(frame)
    assert console == []
    sections = html.count("<section")
    assert f'<p id="out">width {width} sections {sections} wide .</p>' in dom


@pytest.mark.tool("chromium")
def test_chromium_draws_the_page(tmp_path):
    file = tmp_path / "page.html"
    file.write_text(to_html(demo()), encoding="utf-8")
    empty = tmp_path / "empty.html"
    empty.write_text("<!doctype html><title>empty</title>", encoding="utf-8")
    browser = start(tmp_path)
    picture = browser.picture(file, 600, 2000)
    assert png_size(picture) == (600, 2000)
    assert len(picture) > 10 * len(browser.picture(empty, 600, 2000))


def test_without_chromium_a_page_is_not_checked_and_ci_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"^not checked: chromium is not installed$"):
        start(tmp_path)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"^chromium is not installed, and CI=true"):
        start(tmp_path)
