"""The technology that a build maps onto."""

from __future__ import annotations

from flow.errors import UsageError
from flow.pipeline.config import BuildConfig
from flow.pipeline.state import Recipe
from flow.pipeline.synthesis import check_technology
from flow.tech.liberty import read_liberty
from flow.tech.registry import load
from flow.tech.technology import Technology


def choose_technology(config: BuildConfig, recipe: Recipe) -> Technology:
    """The Liberty file, the technology that was named, or that of the target."""
    if config.liberty is not None:
        technology = read_liberty(config.liberty)
        if config.voltage not in (None, technology.voltage):
            raise UsageError(
                f"the Liberty file is for {technology.voltage} V, not {config.voltage:g} V",
                where=str(config.liberty),
                hint="leave --voltage out, or name the file of that voltage",
            )
        check_technology(technology)
        return technology
    return load(config.tech or recipe.tech, config.voltage)
