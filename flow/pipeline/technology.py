"""The technology that a build maps onto."""

from __future__ import annotations

from flow.errors import UsageError
from flow.pipeline.config import BuildConfig
from flow.pipeline.synthesis import check_technology
from flow.tech.debian import debian, load_debian
from flow.tech.liberty import read_liberty
from flow.tech.parts import parts
from flow.tech.registry import load
from flow.tech.technology import Technology


def choose_technology(config: BuildConfig, usual: str) -> Technology:
    """The Liberty file, the technology that was named, or the usual one."""
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
    name = config.tech or usual
    if (library := debian(name)) is not None:
        technology = load_debian(library)
        if config.voltage not in (None, technology.voltage):
            raise UsageError(
                f"{name} has figures at {technology.voltage:g} V only, not {config.voltage:g} V",
                hint="leave --voltage out",
            )
        check_technology(technology)
        return technology
    if name in parts():
        raise UsageError(
            f"{name} is an FPGA family, and the target {config.target} needs cells",
            hint=f"build it with --target fpga --tech {name}",
        )
    return load(name, config.voltage)
