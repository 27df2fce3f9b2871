"""A seeded Monte Carlo of a muon chamber of seven gas gaps, and its hits as bits.

    python chamber.py test.npz --events 20000 --seed 7

The chamber resembles the thin gap chambers of ATLAS, as in Sun et al., "Fast Muon Tracking with
Machine Learning Implemented in FPGA" (NIM A 1045, 2023, arXiv 2202.04976): seven gaps of 50 strips,
18 to 20 mm wide, 1.5 m from the first gap to the last, in groups of three, two and two. The file
holds `x0`, `x1`, `x2`, the hits of the groups, (events, 50, gaps) of 0 and 1, as `flow build` takes
them, and `angle`, the true angles in mrad: at the first gap, to the direction of the collision
point. A magnetic field makes it, so it is what a trigger on momentum measures.

What is simulated, and whose model it is:

* Strips are projective, so their pitch grows with the distance to the collision point, and the gaps
  of a group are staggered by a third or a half of a strip, as in ATLAS (CERN-LHCC-97-22).
* A muon points to the collision point but for the bend of a toroid of 3 Tm: 0.9 GeV / p. Bends are
  uniform, so that no angle is favoured; the momentum of each follows from its bend.
* Multiple scattering in the material before each gap is Gaussian with the width of Highland as in
  Lynch and Dahl (NIM B 58, 1991), and moves direction and position.
* The charge of an avalanche fluctuates as Moyal's form of Landau's distribution (Phil. Mag. 46,
  1955), and spreads over the strips as Mathieson's distribution (NIM A 270, 1988). A strip above
  the threshold is hit: one or two neighbours, and none where the charge is too small.
* A part of the area is dead (supports); a delta electron lengthens a cluster on one side; any strip
  may be hit by noise and background.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bits = NDArray[np.uint8]

GAPS, STRIPS = 7, 50
GROUPS = (slice(0, 3), slice(3, 5), slice(5, 7))
Z_MM = np.array([0.0, 50.0, 100.0, 900.0, 950.0, 1450.0, 1500.0])
GROUP_OF = np.array([0, 0, 0, 1, 1, 2, 2])
ORIGIN_MM = 13_500.0
"""From the collision point to the first gap."""
PITCH_MM = 18.0 * (1 + np.array([50.0, 925.0, 1475.0]) / ORIGIN_MM)[GROUP_OF]
STAGGER = np.array([-1 / 3, 0.0, 1 / 3, -1 / 4, 1 / 4, -1 / 4, 1 / 4])
"""Of the strips of each gap, in strips."""


@dataclass(frozen=True)
class Chamber:
    """What can be chosen of a chamber and its muons; lengths in mm, momenta in GeV."""

    efficiency: float = 0.97
    noise: float = 0.001
    """Of a strip in one event: 200 hits a second and cm2 in 25 ns on 190 cm2."""
    delta: float = 0.03
    threshold: float = 0.15
    """Of the most probable charge."""
    landau_width: float = 0.25
    """Of the charge, in most probable charges."""
    spread: float = 3.0
    """Between the wires and the strips."""
    bend: float = 0.1
    """The largest, in rad: that of a muon of 9 GeV."""
    field: float = 0.9
    """0.3 times the integral of the field in Tm: bend times momentum."""
    hardest: float = 100.0
    """A muon bent less than `field / hardest` has this momentum."""
    radiation_lengths: tuple[float, ...] = (0.0, 0.03, 0.03, 0.2, 0.03, 0.2, 0.03)
    """Of the material before each gap."""


@dataclass(frozen=True)
class Events:
    """`hits` (events, 50, 7), `angle` in mrad and `position` in mm at the first gap.

    The angle is that to the direction of the collision point.
    """

    hits: Bits
    angle: Array
    position: Array

    def inputs(self) -> tuple[Bits, Bits, Bits]:
        """The hits of the three groups: (events, 50, 3), (events, 50, 2), (events, 50, 2)."""
        first, second, third = (self.hits[:, :, group] for group in GROUPS)
        return first, second, third


def simulate(events: int, seed: int, chamber: Chamber = Chamber()) -> Events:
    """Muons that cross the strips of all seven gaps. Equal seeds give equal events."""
    rng = np.random.default_rng(seed)
    bend, position, crossing = _tracks(events, rng, chamber)
    hits = _avalanches(crossing, rng, chamber)
    hits |= rng.random(hits.shape) < chamber.noise
    return Events(hits.transpose(0, 2, 1).astype(np.uint8), bend * 1e3, position)


def edge(strip: Array, gap: NDArray[np.int64] | slice) -> Array:
    """The lower edge of a strip of a gap in mm; strips may be fractions."""
    return np.asarray((strip - STRIPS / 2 + STAGGER[gap]) * PITCH_MM[gap])


def scattering(momentum: Array, lengths: float) -> Array:
    """The width in rad of the projected angle behind a number of radiation lengths."""
    return np.asarray(0.0136 / momentum * np.sqrt(lengths) * (1 + 0.038 * np.log(lengths)))


def _tracks(events: int, rng: np.random.Generator, c: Chamber) -> tuple[Array, Array, Array]:
    """Bend and position at the first gap and where each gap is crossed, (events, 7)."""
    found: list[tuple[Array, Array, Array]] = []
    while sum(len(rows[0]) for rows in found) < events:
        position = rng.uniform(-STRIPS / 2, STRIPS / 2, events) * PITCH_MM[0]
        bend = rng.uniform(-c.bend, c.bend, events)
        momentum = c.field / np.maximum(np.abs(bend), c.field / c.hardest)
        here, slope = position.copy(), np.tan(np.arctan(position / ORIGIN_MM) + bend)
        crossing = np.empty((events, GAPS))
        for gap, lengths in enumerate(c.radiation_lengths):
            if gap:
                here = here + slope * (Z_MM[gap] - Z_MM[gap - 1])
            if lengths:  # All material is taken as thin and directly before its gap.
                slope = slope + rng.normal(0, scattering(momentum, lengths)) * (1 + slope**2)
            crossing[:, gap] = here
        strip = crossing / PITCH_MM + STRIPS / 2 - STAGGER
        inside = ((strip > 0) & (strip < STRIPS)).all(axis=1)
        found.append((bend[inside], position[inside], crossing[inside]))
    whole = [np.concatenate(columns)[:events] for columns in zip(*found, strict=True)]
    return whole[0], whole[1], whole[2]


def _avalanches(crossing: Array, rng: np.random.Generator, c: Chamber) -> NDArray[np.bool_]:
    """The strips that the charges of the muons fire, (events, 7, 50)."""
    events = len(crossing)
    gaps = np.arange(GAPS)
    strip = np.floor(crossing / PITCH_MM + STRIPS / 2 - STAGGER).astype(np.int64)
    moyal = -np.log(rng.normal(size=crossing.shape) ** 2)
    charge = np.maximum(0.0, 1.0 + c.landau_width * moyal)
    charge *= rng.random(crossing.shape) < c.efficiency
    hits = np.zeros((events, GAPS, STRIPS + 2), bool)  # A strip more on both sides, not read.
    rows = np.arange(events)[:, None]
    for side in (-1, 0, 1):
        low = edge(strip + side + 0.0, gaps) - crossing
        share = _charge_below(low + PITCH_MM, c.spread) - _charge_below(low, c.spread)
        hits[rows, gaps, strip + side + 1] |= charge * share > c.threshold
    longer = (rng.random(crossing.shape) < c.delta) & (charge > 0)
    way = rng.choice([-1, 1], crossing.shape)
    reach = rng.geometric(0.5, crossing.shape)
    for step in range(1, 6):
        place = np.clip(strip + way * step + 1, 0, STRIPS + 1)
        hits[rows, gaps, place] |= longer & (step <= reach)
    return hits[:, :, 1:-1]


def _charge_below(x: Array, spread: float, k3: float = 0.7) -> Array:
    """The share of an avalanche's charge induced below x mm from it, by Mathieson's formula."""
    k2 = np.pi / 2 * (1 - np.sqrt(k3) / 2)
    root = np.sqrt(k3)
    return np.asarray(0.5 + 0.5 * np.arctan(root * np.tanh(k2 * x / spread)) / np.arctan(root))


def main() -> None:
    """Write the events that the arguments ask for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    made = simulate(given.events, given.seed)
    first, second, third = made.inputs()
    np.savez_compressed(given.file, x0=first, x1=second, x2=third, angle=made.angle)
    print(f"{given.events} muons, {made.hits.sum() / given.events:.1f} hits each: {given.file}")


if __name__ == "__main__":
    main()
