"""A plan for readers: its tables as texts, for the terminal and for the page, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flow import __version__
from flow.analysis.plan.cautions import cautions
from flow.analysis.plan.economics import Volume, total
from flow.analysis.plan.headlines import Headline, headlines
from flow.analysis.plan.own import Own, OwnArray
from flow.analysis.plan.plan import Plan
from flow.analysis.plan.speed import Stage
from flow.report import figures as fig
from flow.tech.lpu import Span
from flow.tech.lpu_published import Figure, published

FORMAT = "flow-plan 1"
SIGNIFICANT = 6
"""Digits of figures in JSON."""


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the names of columns, and rows of texts; numbers stand to the right."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(plan: Plan) -> tuple[Table, ...]:
    """Everything that a reader of a plan sees, in order."""
    own = [] if plan.own is None else [_own(plan, plan.own)]
    found = [_model(plan), _chips(plan), _slices(plan), *own, _speed(plan), _costs(plan)]
    return (*found, _volumes(plan), _versions())


def against_paper(plan: Plan) -> Table | None:
    """Every figure beside the published one, for the paper's own machine."""
    if not plan.is_reference:
        return None
    rows = tuple(
        (ours.what, fig.digits(ours.value), fig.digits(theirs.value), ours.unit,
         difference(ours.value, theirs.value), ours.kind, theirs.where)
        for ours, theirs in pairs(plan)
    )  # fmt: skip
    head = ("figure", "ours", "theirs", "unit", "difference", "weakest constant", "where")
    return Table("Against the paper", head, rows)


def pairs(plan: Plan) -> tuple[tuple[Headline, Figure], ...]:
    """Figures that the paper has too, each with the published one."""
    known = published().figures
    return tuple((h, known[h.what]) for h in headlines(plan) if h.what in known)


def line_on_paper(plan: Plan) -> str:
    """How far the figures of the paper's own machine are from the published ones, as one line."""
    found = [
        (abs(ours.value / theirs.value - 1), ours.what)
        for ours, theirs in pairs(plan)
        if theirs.value
    ]
    worst, what = max(found)
    return f"{len(found)} figures of the paper: the farthest is {what}, {100 * worst:.2f} % off"


def to_json(plan: Plan) -> str:
    """Every figure with six digits, every constant with its source; equal plans, equal bytes."""
    facts = {
        "format": FORMAT,
        "flow": __version__,
        "model": asdict(plan.shape) | {"weights": plan.shape.total, "active": plan.shape.active},
        "grid": {
            **asdict(plan.part), "chips": plan.part.chips, "links": plan.part.links,
            "weights": plan.part.weights,
        },
        "hardwired": plan.shape.hardwired(plan.part.chips),
        "figures": [
            {**asdict(h), **_theirs(plan, h.what)}
            for h in headlines(plan)
        ],
        "own": None if plan.own is None else {
            **asdict(plan.own), "chip": asdict(plan.own.whole),
            "times": plan.own.times(plan.constants),
        },
        "speed": [{**asdict(s), "time": s.time, "tokens": s.tokens} for s in plan.stages],
        "latency_us": plan.latency_us,
        "in_flight": plan.in_flight,
        "traffic": asdict(plan.traffic),
        "memory": asdict(plan.memory),
        "dies": asdict(plan.dies),
        "design": {name: asdict(span) for name, span in plan.design.items()},
        "economics": [asdict(version) for version in published().economics],
        "cautions": [asdict(caution) for caution in cautions(plan)],
        "constants": [asdict(constant) for constant in plan.constants.all.values()],
    }  # fmt: skip
    return json.dumps(_short(facts), indent=1) + "\n"


def _theirs(plan: Plan, what: str) -> dict[str, Any]:
    figure = published().figures.get(what) if plan.is_reference else None
    return {} if figure is None else {"paper": figure.value, "where": figure.where}


def _short(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.{SIGNIFICANT}g}")
        case Mapping():
            return {key: _short(item) for key, item in value.items()}
        case list() | tuple():
            return [_short(item) for item in value]
    return value


def _model(plan: Plan) -> Table:
    shape, part = plan.shape, plan.part
    rows = (
        ("weights", counted(shape.total), "of a token", counted(shape.active)),
        ("hardwired", counted(shape.hardwired(part.chips)), "chips",
         f"{part.chips} ({part.rows} {fig.TIMES} {part.columns})"),
        ("silicon", _mm2(plan.silicon), "by cell embedding", _mm2(plan.cell_embedding)),
        (f"tokens/s at {_tokens(plan.stage.context)}", fig.digits(plan.stage.tokens),
         "token to token", f"{fig.digits(plan.latency_us)} µs"),
        ("tokens in flight", fig.whole(plan.in_flight), "stage",
         f"{fig.digits(plan.stage.time)} ns"),
        ("system", f"{fig.digits(plan.power.system / 1e3)} kW", "tokens/kJ",
         fig.digits(plan.tokens_per_kj)),
    )  # fmt: skip
    return Table(f"{shape.name}, hardwired", ("", "", "", ""), rows)


def _chips(plan: Plan) -> Table:
    names = {name: 100 * area / plan.chip for name, area in plan.blocks.items()}
    drawn = sum(plan.power.blocks.values())
    rows = [
        (name, f"{plan.blocks[name]:.2f}", f"{share:.1f}", f"{plan.power.blocks[name]:.2f}",
         f"{100 * plan.power.blocks[name] / drawn:.1f}" if drawn else fig.NONE)
        for name, share in names.items()
    ]  # fmt: skip
    rows.append(("chip", f"{plan.chip:.2f}", "100.0", f"{drawn:.2f}", "100.0"))
    return Table("One chip by block", ("block", "mm2", "%", "W", "%"), tuple(rows))


def _slices(plan: Plan) -> Table:
    rows = tuple(
        (piece.name, f"{piece.inputs} {fig.TIMES} {piece.outputs}", fig.whole(piece.count),
         fig.whole(piece.layers), fig.whole(piece.weights))
        for piece in plan.part.slices
    )  # fmt: skip
    all_ = ("chip", "", "", "", fig.whole(plan.part.weights))
    return Table(
        "What a chip holds", ("matrix", "inputs x outputs", "each", "layers", "weights"),
        (*rows, all_),
    )  # fmt: skip


def _own(plan: Plan, own: Own) -> Table:
    """Our cells of each matrix beside the calibrated area of a weight."""
    constant = plan.constants["area.hardwired"]

    def row(array: OwnArray) -> tuple[str, ...]:
        size = f"{array.inputs} {fig.TIMES} {array.outputs}" if array.inputs else ""
        return (
            array.name, size, f"{array.ports:.2f}", f"{array.full_adders:.2f}",
            f"{array.transistors:.1f}", fig.digits(array.area, 3),
            f"{array.area / constant:.2f}", fig.digits(array.cell_area, 3),
        )  # fmt: skip

    calibrated = (
        "calibrated", "", fig.NONE, fig.NONE,
        f"{constant * plan.constants['area.density']:.1f}", fig.digits(constant, 3), "1.00",
        fig.NONE,
    )  # fmt: skip
    return Table(
        "A weight in our own cells, beside the calibrated area",
        ("matrix", "inputs x outputs", "ports", "full adders", "transistors", "um2 at density",
         "times calibrated", f"um2 in {own.technology}"),
        (*(row(array) for array in own.arrays), row(own.whole), calibrated),
    )  # fmt: skip


def _speed(plan: Plan) -> Table:
    def row(stage: Stage) -> tuple[str, ...]:
        parts = (stage.links, stage.projection, stage.non_linear, stage.attention, stage.stall)
        mark = " *" if stage.beyond else ""
        return (
            _tokens(stage.context) + mark, fig.digits(stage.tokens), fig.digits(stage.time),
            *(f"{100 * part / stage.time:.1f}" for part in parts),
        )  # fmt: skip

    starred = ", *: beyond what the paper shows" if any(s.beyond for s in plan.stages) else ""
    return Table(
        f"Speed against context, shares of time in %{starred}",
        ("context", "tokens/s", "stage ns", "links", "projection", "non-linear", "attention",
         "stall"),
        tuple(row(stage) for stage in plan.stages),
    )  # fmt: skip


def _costs(plan: Plan) -> Table:
    once = [(name, *_both(span)) for name, span in plan.design.items()]
    chip = [(f"{name}, one chip ($)", *_both(span)) for name, span in plan.chip_cost.items()]
    chip.append(("one more chip ($)", *_both(total(plan.chip_cost))))
    masks = [
        ("masks, shared", *_both(plan.masks.shared)),
        (f"masks of the weights, {chips_text(plan.part.chips)}", *_both(plan.masks.embedded)),
        ("masks, a set for each chip instead", *_both(plan.masks.separate)),
    ]
    return Table("Costs once, M$", ("what", "at best", "at worst"), (*masks, *once, *chip))


def _volumes(plan: Plan) -> Table:
    found: list[tuple[str, Volume]] = [
        (_systems(plan.low), plan.low), (_systems(plan.high), plan.high)
    ]  # fmt: skip
    for gpu in (plan.gpu_low, plan.gpu_high):
        if gpu is not None and plan.is_reference:
            found.append((f"{fig.whole(gpu.systems)} H100s", gpu))
    rows = (
        ("build or price, M$", *(_range(v.node) for _, v in found)),
        ("infrastructure, M$", *(fig.digits(v.infrastructure) for _, v in found)),
        ("re-spin with new weights, M$", *(_range(v.respin) for _, v in found)),
        ("electricity, M$", *(fig.digits(v.electricity) for _, v in found)),
        ("maintenance, M$", *(_range(v.maintenance) for _, v in found)),
        ("total, weights kept, M$", *(_range(v.static) for _, v in found)),
        ("total, new weights, M$", *(_range(v.dynamic) for _, v in found)),
        ("datacentre, MW", *(fig.digits(v.megawatts) for _, v in found)),
        ("carbon, weights kept, t CO2e", *(fig.digits(v.carbon_static) for _, v in found)),
        ("carbon, new weights, t CO2e", *(fig.digits(v.carbon_dynamic) for _, v in found)),
    )
    years = fig.digits(plan.constants["running.years"])
    spins = fig.digits(plan.constants["running.respins"])
    return Table(
        f"Cost of ownership and carbon, {years} years, {spins} re-spins",
        ("", *(name for name, _ in found)), rows,
    )  # fmt: skip


def _versions() -> Table:
    rows = tuple(
        (v.version, v.engineering, v.cost, v.carbon, v.note) for v in published().economics
    )
    return Table(
        "The paper's two sets of economics, for gpt-oss-120B: not to be mixed",
        ("version", "engineering", "cost", "carbon", "here"), rows,
    )  # fmt: skip


def chips_text(count: int) -> str:
    """So many chips, in words."""
    return f"{count} chip{'s' * (count != 1)}"


def counted(count: float) -> str:
    """A large count in millions or billions."""
    for factor, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= factor:
            return f"{fig.digits(count / factor)} {name}"
    return fig.digits(count)


def difference(ours: float, theirs: float) -> str:
    """How far a figure is from a published one, in percent of it."""
    if theirs == 0:
        return "0.00 %" if ours == 0 else fig.NONE
    text = f"{100 * (ours / theirs - 1):+.2f} %"
    return text if text != "-0.00 %" else "+0.00 %"


def _tokens(context: int) -> str:
    return f"{context // 1024}K" if context % 1024 == 0 else str(context)


def _systems(volume: Volume) -> str:
    return f"{volume.systems} system{'s' * (volume.systems != 1)}"


def _mm2(area: float) -> str:
    return fig.area(area * 1e6) if area < 1 else f"{fig.digits(area, 5)} mm²"


def _both(span: Span) -> tuple[str, str]:
    return fig.digits(span.low), fig.digits(span.high)


def _range(span: Span) -> str:
    if span.low == span.high:
        return fig.digits(span.low)
    return f"{fig.digits(span.low)} to {fig.digits(span.high)}"
