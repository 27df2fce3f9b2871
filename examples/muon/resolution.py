"""The angular resolution of the integer network against the best straight-line fit, with a plot.

    python examples/muon/resolution.py                      the committed model
    python examples/muon/resolution.py MODEL --plot resolution.svg

Both see the same hits of muons that were never seen in training. The network's answers are those
of `flow eval`: the integers that the circuit is proved to give.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from chamber import Array, Events, simulate
from chi_square import WINDOW_MRAD, Resolution, errors, fit, resolution
from network import SCALE_MRAD

from flow.pipeline.config import BuildConfig
from flow.pipeline.evaluating import answer, ask

HERE = Path(__file__).parent
EDGES_MRAD = np.linspace(-100, 100, 21)


@dataclass(frozen=True)
class Measured:
    """Angles in mrad, (events,), and what they are worth."""

    truth: Array
    network: Array
    fitted: Array

    @property
    def of_network(self) -> Resolution:
        """The resolution of the network."""
        return resolution(self.network, self.truth)

    @property
    def of_fit(self) -> Resolution:
        """The limit."""
        return resolution(self.fitted, self.truth)


def network_angles(model: Path, events: Events) -> Array:
    """The angles in mrad that the integer network of a model file answers."""
    first, second, third = events.inputs()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.npz"
        np.savez(file, x0=first, x1=second, x2=third)
        (found,) = answer(ask(BuildConfig(model, data=file))).values()
    return np.asarray(found, np.float64).ravel() * SCALE_MRAD


def measure(model: Path, events: int = 20_000, seed: int = 2024) -> Measured:
    """Network and fit on the same events."""
    made = simulate(events, seed)
    error = errors(simulate(20_000, seed + 1))
    return Measured(made.angle, network_angles(model, made), fit(made.hits, error))


def plot(measured: Measured, file: Path) -> None:
    """The RMS within 30 mrad in parts of the range of angles, as an SVG."""
    import altair as alt

    rows = [*_rows("network", measured.network, measured.truth),
            *_rows("chi-square fit", measured.fitted, measured.truth)]  # fmt: skip
    x = alt.X("angle:Q", title="true angle, mrad")
    y = alt.Y("rms:Q", title="RMS within 30 mrad, mrad").scale(domainMin=0)
    kind = alt.Color("kind:N", title=None).scale(range=["#e08a00", "#4269d0"])
    chart = alt.Chart(alt.Data(values=rows)).mark_line(point=True).encode(x, y, kind)
    chart.properties(width=460, height=220).configure_legend(orient="top").save(file)


def _rows(kind: str, angle: Array, truth: Array) -> list[dict[str, Any]]:
    residual = np.nan_to_num(angle - truth, nan=1e6)
    near = np.abs(residual) < WINDOW_MRAD
    place = np.digitize(truth, EDGES_MRAD) - 1
    middles = (EDGES_MRAD[1:] + EDGES_MRAD[:-1]) / 2
    return [
        {"kind": kind, "angle": float(middle),
         "rms": float(np.sqrt(np.mean(residual[near & (place == i)] ** 2)))}
        for i, middle in enumerate(middles)
    ]  # fmt: skip


def main() -> None:
    """Print both resolutions; write the plot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("model", type=Path, nargs="?", default=HERE / "muon.h5")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    measured = measure(given.model, given.events, given.seed)
    print("| | RMS within 30 mrad | half of 68 % | beyond 30 mrad |\n| --- | --- | --- | --- |")
    for name, found in (("network", measured.of_network), ("chi-square", measured.of_fit)):
        print(f"| {name} | {found.rms:.3f} | {found.core:.3f} | {found.beyond:.3%} |")
    ratio = measured.of_network.rms / measured.of_fit.rms
    print(f"the network has {ratio:.3f} times the resolution of the fit")
    if given.plot:
        plot(measured, given.plot)


if __name__ == "__main__":
    main()
