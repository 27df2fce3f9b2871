"""Figures of a plan under the names that the paper's figures have, with their weakest constant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flow.analysis.plan.economics import total
from flow.analysis.plan.plan import Plan
from flow.tech.lpu import Kind, Span


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure, its unit, and the kind of the weakest constant that it is made of."""

    what: str
    value: float
    unit: str
    kind: Kind


SPEED = ("speed.projection", "speed.link_factor", "speed.attention")
POWER = (*SPEED, "power.system")
BUILD = ("area.hardwired", "build.wafer")
RUNNING = ("power.system", "running.power_step")


def headlines(plan: Plan) -> tuple[Headline, ...]:
    """Every figure of the plan that the paper has too; rivals for its own model only."""
    parts = (_area(plan), _speed(plan), _power(plan), _masks(plan), _costs(plan), _rivals(plan))
    return tuple(
        Headline(what, value, unit, plan.constants.kind(*names))
        for part in parts
        for what, value, unit, names in part
    )


Row = tuple[str, float, str, tuple[str, ...]]


def _area(plan: Plan) -> Iterator[Row]:
    known = {
        "array": "area.hardwired", "vector engine": "area.vector_engine",
        "control": "area.control", "attention buffer": "area.buffer", "links": "area.link",
        "HBM PHY": "area.hbm_phy",
    }  # fmt: skip
    for block, area in plan.blocks.items():
        yield f"area of {block}", area, "mm2", (known[block],)
    yield "area of a chip", plan.chip, "mm2", ("area.hardwired",)
    yield "silicon", plan.silicon, "mm2", ("area.hardwired",)
    yield "silicon by cell embedding", plan.cell_embedding, "mm2", ("area.cell_embedding",)
    ratio = _denser(plan)
    yield "density over cell embedding", ratio, "times", ("area.operator_hardwired",)
    yield "area saved by an operator", 100 * (1 - 1 / ratio), "%", ("area.operator_hardwired",)


def _denser(plan: Plan) -> float:
    return (
        plan.constants["area.operator_cell_embedding"] / plan.constants["area.operator_hardwired"]
    )


def _speed(plan: Plan) -> Iterator[Row]:
    yield "tokens a second", plan.stage.tokens, "tokens/s", SPEED
    yield "tokens in flight", plan.in_flight, "tokens", ("speed.stages",)
    rate = plan.stage.tokens / plan.silicon
    yield "tokens a second and mm2", rate, "tokens/(s mm2)", (*SPEED, "area.hardwired")
    for stage in plan.stages:
        at = f"at {stage.context // 1024}K"
        shares = {"links": stage.links, "projection": stage.projection}
        if stage.context >= 64 * 1024:
            shares |= {"attention": stage.attention, "stall": stage.stall}
        for name, part in shares.items():
            yield f"time in {name} {at}", 100 * part / stage.time, "%", SPEED


def _power(plan: Plan) -> Iterator[Row]:
    known = {
        "array": "power.hardwired", "vector engine": "power.vector_engine",
        "attention buffer": "power.buffer", "links": "power.link", "HBM PHY": "power.hbm_phy",
    }  # fmt: skip
    for block, name in known.items():
        yield f"power of {block}", plan.power.blocks[block], "W", (name,)
    yield "power of a chip", sum(plan.power.blocks.values()), "W", tuple(known.values())
    yield "power of the system", plan.power.system / 1e3, "kW", ("power.system",)
    yield "tokens a kilojoule", plan.tokens_per_kj, "tokens/kJ", POWER
    yield "tokens a joule", plan.tokens_per_kj / 1e3, "tokens/J", POWER


def _masks(plan: Plan) -> Iterator[Row]:
    names = ("masks.set",)
    yield from _span("shared masks", plan.masks.shared, names)
    yield from _span("embedded masks", plan.masks.embedded, names)
    yield "masks of the first build", plan.masks.first.high, "M$", names
    first = plan.masks.first.high / plan.masks.separate.high
    yield "masks saved by the first build", 100 * (1 - first), "%", names
    again = plan.masks.embedded.high / plan.masks.separate.high
    yield "masks saved by a re-spin", 100 * (1 - again), "%", names
    cheaper = _denser(plan) / first
    yield "masks over cell embedding", cheaper, "times", names
    known = {"HBM": ("build.hbm",), "integration": ("build.integration",)}
    for part, cost in plan.chip_cost.items():
        yield from _span(f"{part} of a chip", cost, known.get(part, BUILD), "$")
    yield from _span("engineering", total(plan.design), ("design.architecture",))


def _costs(plan: Plan) -> Iterator[Row]:
    for volume, name in ((plan.low, "low volume"), (plan.high, "high volume")):
        yield from _span(f"build, {name}", volume.node, BUILD)
        yield from _span(f"re-spin, {name}", volume.respin, BUILD)
        yield f"datacentre power, {name}", volume.megawatts, "MW", RUNNING
        yield f"infrastructure, {name}", volume.infrastructure, "M$", RUNNING
        yield from _span(f"capital, {name}", volume.capital, BUILD)
        yield f"electricity, {name}", volume.electricity, "M$", RUNNING
        yield from _span(f"maintenance, {name}", volume.maintenance, BUILD)
        yield from _span(f"total without re-spins, {name}", volume.static, BUILD)
        yield from _span(f"total, {name}", volume.dynamic, BUILD)
        yield f"carbon without re-spins, {name}", volume.carbon_static, "t", RUNNING
        yield f"carbon, {name}", volume.carbon_dynamic, "t", RUNNING


def _rivals(plan: Plan) -> Iterator[Row]:
    if not plan.is_reference or plan.gpu_low is None or plan.gpu_high is None:
        return
    of = plan.constants
    for rival, name in (("h100", "an H100"), ("wse3", "a WSE-3")):
        tokens, kw = of[f"{rival}.tokens"], of[f"{rival}.system"]
        yield f"tokens a second over {name}", plan.stage.tokens / tokens, "times", SPEED
        energy = plan.tokens_per_kj / (tokens / kw)
        yield f"tokens a kilojoule over {name}", energy, "times", POWER
        yield f"tokens a kilojoule of {name}", tokens / kw, "tokens/kJ", (f"{rival}.tokens",)
    for volume, name in ((plan.gpu_low, "low volume"), (plan.gpu_high, "high volume")):
        stated = ("h100.system", "h100.node")
        yield f"datacentre power of H100s, {name}", volume.megawatts, "MW", stated
        yield f"build of H100s, {name}", volume.node.low, "M$", stated
        yield f"infrastructure of H100s, {name}", volume.infrastructure, "M$", stated
        yield f"capital of H100s, {name}", volume.capital.low, "M$", stated
        yield f"electricity of H100s, {name}", volume.electricity, "M$", stated
        yield f"maintenance of H100s, {name}", volume.maintenance.low, "M$", ("h100.support",)
        yield f"total of H100s, {name}", volume.static.low, "M$", ("h100.support",)
        yield f"carbon of H100s, {name}", volume.carbon_static, "t", stated
    best, worst = plan.high.dynamic.low, plan.high.dynamic.high
    yield "cost of H100s over ours", plan.gpu_high.static.low / best, "times", BUILD
    yield "cost of H100s over ours, at worst", plan.gpu_high.static.low / worst, "times", BUILD
    carbon = plan.gpu_high.carbon_dynamic / plan.high.carbon_dynamic
    yield "carbon of H100s over ours", carbon, "times", RUNNING


def _span(what: str, span: Span, names: tuple[str, ...], unit: str = "M$") -> Iterator[Row]:
    yield what, span.low, unit, names
    if span.high != span.low:
        yield f"{what}, at worst", span.high, unit, names
