"""The exact baselines of the printed benchmark, and how far their area depends on the training."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from calibration import SCRIPT, plain_verilog
from printed_sets import Set

from flow.tech.registry import load
from flow.tech.write_liberty import liberty_text
from flow.tools.yosys import yosys
from flow.train.baseline import Perceptron, cross_validated, train_baseline

LARGE = 64
"""Of more features than this only the chosen fit is mapped: each takes many minutes."""


def measured(one: Set) -> dict[str, Any]:
    """Training, accuracy on every part, and area of the plain Verilog of a set's baseline."""
    data = one.load()
    found = train_baseline(data, one.hidden)
    fits = found.candidates if data.features <= LARGE else (found.perceptron,)
    areas = [plain_area(fit) for fit in fits]
    best = next(i for i, fit in enumerate(fits) if fit is found.perceptron)
    return {
        "topology": [data.features, found.hidden, data.classes],
        "options": found.options,
        "accuracy": found.accuracy,
        "samples": dict(zip(("train", "valid", "test"), map(len, data.rows), strict=True)),
        "area_cm2": areas[best][0],
        "power_mw": areas[best][1],
        "fits": [
            [fit.accuracy(data.x_test, data.y_test), area]
            for fit, (area, _) in zip(fits, areas, strict=True)
        ],
    }


def crossed(one: Set) -> float:
    """The cross-validated accuracy of a set's baseline."""
    data = one.load()
    return cross_validated(data, train_baseline(data, one.hidden))


def forest(one: Set) -> float:
    """Test accuracy of a forest of 200 trees on the same levels: what the split allows, about."""
    from sklearn.ensemble import RandomForestClassifier

    data = one.load()
    model = RandomForestClassifier(200, random_state=0).fit(data.x_fit, data.y_fit)
    return float(model.score(data.x_test, data.y_test))


def full_tree(one: Set) -> dict[str, Any]:
    """Test accuracy and comparisons of a tree grown to its end on levels of 8 bits: what published
    approximate trees begin with."""
    from sklearn.tree import DecisionTreeClassifier

    data = one.load(8)
    model = DecisionTreeClassifier(random_state=0).fit(data.x_fit, data.y_fit)
    return {
        "accuracy": float(model.score(data.x_test, data.y_test)),
        "comparisons": int(model.tree_.node_count // 2),
    }


def plain_area(perceptron: Perceptron) -> tuple[float, float]:
    """cm2 and mW of the plain Verilog of a perceptron by the script of the re-measured designs."""
    return scripted(plain_verilog(perceptron.network("plain")), "plain")


def scripted(verilog: str, top: str, technology: str = "egfet") -> tuple[float, float]:
    """cm2, and mW of mean leakage, of some Verilog by the script of the re-measured designs."""
    cells = load(technology)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "design.v").write_text(verilog)
        (place / "cells.lib").write_text(liberty_text(cells, combinational_only=True))
        script = [
            "read_verilog design.v",
            f"synth -flatten -noabc -top {top}",
            f"abc -liberty cells.lib -script {SCRIPT}",
            "clean",
            "tee -q -o stat.json stat -json -liberty cells.lib",
        ]
        yosys(script, place, 1200)
        found = json.loads((place / "stat.json").read_text())["design"]
    counts = {name: n for name, n in found["num_cells_by_type"].items() if name in cells.cells}
    power = sum(cells.cells[name].cell_leakage * n for name, n in counts.items())
    return cells.area(counts) / 1e8, power / 1e3
