"""Training for rounded, stuck and spread weights, beside ordinary training of the same size.

Parts of `benchmarks/trust.py`: `training` injects into the weights of perceptrons of HIDDEN
neurons, `printed` maps small ones onto EGFET and looks at faults and delays of the cells.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from cases import Options
from common import HERE, Row
from printed_sets import SETS
from trust_circuits import NAMES

from flow.analysis.delay_spread import delay_spread
from flow.cli.main import run
from flow.pipeline.faulting import open_subject, study
from flow.train.baseline import Perceptron
from flow.train.dataset import Dataset
from flow.train.export import TEST, build_files
from flow.train.robust import REGULARISERS, RobustOptions, train_robust
from flow.train.robust_choice import choose_options
from flow.train.weight_faults import accuracies

HIDDEN, SEEDS, DRAWS = 12, 3, 50
STUCK, SPREAD = 0.1, 0.3
FEW_BITS = 3
PRINTED, PRINTED_HIDDEN = ("vertebral_2c", "mammographic", "seeds"), 3
CELL_SPREAD = 0.2
TOGETHER = " + ".join(REGULARISERS)
PLAIN = "ordinary training"

Net = Callable[[str, int], Perceptron]
"""A perceptron by its regularisers ("": none) and its seed."""


def training(options: Options) -> Iterator[list[Row]]:
    """Points of accuracy that faults, rounding and spread cost, by regulariser."""
    for name in [n for n in NAMES if options.only in n][: 1 if options.quick else None]:
        data = SETS[name].load()
        yield [*_stuck(name, data), *_others(name, data)]


def _stuck(name: str, data: Dataset) -> list[Row]:
    """Against the ordinary network without faults, so that nothing is won by a worse network."""

    def with_stuck(net: Perceptron) -> float:
        return _mean(net, data, share=STUCK)

    plain = [_trained(data, "", seed) for seed in range(SEEDS)]
    base = float(np.mean([_mean(net, data) for net in plain]))
    lost = base - float(np.mean([with_stuck(net) for net in plain]))
    rows = []
    for what in ("faults", "all"):
        nets = [_trained(data, what, seed) for seed in range(SEEDS)]
        ours = base - float(np.mean([with_stuck(net) for net in nets]))
        clean = float(np.mean([_mean(net, data) for net in nets]))
        rows.append(
            Row(f"training, {name}, points lost with 10 % of the weights stuck, {what}", ours,
                "points", PLAIN, lost, "at most 1/2", ours <= lost / 2,
                note=f"no faults: {clean:.1f} %, ordinary {base:.1f} %")
        )  # fmt: skip
    return rows


def _others(name: str, data: Dataset) -> list[Row]:
    """Weights of few bits, and spread ones: each regulariser against its own harm."""
    rows = []
    for what, bits, sigma, title in (
        ("quantisation", FEW_BITS, 0.0, f"weights of {FEW_BITS} bits"),
        ("all", FEW_BITS, 0.0, f"weights of {FEW_BITS} bits"),
        ("variability", 8, SPREAD, f"a spread of {100 * SPREAD:g} %"),
        ("all", 8, SPREAD, f"a spread of {100 * SPREAD:g} %"),
    ):
        found = [
            float(np.mean([_mean(_trained(data, kind, seed, bits), data, sigma=sigma)
                           for seed in range(SEEDS)]))
            for kind in (what, "")
        ]  # fmt: skip
        rows.append(Row(f"training, {name}, accuracy with {title}, {what}", found[0], "%", PLAIN,
                        found[1]))  # fmt: skip
    return rows


_KNOWN: dict[tuple[str, str, int, int, int], Perceptron] = {}


def _trained(
    data: Dataset, what: str, seed: int, bits: int = 8, hidden: int = HIDDEN
) -> Perceptron:
    key = (data.table.name, what, seed, bits, hidden)
    if key not in _KNOWN:
        plain = RobustOptions(hidden, weight_bits=bits, seed=seed)
        samples = data.x_fit, data.y_fit, data.classes, data.scaler.bits
        chosen = choose_options(what, *samples, plain) if what else plain
        _KNOWN[key] = train_robust(*samples, chosen)
    return _KNOWN[key]


def _mean(net: Perceptron, data: Dataset, *, share: float = 0.0, sigma: float = 0.0) -> float:
    draws = DRAWS if share or sigma else 1
    seen = accuracies(net, data.x_test, data.y_test, share=share, sigma=sigma, draws=draws)
    return 100 * float(seen.mean())


def printed(options: Options) -> Iterator[list[Row]]:
    """The same after mapping: faults of cells above 5 points, and delays of cells that scatter."""
    for name in [n for n in PRINTED if options.only in n][: 1 if options.quick else None]:
        known = {what: perceptron_folder(name, what, options) for what in ("", "all")}
        if None in known.values():
            continue
        subjects = {what: open_subject(f, f.parent / "model" / TEST) for what, f in known.items()}
        studies = {what: study(subject)[0] for what, subject in subjects.items()}
        spreads = {
            what: delay_spread(s.netlist, s.technology, CELL_SPREAD) for what, s in subjects.items()
        }
        harmful = {what: 100 * found.all.above[1] for what, found in studies.items()}
        area = studies["all"].area / studies[""].area
        margin = {w: 100 * (s.period(0.99) / s.nominal_ns - 1) for w, s in spreads.items()}
        yield [
            Row(f"printed, {name}, faults of cells above 5 points, {TOGETHER}", harmful["all"], "%",
                PLAIN, harmful[""],
                note=f"{100 * studies['all'].value:.1f} % and {100 * studies[''].value:.1f} % "
                f"right, area {area:.2f} of the ordinary one"),
            Row(f"printed, {name}, period above the nominal one that 99 % of prints meet",
                margin["all"], "%", PLAIN, margin[""],
                note=f"cell delays spread by {100 * CELL_SPREAD:g} %, 1000 prints; nominal "
                f"{spreads['all'].nominal_ns / 1e6:.0f} and {spreads[''].nominal_ns / 1e6:.0f} ms"),
        ]  # fmt: skip


def perceptron_folder(name: str, what: str, options: Options) -> Path | None:
    """The build folder of a perceptron of few neurons on EGFET, kept in the cache."""
    place = HERE / "cache" / f"robust-{name}-{what or 'plain'}"
    model, folder = place / "model", place / "build"
    if not folder.is_dir():
        if options.report:
            return None
        data = SETS[name].load()
        net = _trained(data, what, 0, 8, PRINTED_HIDDEN)
        model.mkdir(parents=True, exist_ok=True)
        for file, content in build_files(net, data).items():
            (model / file).write_bytes(content)
        words = ["build", "--config", str(model / "flow.toml"), "-o", str(folder)]
        words += ["--target", "printed", "--effort", "fast", "--simulator", "none", "--json"]
        with contextlib.redirect_stdout(io.StringIO()):
            if run([*words, "--prove-limit", "300"]):
                return None
    return folder
