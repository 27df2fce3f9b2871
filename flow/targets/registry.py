"""Every target, by name."""

from __future__ import annotations

from flow.errors import UsageError
from flow.pipeline.state import Recipe
from flow.targets.printed import PRINTED

TARGETS: tuple[Recipe, ...] = (PRINTED,)


def target(name: str) -> Recipe:
    """The target of that name; UsageError that lists the targets where there is none."""
    for recipe in TARGETS:
        if recipe.name == name:
            return recipe
    known = ", ".join(recipe.name for recipe in TARGETS)
    raise UsageError(f"there is no target {name!r}", hint=f"the targets are: {known}")
