"""The page of a plan: area and power by block, speed against context, the floor of the grid."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from flow import __version__
from flow.analysis.plan.cautions import cautions
from flow.analysis.plan.plan import Plan
from flow.report import figures as fig
from flow.report.html import rendered
from flow.report.plan import against_paper, chips_text, tables
from flow.report.scatter import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, scale_of

TEMPLATE = "plan.html.j2"
PARTS = ("links", "projection", "non_linear", "attention", "stall")
"""Parts of a stage, in the order of their hues."""
MOST_SHOWN = 12
"""Rows and columns of chips that are drawn."""
FLOOR, GAP = 720.0, 14.0
"""Width of the floor plan, and the room between chips."""


def plan_to_html(plan: Plan) -> str:
    """The page; equal plans give equal bytes."""
    return rendered(TEMPLATE, plan_page(plan))


def plan_page(plan: Plan) -> dict[str, Any]:
    """Every text and place of the page."""
    drawn = plan.power.blocks
    paper = against_paper(plan)
    shown = tables(plan) if paper is None else (*tables(plan), paper)
    return {
        "model": plan.shape.name,
        "lead": f"{chips_text(plan.part.chips)} of {plan.chip:.0f} mm², "
        f"{fig.digits(plan.stage.tokens)} tokens a second at {plan.stage.context} tokens "
        "of context, by a model that is fitted to one paper",
        "cautions": [{"about": c.about, "text": c.text} for c in cautions(plan)],
        "strips": [
            _strip("area of a chip", f"{plan.chip:.1f} mm²", plan.blocks),
            _strip("power of a chip", f"{sum(drawn.values()):.1f} W", drawn),
        ],
        "blocks": [{"hue": hue, "name": name} for hue, name in enumerate(plan.blocks)],
        "speed": _speed(plan),
        "stages": [
            _strip(
                f"{stage.context} tokens", f"{fig.digits(stage.time)} ns",
                {name.replace("_", "-"): getattr(stage, name) for name in PARTS},
            )
            for stage in plan.stages
        ],
        "parts": [{"hue": hue, "name": name.replace("_", "-")} for hue, name in enumerate(PARTS)],
        "floor": _floor(plan),
        "tables": [
            {"id": f"t{i}", "title": t.title, "head": t.head, "named": any(t.head), "rows": t.rows}
            for i, t in enumerate(shown)
        ],
        "constants": [
            {
                "name": c.name, "kind": c.kind, "unit": c.unit, "source": c.source,
                "value": " to ".join(
                    dict.fromkeys((fig.digits(c.value.low, 6), fig.digits(c.value.high, 6)))
                ),
                "changed": c.changed,
            }
            for c in plan.constants.all.values()
        ],
        "version": __version__,
    }  # fmt: skip


def _strip(name: str, total: str, parts: dict[str, float]) -> dict[str, Any]:
    whole = sum(parts.values()) or 1.0
    shares = [
        {"hue": hue, "name": part, "share": f"{100 * value / whole:.2f}%"}
        for hue, (part, value) in enumerate(parts.items())
        if value > 0
    ]
    return {"name": name, "total": total, "parts": shares}


def _speed(plan: Plan) -> dict[str, Any]:
    rates = [stage.tokens for stage in plan.stages]
    up = scale_of([0.0, *rates])
    steps = max(len(plan.stages) - 1, 1)

    def across(place: int) -> float:
        return LEFT + (place + 0.25) / (steps + 0.5) * (WIDTH - LEFT - RIGHT)

    def height(rate: float) -> float:
        return HEIGHT - BOTTOM - up.share(rate) * (HEIGHT - TOP - BOTTOM)

    points = [
        {
            "x": f"{across(i):.1f}", "y": f"{height(stage.tokens):.1f}",
            "above": f"{height(stage.tokens) - 12:.1f}", "text": fig.digits(stage.tokens, 3),
            "context": f"{stage.context // 1024}K"
            if stage.context % 1024 == 0
            else str(stage.context),
            "beyond": stage.context > plan.shape.positions or stage.beyond,
        }
        for i, stage in enumerate(plan.stages)
    ]  # fmt: skip
    return {
        "width": f"{WIDTH:.0f}", "height": f"{HEIGHT:.0f}", "left": f"{LEFT:.1f}",
        "right": f"{WIDTH - RIGHT:.1f}", "top": f"{TOP:.1f}", "bottom": f"{HEIGHT - BOTTOM:.1f}",
        "middle": f"{(LEFT + WIDTH - RIGHT) / 2:.1f}", "below": f"{HEIGHT - 12:.1f}",
        "tick_text": f"{HEIGHT - BOTTOM + 20:.1f}", "tick_left": f"{LEFT - 10:.1f}",
        "ticks": [{"at": f"{height(t):.1f}", "text": fig.digits(t)} for t in up.ticks],
        "points": points,
        "lines": [
            {"x1": a["x"], "y1": a["y"], "x2": b["x"], "y2": b["y"]} for a, b in pairwise(points)
        ],
    }  # fmt: skip


def _floor(plan: Plan) -> dict[str, Any]:
    """Chips as squares of blocks to scale: the array above, all other blocks in a row below."""
    part = plan.part
    rows, columns = min(part.rows, MOST_SHOWN), min(part.columns, MOST_SHOWN)
    side = min((FLOOR - GAP * (columns + 1)) / columns, 300.0)
    blocks = list(plan.blocks.items())
    tall = side * blocks[0][1] / plan.chip
    rest = sum(area for _, area in blocks[1:])
    pieces = [{"hue": 0, "name": blocks[0][0], "x": 0.0, "y": 0.0, "w": side, "h": tall}]
    at = 0.0
    for hue, (name, area) in enumerate(blocks[1:], 1):
        wide = side * area / rest if rest else 0.0
        pieces.append({"hue": hue, "name": name, "x": at, "y": tall, "w": wide, "h": side - tall})
        at += wide
    shown = [{k: f"{v:.2f}" if isinstance(v, float) else v for k, v in p.items()} for p in pieces]
    places = [
        {
            "x": f"{GAP + column * (side + GAP):.1f}", "y": f"{GAP + row * (side + GAP):.1f}",
            "said": f"chip {row * part.columns + column}: column {column}, row {row}",
        }
        for row in range(rows)
        for column in range(columns)
    ]  # fmt: skip
    hidden = part.chips - rows * columns
    return {
        "width": f"{GAP + columns * (side + GAP):.0f}",
        "height": f"{GAP + rows * (side + GAP):.0f}",
        "side": f"{side:.1f}",
        "pieces": shown,
        "chips": places,
        "text": f"{part.rows} rows and {part.columns} columns. A chip links to each other of its "
        f"row and of its column, {part.links} links. A column holds {part.query_heads} heads of "
        f"queries and {part.kv_heads} of keys and values, a row its share of what they read. "
        "Blocks are to scale; where they lie is not the paper's floor plan, which it does not give."
        + (f" {hidden} more chips are not drawn." if hidden else ""),
    }
