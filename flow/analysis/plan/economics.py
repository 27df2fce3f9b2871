"""Masks, engineering, building, running and carbon, after appendix B of the ASPLOS '26 paper."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flow.analysis.plan.energy import whole_kw
from flow.errors import UsageError
from flow.tech.lpu import Constants, Span


@dataclass(frozen=True, slots=True)
class Masks:
    """Mask sets of a system, M$: the shared one, those of the weights, and a set for each chip."""

    shared: Span
    embedded: Span
    separate: Span

    @property
    def first(self) -> Span:
        """Masks of the first build."""
        return self.shared + self.embedded


@dataclass(frozen=True, slots=True)
class Dies:
    """Dies of a wafer, their yield (share), and those that are good: whole from one on."""

    gross: int
    share: float
    good: float


@dataclass(frozen=True, slots=True)
class Volume:
    """Costs (M$) and carbon (t CO2e) of so many systems over the years that are counted.

    `megawatts` is what the datacentre draws. `dynamic` adds the re-spins with new weights.
    """

    systems: int
    megawatts: float
    node: Span
    infrastructure: float
    capital: Span
    respin: Span
    electricity: float
    maintenance: Span
    static: Span
    dynamic: Span
    carbon_static: float
    carbon_dynamic: float


def masks(chips: int, constants: Constants) -> Masks:
    """Mask costs; an EUV mask counts as several DUV masks."""
    shared = constants["masks.shared_duv"] + _euv(constants)
    embedded = constants["masks.embedded_duv"]
    one = constants.span("masks.set").times(1 / (shared + embedded))
    return Masks(
        one.times(shared), one.times(embedded * chips), one.times((shared + embedded) * chips)
    )


def _euv(constants: Constants) -> float:
    return constants["masks.shared_euv"] * constants["masks.euv_weight"]


def dies(area: float, constants: Constants) -> Dies:
    """Dies of `area` mm2 on a wafer, and their yield after Murphy.

    UsageError where none fits.
    """
    side = constants["build.wafer_mm"]
    gross = math.floor(math.pi * (side / 2) ** 2 / area - math.pi * side / math.sqrt(2 * area))
    if gross < 1:
        raise UsageError(
            f"no chip of {area:.0f} mm2 fits on a wafer of {side:g} mm",
            hint="give a larger --grid, or none",
        )
    faults = constants["build.defects"] * area / 100
    share = ((1 - math.exp(-faults)) / faults) ** 2 if faults else 1.0
    good = gross * share
    return Dies(gross, share, float(round(good)) if good >= 1 else good)


def chip_cost(area: float, constants: Constants) -> dict[str, Span]:
    """What each further chip costs, $: silicon, package and test, memory, integration."""
    good = dies(area, constants).good
    memory = constants["chip.hbm_stacks"] * constants["chip.hbm_stack_gb"]
    return {
        "wafer": constants.span("build.wafer").times(1 / good),
        "package and test": constants.span("build.package").times(1 / good),
        "HBM": constants.span("build.hbm").times(memory),
        "integration": constants.span("build.integration"),
    }


def design(constants: Constants) -> dict[str, Span]:
    """Engineering done once, M$."""
    return {name: constants.span(f"design.{name}") for name in _DESIGN}


_DESIGN = ("architecture", "verification", "physical", "ip")


def total(parts: dict[str, Span]) -> Span:
    """The sum of some costs."""
    return sum(parts.values(), Span(0.0, 0.0))


def volume(
    systems: int, spares: int, chips: int, area: float, kw: float, constants: Constants
) -> Volume:
    """Costs of `systems` systems of `chips` chips of `area` mm2 that draw `kw` each."""
    sets = masks(chips, constants)
    system = total(chip_cost(area, constants)).times(chips / 1e6)
    node = sets.first + total(design(constants)) + system.times(systems)
    respin = sets.embedded + system.times(systems)
    drawn = whole_kw(systems * kw, constants)
    infrastructure = _infrastructure(drawn, systems * chips, constants)
    capital = node + Span(infrastructure, infrastructure)
    electricity, grid = _running(drawn, constants)
    maintenance = system.times(spares)
    static = capital + Span(electricity, electricity) + maintenance
    respins = constants["running.respins"]
    made = systems * chips * constants["running.embodied"]
    return Volume(
        systems, drawn / 1e3, node, infrastructure, capital, respin, electricity, maintenance,
        static, static + respin.times(respins), grid + made, grid + made * (1 + respins),
    )  # fmt: skip


def gpu_volume(devices: int, constants: Constants) -> Volume:
    """The same of so many H100s: bought, without masks and re-spins."""
    drawn = whole_kw(devices * constants["h100.system"] * constants["power.datacentre"], constants)
    node = devices / constants["h100.node_devices"] * constants["h100.node"] / 1e6
    infrastructure = _infrastructure(drawn, devices, constants)
    capital = node + infrastructure
    years = constants["running.years"]
    upkeep = years * constants["h100.upkeep"] * capital
    upkeep += years * constants["h100.support"] * devices / 1e6
    electricity, grid = _running(drawn, constants)
    both = capital + electricity + upkeep
    carbon = grid + devices * constants["running.embodied"]
    return Volume(
        devices, drawn / 1e3, _same(node), infrastructure, _same(capital), _same(0.0),
        electricity, _same(upkeep), _same(both), _same(both), carbon, carbon,
    )  # fmt: skip


def _infrastructure(kw: float, devices: int, constants: Constants) -> float:
    switches = devices / constants["running.network_devices"]
    return constants["running.facility"] * kw / 1e3 + constants["running.network"] * switches / 1e6


def _running(kw: float, constants: Constants) -> tuple[float, float]:
    """M$ of electricity, and its t CO2e."""
    kwh = kw * constants["running.hours"] * constants["running.years"]
    return kwh * constants["running.electricity"] / 1e6, kwh * constants["running.carbon"] / 1e3


def _same(value: float) -> Span:
    return Span(value, value)
