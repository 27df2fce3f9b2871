"""Every target, by name."""

from __future__ import annotations

from difflib import get_close_matches

from flow.errors import UsageError
from flow.pipeline.state import Recipe
from flow.targets.asic import ASIC
from flow.targets.flash import FLASH
from flow.targets.fpga import FPGA
from flow.targets.hls import HLS
from flow.targets.lpu import LPU
from flow.targets.printed import PRINTED
from flow.targets.tulip import TULIP

TARGETS: tuple[Recipe, ...] = (PRINTED, ASIC, FPGA, HLS, FLASH, TULIP, LPU)


def target(name: str) -> Recipe:
    """The target of that name; UsageError that lists the targets where there is none."""
    for recipe in TARGETS:
        if recipe.name == name:
            return recipe
    names = [recipe.name for recipe in TARGETS]
    near = get_close_matches(str(name), names, n=1)
    also = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(
        f"there is no target {name!r}", hint=f"the targets are: {', '.join(names)}{also}"
    )
