"""The plots of docs/printed.md from results/printed.json: every front with its rivals, as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flow.report.published import published_for

COLUMNS = 3
TITLES = {
    "ours": "ours, seen data",
    "built": "ours, built, test",
    "approximate MLP": "approximate perceptron",
    "approximate tree": "approximate tree",
    "exact MLP": "exact perceptron",
    "other": "other classifier",
}
COLOURS = ["#4269d0", "#111111", "#e08a00", "#2f9e6e", "#d6455d", "#8f63c4"]
SHAPES = ["circle", "diamond", "cross", "triangle-up", "square", "triangle-down"]


def plot(results: list[dict[str, Any]], file: Path) -> None:
    """One panel a set: accuracy over area, logarithmic; nothing is written for no results."""
    import altair as alt

    rows = [row for result in results for row in _rows(result)]
    if not rows:
        return
    names = list(TITLES.values())
    x = alt.X("area:Q", title="area, cm2").scale(type="log")
    y = alt.Y("accuracy:Q", title="accuracy").scale(zero=False).axis(format="%")
    kind = alt.Color("kind:N", title=None).scale(domain=names, range=COLOURS)
    shape = alt.Shape("kind:N", title=None).scale(domain=names, range=SHAPES)
    marks = alt.Chart().mark_point(filled=True, size=45).encode(x, y, kind, shape)
    chart = (
        alt.layer(marks, data=alt.Data(values=rows))
        .properties(width=230, height=150)
        .facet(facet=alt.Facet("set:N", title=None), columns=COLUMNS)
        .resolve_scale(x="independent", y="independent")
        .configure_legend(orient="top", columns=3, labelLimit=200)
    )
    chart.save(file)


def _rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    name = result["set"]
    found = [
        {"set": name, "kind": TITLES["ours"], "accuracy": accuracy, "area": area}
        for front in result["fronts"]
        for accuracy, area, _ in front
        if area > 0
    ]
    found += [
        {"set": name, "kind": TITLES["built"], "accuracy": d["accuracy"],
         "area": d["script_area_cm2"]}
        for d in result["designs"].values() if d["script_area_cm2"] > 0
    ]  # fmt: skip
    found += [
        {"set": name, "kind": TITLES.get(d.kind, TITLES["other"]), "accuracy": d.accuracy,
         "area": d.area_cm2}
        for d in published_for(name) if d.accuracy is not None
    ]  # fmt: skip
    return found
