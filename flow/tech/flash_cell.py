"""The flash threshold cell as data: published ratios, and the device model of its branches.

A branch is a flash transistor on top of an ordinary one that an input switches. Both follow the
level-1 equations of H. Shichman and D. Hodges, IEEE JSSC 3(3), 1968, without body effect.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Ratios:
    """Shares of area, power and delay that the cell saves against its static CMOS equivalent."""

    source: str
    area: float
    power: float
    delay: float


@dataclass(frozen=True, slots=True)
class Transistor:
    """A level-1 MOS transistor: threshold (mV, positive), transconductance (uA/V2), size (um)."""

    vt_mv: int
    kp_ua_v2: float
    width_um: float
    length_um: float

    @property
    def beta(self) -> float:
        """kp * W / L, uA/V2."""
        return self.kp_ua_v2 * self.width_um / self.length_um


@dataclass(frozen=True, slots=True)
class FlashCell:
    """The cell: its ratios, and the devices of its two networks.

    Threshold voltages are whole mV from `vt_min_mv` in pulses of `step_mv` to `vt_max_mv`, at
    which a branch is off. `sigma_mv` and `offset_ua` are spreads, 1 sigma. Of the cell's delay a
    `fixed_share` does not depend on the currents of its branches. `clock_energy_pj` is what some
    flip-flops take inside in a clock period, without a change of their output.
    """

    title: str
    ratios: Ratios
    earlier: Ratios
    most_inputs: int
    volts: float
    read_volts: float
    vt_min_mv: int
    vt_max_mv: int
    step_mv: int
    sigma_mv: float
    reserve_mv: int
    flash: Transistor
    input: Transistor
    pmos: Transistor
    node_ff: float
    offset_ua: float
    fixed_share: float
    clock_energy_pj: Mapping[str, float]

    @property
    def levels_mv(self) -> tuple[int, ...]:
        """Every threshold voltage that pulses reach, the erased one first."""
        return tuple(range(self.vt_min_mv, self.vt_max_mv + 1, self.step_mv))

    def current(self, vt_mv: float) -> float:
        """The current of a branch that is on, uA, when the comparison begins."""
        drive = self.read_volts - vt_mv / 1e3
        if drive <= 0:
            return 0.0
        gate = self.volts - self.input.vt_mv / 1e3
        low, high = 0.0, min(drive, gate)
        for _ in range(48):  # The voltage between the two: both carry one current.
            middle = (low + high) / 2
            below = self.input.beta * (gate * middle - middle * middle / 2)
            if below < self.flash.beta / 2 * (drive - middle) ** 2:
                low = middle
            else:
                high = middle
        return self.input.beta * (gate * low - low * low / 2)


@cache
def flash_cell() -> FlashCell:
    """The cell that ships with flow."""
    text = files("flow.tech").joinpath("data", "flash_cell.toml").read_text("utf-8")
    facts = tomllib.loads(text)
    flash, amplifier = facts["flash"], facts["amplifier"]
    supply, published = facts["supply"], facts["published"]
    return FlashCell(
        title=facts["title"],
        ratios=_ratios(published),
        earlier=_ratios(facts["published_earlier"]),
        most_inputs=published["most_inputs"],
        volts=supply["volts"],
        read_volts=supply["read_volts"],
        vt_min_mv=flash["vt_min_mv"],
        vt_max_mv=flash["vt_max_mv"],
        step_mv=flash["step_mv"],
        sigma_mv=flash["sigma_mv"],
        reserve_mv=flash["reserve_mv"],
        flash=_transistor(flash, flash["vt_min_mv"]),
        input=_transistor(facts["input"], facts["input"]["vt_mv"]),
        pmos=Transistor(
            amplifier["pmos_vt_mv"], amplifier["pmos_kp_ua_v2"],
            amplifier["width_um"], amplifier["length_um"],
        ),
        node_ff=amplifier["node_ff"],
        offset_ua=amplifier["offset_ua"],
        fixed_share=amplifier["fixed_share"],
        clock_energy_pj=facts["clock_energy_pj"],
    )  # fmt: skip


@cache
def branch_currents() -> dict[int, float]:
    """The current (uA) of a branch at each threshold voltage (mV) that pulses reach."""
    cell = flash_cell()
    return {vt: cell.current(vt) for vt in cell.levels_mv}


def _ratios(facts: dict[str, float | str]) -> Ratios:
    return Ratios(
        str(facts["source"]), float(facts["area"]), float(facts["power"]), float(facts["delay"])
    )


def _transistor(facts: dict[str, float], vt_mv: float) -> Transistor:
    return Transistor(int(vt_mv), facts["kp_ua_v2"], facts["width_um"], facts["length_um"])
