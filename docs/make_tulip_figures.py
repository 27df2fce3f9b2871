"""Draws the figures of docs/targets/tulip.md: a neuron's schedule, and the floor plan of the array.

python docs/make_tulip_figures.py writes docs/tulip_schedule.svg and docs/tulip_floorplan.svg.
"""

from __future__ import annotations

from pathlib import Path

from flow.mapping.tulip.allocate import allocate
from flow.mapping.tulip.bound import count_bound
from flow.mapping.tulip.schedule import count_schedule
from flow.mapping.tulip.shape import ArrayShape

HERE = Path(__file__).resolve().parent
INPUTS = 27
COLOURS = ("#9ecae1", "#fdae6b", "#a1d99b", "#bcbddc", "#fb9a99", "#d9d9d9")
CELL, LEFT, TOP = 26, 92, 34


def text(x: float, y: float, words: str, size: int = 11, anchor: str = "middle") -> str:
    """A line of text."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" '
        f'font-family="sans-serif">{words}</text>'
    )


def box(x: float, y: float, w: float, h: float, fill: str, stroke: str = "#333333") -> str:
    """A rectangle."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" fill="{fill}" stroke="{stroke}"/>'
    )


def page(width: float, height: float, parts: list[str]) -> str:
    """The SVG file."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}">'
    return "\n".join([head, box(0, 0, width, height, "white", "none"), *parts, "</svg>"]) + "\n"


def schedule_chart(inputs: int) -> str:
    """What each neuron evaluates in each step, coloured by the weight of its column."""
    levels = inputs.bit_length()
    made = count_schedule((inputs + 1) // 2, levels)
    cells = allocate(made)
    rows = ("n0 carry", "n1 sum", "n2 carry", "n3 sum")
    parts = [
        text(LEFT - 8, TOP + CELL * (r + 0.65), name, 11, "end") for r, name in enumerate(rows)
    ]
    parts.append(text(LEFT - 8, TOP + CELL * 4.75, "bits kept", 11, "end"))
    parts.append(text(LEFT - 8, TOP - 10, "step", 11, "end"))
    for step in range(1, made.steps + 1):
        x = LEFT + CELL * (step - 1)
        parts.append(text(x + CELL / 2, TOP - 10, str(step), 9))
        live = sum(1 for bit in cells if bit.ready < step <= bit.last)
        parts.append(text(x + CELL / 2, TOP + CELL * 4.75, str(live), 9))
    for adder in made.adders:
        done = [(adder.step, 2 * adder.pair, "K" if adder.constant else "c")]
        if adder.total is not None:
            done.append((adder.step + 1, 2 * adder.pair + 1, "s"))
        for step, row, letter in done:
            x, y = LEFT + CELL * (step - 1), TOP + CELL * row
            parts.append(box(x, y, CELL, CELL, COLOURS[adder.column % len(COLOURS)]))
            parts.append(text(x + CELL / 2, y + CELL * 0.65, f"{letter}{adder.column}", 10))
    bound = count_bound(inputs).steps
    lines = (
        f"{inputs} inputs in {made.steps} steps, lower bound {bound}.",
        "Carries c and sums s by column; K: the last carry, with a bit of the constant.",
    )
    for row, words in enumerate(lines):
        parts.append(text(LEFT, TOP + CELL * 6 + 15 * row, words, 11, "start"))
    return page(LEFT + CELL * made.steps + 12, TOP + CELL * 6 + 27, parts)


def floor_plan(shape: ArrayShape) -> str:
    """The array with its memories, and the streams between them."""
    cell, x0, y0 = 15, 190, 150
    wide, high = cell * shape.cols * 2.4, cell * 16
    parts = [
        box(x0, 20, wide, 34, "#deebf7"),
        text(x0 + wide / 2, 41, f"image memories, two halves, one a sample ({shape.cols})"),
        box(x0, 66, wide, 28, "#fee6ce"),
        text(x0 + wide / 2, 84, f"{shape.macs} x {shape.cols} MACs: first and last layer"),
        text(x0 + wide / 2, 118, "2 activations a column and step"),
        text(x0 + wide / 2, 138, "&#8595;", 16),
        box(16, y0, 120, high, "#e5f5e0"),
        text(76, y0 + high / 2 - 8, "kernel memory"),
        text(76, y0 + high / 2 + 8, "two halves"),
        text(163, y0 + high / 2 - 12, "2 weights"),
        text(163, y0 + high / 2 + 2, "a row"),
        text(163, y0 + high / 2 + 20, "&#8594;", 16),
    ]
    for col in range(shape.cols):
        for row in range(16):
            x, y = x0 + col * wide / shape.cols, y0 + row * cell
            parts.append(box(x + 1, y + 1, wide / shape.cols - 2, cell - 2, "#efedf5", "#756bb1"))
    right = x0 + wide + 30
    parts += [
        text(x0 + wide / 2, y0 + high + 18, f"{shape.rows} rows (every second one drawn) x "
             f"{shape.cols} columns of processing elements"),
        box(right, y0, 150, high, "#f0f0f0"),
        text(right + 75, y0 + 30, "sequencer"),
        text(right + 75, y0 + 60, "descriptors of layers"),
        text(right + 75, y0 + 80, "micro-programs"),
        text(right + 75, y0 + 100, "classes of borders"),
        text(right + 75, y0 + 140, "one control word"),
        text(right + 75, y0 + 156, "for all elements"),
        text(right - 14, y0 + high / 2, "&#8592;", 16),
        box(right, 20, 150, 74, "#fff7bc"),
        text(right + 75, 52, "largest score"),
        text(right + 75, 70, "of each sample"),
    ]  # fmt: skip
    return page(right + 166, y0 + high + 34, parts)


if __name__ == "__main__":
    (HERE / "tulip_schedule.svg").write_text(schedule_chart(INPUTS), encoding="utf-8")
    (HERE / "tulip_floorplan.svg").write_text(floor_plan(ArrayShape()), encoding="utf-8")
