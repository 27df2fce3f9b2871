"""Power of the chips by block, of the system and of its share of a datacentre."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flow.analysis.plan.partition import Partition
from flow.analysis.plan.shape import ModelShape
from flow.tech.lpu import Constants


@dataclass(frozen=True, slots=True)
class Power:
    """W of one chip by block; W of all chips and of the system; kW in a datacentre."""

    blocks: dict[str, float]
    chips: float
    system: float
    datacentre: float


def power(shape: ModelShape, part: Partition, constants: Constants, tokens: float) -> Power:
    """Power at so many tokens a second; arrays follow the tokens, other blocks do not."""
    array = shape.active * tokens * constants["power.hardwired"] * 1e-12 / part.chips
    blocks = {
        "array": array,
        "vector engine": constants["power.vector_engine"],
        "control": constants["power.control"],
        "attention buffer": constants["chip.buffer_mb"] * constants["power.buffer"],
        "links": part.links * constants["power.link"],
        "HBM PHY": constants["chip.hbm_stacks"] * constants["power.hbm_phy"],
    }
    chips = part.chips * sum(blocks.values())
    system = chips * constants["power.system"]
    return Power(blocks, chips, system, system * constants["power.datacentre"] / 1e3)


def whole_kw(kw: float, constants: Constants) -> float:
    """Power as a datacentre counts it: to the nearest step, at least one."""
    step = constants["running.power_step"]
    return max(1, math.floor(kw / step + 0.5)) * step
