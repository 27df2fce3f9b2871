"""What the plan cannot vouch for: the paper's weak points, with this model's figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flow.analysis.plan.plan import K, Plan


@dataclass(frozen=True, slots=True)
class Caution:
    """What it is about, and why it is weak."""

    about: str
    text: str


def cautions(plan: Plan) -> tuple[Caution, ...]:
    """All that hold for this plan; those of the paper first."""
    parts = (_paper(plan), _area(plan), _speed(plan), _memory(plan), _costs(plan))
    return tuple(Caution(*pair) for part in parts for pair in part)


def _paper(plan: Plan) -> Iterator[tuple[str, str]]:
    yield (
        "all",
        (
            "Nothing here is silicon: the paper is 5 nm after layout, and simulation. Constants "
            "fitted to it reproduce it; they prove nothing about another model."
        ),
    )
    yield (
        "weights",
        (
            "Grouping inputs by weight value is exact with one scale for each neuron; MXFP4 has a "
            "scale for each 32 weights, and the paper does not say what becomes of them."
        ),
    )
    yield (
        "economics",
        (
            "The paper exists in two versions with different costs; this plan follows the later "
            "one (ASPLOS '26), and mixes nothing of the first (arXiv v1) into it."
        ),
    )
    if plan.is_reference:
        of = plan.constants
        batched, own = of["h100.batched_tokens"], of["h100.lpu_batched_tokens"]
        yield (
            "rivals",
            (
                f"{of['h100.tokens']:g} tokens/s of an H100 is near a single stream; the paper's "
                f"own costs count {batched:g} for it and {own / 1e6:g} million for its own system, "
                f"{own / plan.stage.tokens:.0f} times its table 2. "
                f"{plan.stage.tokens / of['h100.tokens']:.0f} times is no comparison of equal "
                f"batches; at {batched:g} tokens/s it is {plan.stage.tokens / batched:.0f} times."
            ),
        )


def _area(plan: Plan) -> Iterator[tuple[str, str]]:
    of = plan.constants
    transistors = of["area.hardwired"] * of["area.density"]
    if transistors < of["area.full_adder"]:
        yield (
            "area of the array",
            (
                f"{of['area.hardwired']:g} um2 a weight is {transistors:.1f} transistors, below "
                f"the {of['area.full_adder']:g} of one full adder, which a count of bits needs for "
                "each weight. Figure 12 of the paper implies 2.6 times this area, if its SRAM is "
                "as large as the paper's own buffer."
            ),
        )
    if plan.own is not None:
        whole = plan.own.whole
        yield (
            "our own arrays",
            (
                f"Our own RTL has {whole.full_adders:.2f} full adders and {whole.transistors:.1f} "
                f"transistors a weight, {plan.own.times(of):.1f} times the calibrated area at the "
                f"paper's density: {plan.blocks['array'] * plan.own.times(of):.0f} mm2 of array on "
                "a chip where the plan has "
                f"{plan.blocks['array']:.0f}. No other figure of the plan follows from it."
            ),
        )
    held = plan.part.weights * plan.part.chips
    spare = held / plan.shape.hardwired(plan.part.chips) - 1
    if spare > 0.01:
        yield (
            "partition",
            (
                "Chips are alike, so that the fullest sets their size: the arrays have room for "
                f"{100 * spare:.0f} % more weights."
            ),
        )
    if plan.chip > of["area.die"]:
        yield (
            "area of a chip",
            (f"{plan.chip:.0f} mm2 is more than the largest die, {of['area.die']:g} mm2."),
        )


def _speed(plan: Plan) -> Iterator[tuple[str, str]]:
    of, shape = plan.constants, plan.shape
    yield (
        "stage time",
        (
            "Projection and non-linear work take the same time for every model, an assumption; the "
            "paper states neither the width of activations nor the cycles of a product."
        ),
    )
    vectors = 2 * shape.kv_heads * shape.layers / (plan.part.chips * of["chip.vectors_per_cycle"])
    cycles = vectors * plan.stage.context
    limit = plan.stage.time * of["speed.clock"] / vectors
    yield (
        "vector engine",
        (
            f"{of['chip.vectors_per_cycle']:g} cached vectors a cycle make {cycles:.0f} cycles for "
            f"a token at {plan.stage.context} tokens of context, in a stage of "
            f"{plan.stage.time:.0f} ns; from {limit:.0f} tokens on the engine would be the "
            "bottleneck if every layer attends to all, which figure 14 of the paper does not show."
        ),
    )
    density = plan.power.blocks["array"] / plan.blocks["array"]
    if density > of["power.density"]:
        yield (
            "power density",
            (
                f"{density:.1f} W/mm2 in the array is above the paper's peak, "
                f"{of['power.density']:g} W/mm2: this speed cannot be cooled."
            ),
        )
    yield "power", "The factor from the chips' power to the system's is not explained by the paper."


def _memory(plan: Plan) -> Iterator[tuple[str, str]]:
    memory = plan.memory
    beyond = [s.context // K for s in plan.stages if s.context > memory.in_hbm]
    spill = plan.stage.context > memory.in_buffers
    text = (
        f"With {plan.in_flight} sequences the buffers hold {memory.in_buffers:.0f} tokens of each, "
        f"the HBM {memory.in_hbm:.0f}."
    )
    if spill:
        text += f" {plan.stage.context} tokens are in HBM, of which the stage time knows nothing."
    if beyond:
        text += " A full pipeline cannot have " + ", ".join(f"{c}K" for c in beyond) + " tokens."
    yield "cache", text
    if longer := [s.context // K for s in plan.stages if s.context > plan.shape.positions]:
        yield (
            "context",
            (
                f"The model knows {plan.shape.positions} positions; longer contexts are computed "
                f"({', '.join(f'{c}K' for c in longer)}), not usable."
            ),
        )


def _costs(plan: Plan) -> Iterator[tuple[str, str]]:
    yield (
        "yield",
        (
            f"{100 * plan.dies.share:.1f} % of dies are good by Murphy's rule: "
            f"{plan.dies.good:g} of {plan.dies.gross} on a wafer."
        ),
    )
    if not plan.is_reference:
        yield (
            "engineering",
            (
                "Costs of engineering are those of the paper's machine; its costs for other "
                "models (table 4) have no method and are not reproduced. No rival was measured on "
                "this model."
            ),
        )
