"""Draws the blocks of a language chip to scale, from the chip.json of its folder.

python docs/make_lpu_floor_plan.py FOLDER writes docs/lpu_floor_plan.svg.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SIDE, LEFT, TOP = 640.0, 8.0, 8.0
HUES = {"queries": "#9ecae1", "keys": "#c6dbef", "values": "#c6dbef", "output": "#9ecae1",
        "gate": "#a1d99b", "up": "#c7e9c0", "down": "#a1d99b", "classifier": "#fdae6b"}  # fmt: skip
OTHER = "#d9d9d9"
SMALLEST = 26.0
"""Sides of a rectangle below which it has no name."""
LETTER = 7.0
"""The room that a letter takes."""


def split(
    items: list[tuple[Any, float]], x: float, y: float, w: float, h: float
) -> list[tuple[Any, float, float, float, float]]:
    """Rectangles of the areas of items in a rectangle: halves of about one area, and so on."""
    if len(items) == 1:
        return [(items[0][0], x, y, w, h)]
    whole = sum(area for _, area in items)
    best = min(range(1, len(items)), key=lambda k: abs(whole / 2 - sum(a for _, a in items[:k])))
    share = sum(area for _, area in items[:best]) / whole
    if w >= h:
        first, second = (x, y, w * share, h), (x + w * share, y, w * (1 - share), h)
    else:
        first, second = (x, y, w, h * share), (x, y + h * share, w, h * (1 - share))
    return split(items[:best], *first) + split(items[best:], *second)


def groups(blocks: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Blocks by layer, the classifier, and what is no array."""
    found: dict[str, list[dict[str, Any]]] = {}
    for block in blocks:
        if not block["area_um2"]:
            continue
        name = block["name"].partition("_")[0] if block["weights"] else "engine"
        found.setdefault(name, []).append(block)
    return found


def floor_plan(facts: dict[str, Any]) -> str:
    """The SVG file."""
    made = groups(facts["blocks"])
    whole = sum(block["area_um2"] for block in facts["blocks"])
    areas = {name: sum(b["area_um2"] for b in blocks) for name, blocks in made.items()}
    parts = []
    for name, x, y, w, h in split(list(areas.items()), LEFT, TOP, SIDE, SIDE):
        inner = [(block, block["area_um2"]) for block in made[name]]
        for block, bx, by, bw, bh in split(inner, x, y, w, h):
            kind = block["name"].removeprefix(f"{name}_")
            fill = HUES.get(kind, OTHER)
            parts.append(rectangle(bx, by, bw, bh, fill, "#777777", 0.5))
            if min(bw, bh) >= SMALLEST and bw >= LETTER * len(kind):
                parts.append(text(bx + bw / 2, by + bh / 2 + 4, kind, 11))
        parts.append(rectangle(x, y, w, h, "none", "#222222", 1.5))
        if min(w, h) >= SMALLEST and w >= LETTER * len(name) and name not in HUES:
            parts.append(text(x + 4, y + 13, name, 11, "start"))
    memory = sum(block["memory_bits"] for block in facts["blocks"]) / 1e6
    tables = sum(block["table_bits"] for block in facts["blocks"]) / 1e6
    side = (whole / 1e6) ** 0.5
    lines = (
        f"{whole / 1e6:.2f} mm2 of sky130 cells to scale, {side:.2f} mm a side without wires.",
        "The engine is sequencer, lane, slow unit and the registers of inputs.",
        f"Memories ({memory:.2f} Mbit) and tables ({tables:.2f} Mbit) are macros and not drawn.",
    )
    below = [text(LEFT, TOP + SIDE + 18 + 15 * k, line, 11, "start")
             for k, line in enumerate(lines)]  # fmt: skip
    size = SIDE + 2 * LEFT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size:g} {size + 49:g}">'
    page = rectangle(0, 0, size, size + 49, "white", "none", 0)
    return "\n".join([head, page, *parts, *below, "</svg>"]) + "\n"


def rectangle(x: float, y: float, w: float, h: float, fill: str, stroke: str, width: float) -> str:
    """A rectangle."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="{width:g}"/>'
    )


def text(x: float, y: float, words: str, size: int, anchor: str = "middle") -> str:
    """A line of text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'font-family="sans-serif">{words}</text>'
    )


if __name__ == "__main__":
    chip = json.loads((Path(sys.argv[1]) / "chip.json").read_text(encoding="utf-8"))
    (HERE / "lpu_floor_plan.svg").write_text(floor_plan(chip), encoding="utf-8")
