"""Trained perceptrons as folders that `flow build` starts from: exact, retrained, robust, by
QKeras, or binary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flow.errors import UsageError
from flow.pipeline.multiplier_areas import multiplier_areas
from flow.pipeline.searching import Search
from flow.progress import Progress, silent
from flow.train.baseline import Baseline, cross_validated, train_baseline
from flow.train.binary import BinaryOptions, train_binary
from flow.train.binary_estimators import ESTIMATORS, Estimator
from flow.train.binary_export import binary_files
from flow.train.clusters import retrain
from flow.train.export import CONFIG, FIT, TEST, build_files, levels_csv
from flow.train.gradient import GradientOptions, powers_of_two
from flow.train.qkeras_train import train_qkeras
from flow.train.robust import RobustOptions, train_robust
from flow.train.robust_choice import choose_options
from flow.train.weight_faults import accuracies

NETWORKS, STEPS, RATE = 24, 800, 0.02
"""Of a retraining with clusters."""
FAULTY, SPREAD = 0.1, 0.3
"""The share of stuck weights, and 1 sigma of spread ones, that a robust training tells about."""
_QKERAS_CONFIG = """\
# Trained with QKeras: weights are powers of two. Inputs are level / {levels}.
model = "model.h5"
data = "{test}"
calibrate = "{fit}"
head = "decision"
input_bits = {bits}
"""


@dataclass(frozen=True)
class Trained:
    """The folder of a training, and what it reached: (name, value) in reading order."""

    folder: Path
    facts: tuple[tuple[str, str], ...]


def write_baseline(search: Search, out: Path, progress: Progress = silent) -> Trained:
    """The exact bespoke baseline of a specification, as a folder for `flow build --config`."""
    found = _exact(search, progress)
    progress("cross-validating")
    crossed = cross_validated(search.data, found, seed=search.spec.seed)
    _write(out, build_files(found.perceptron, search.data))
    hidden = f"{search.data.features}-{found.hidden}-{search.data.classes}"
    facts = (("topology", hidden), *_shares(found.accuracy), ("crossed", f"{crossed:.4f}"))
    return Trained(out, facts)


def write_retrained(search: Search, out: Path, loss: float, progress: Progress = silent) -> Trained:
    """A perceptron of the cheapest weights that loses at most `loss` of the exact baseline's
    accuracy on training and validation data, as a folder for `flow build --config`."""
    exact = _exact(search, progress)
    progress("areas of multipliers")
    areas = multiplier_areas(search.technology, search.spec.input_bits)
    progress("retraining")
    options = GradientOptions(
        exact.hidden, powers_of_two(0), NETWORKS, steps=STEPS, rate=RATE, seed=search.spec.seed
    )
    found = retrain(search.data, areas, exact.accuracy["fit"] - loss, options)
    _write(out, build_files(found.perceptron, search.data))
    data = search.data
    parts = {
        "train": found.perceptron.accuracy(data.x_train, data.y_train),
        "valid": found.perceptron.accuracy(data.x_valid, data.y_valid),
        "test": found.perceptron.accuracy(data.x_test, data.y_test),
    }
    return Trained(out, (("clusters", str(found.clusters)), *_shares(parts)))


def write_robust(search: Search, out: Path, names: str, progress: Progress = silent) -> Trained:
    """A perceptron trained with the regularisers of those names, as a folder for
    `flow build --config`; facts have an ordinary one of the same size beside it."""
    spec, data = search.spec, search.data
    plain = RobustOptions(spec.hidden[0], seed=spec.seed)
    options = choose_options(
        names, data.x_fit, data.y_fit, data.classes, data.scaler.bits, plain, progress
    )
    found, ordinary = (
        train_robust(data.x_fit, data.y_fit, data.classes, data.scaler.bits, each, progress)
        for each in (options, plain)
    )
    _write(out, build_files(found, data))
    hidden = f"{data.features}-{spec.hidden[0]}-{data.classes}"
    facts = [("topology", hidden), ("train", f"{found.accuracy(data.x_fit, data.y_fit):.4f}")]
    strengths = (("trained stuck", options.faults), ("trained spread", options.variability))
    facts += [(label, f"{value:g}") for label, value in strengths if value]
    cases = {"test": (0.0, 0.0), "faulty": (FAULTY, 0.0), "spread": (0.0, SPREAD)}
    for label, net in (("", found), ("ordinary ", ordinary)):
        for name, (share, sigma) in cases.items():
            seen = accuracies(net, data.x_test, data.y_test, share=share, sigma=sigma)
            facts.append((f"{label}{name}", f"{seen.mean():.4f}"))
    return Trained(out, tuple(facts))


def write_qkeras(search: Search, out: Path, progress: Progress = silent) -> Trained:
    """A network trained with QKeras, as a folder for `flow build --config`."""
    progress("training with QKeras")
    data = search.data
    model, accuracy = train_qkeras(data, search.spec.hidden[0], search.spec.seed)
    levels = 2**data.scaler.bits
    config = _QKERAS_CONFIG.format(levels=levels, bits=data.scaler.bits, test=TEST, fit=FIT)
    files = {
        "model.h5": model,
        FIT: levels_csv(data, data.x_fit, data.y_fit, levels),
        TEST: levels_csv(data, data.x_test, data.y_test, levels),
        CONFIG: config.encode(),
    }
    _write(out, files)
    return Trained(out, (("valid", f"{accuracy:.4f}"),))


def write_binary(
    search: Search,
    out: Path,
    estimator: Estimator = "ste",
    ternary: bool = False,
    progress: Progress = silent,
) -> Trained:
    """A network of signs with weights -1 and 1 (and 0, if ternary), as a folder for
    `flow build --config`. All samples but those of the test part train it."""
    spec, data = search.spec, search.data
    options = BinaryOptions(spec.hidden, spec.input_bits, estimator, ternary, seed=spec.seed)
    net = train_binary(data.x_fit, data.y_fit, options, progress)
    _write(out, binary_files(net, data))
    sizes = "-".join(str(n) for n in (data.features, *spec.hidden, data.classes))
    parts = {"train": (data.x_fit, data.y_fit), "test": (data.x_test, data.y_test)}
    shares = tuple((name, f"{net.accuracy(*held):.4f}") for name, held in parts.items())
    return Trained(out, (("topology", sizes), ("estimator", estimator), *shares))


def estimator_of(name: str | None) -> Estimator:
    """The estimator of a name, by default ste; UsageError where there is none."""
    for estimator in ESTIMATORS:
        if estimator == (name or "ste"):
            return estimator
    raise UsageError(f"there is no estimator {name!r}", hint=f"choose {', '.join(ESTIMATORS)}")


def _exact(search: Search, progress: Progress) -> Baseline:
    progress("training the exact baseline")
    hidden = search.spec.hidden[0] if len(search.spec.hidden) == 1 else None
    return train_baseline(search.data, hidden, search.spec.seed)


def _shares(accuracy: Mapping[str, float]) -> tuple[tuple[str, str], ...]:
    names = ("train", "valid", "test")
    return tuple((name, f"{accuracy[name]:.4f}") for name in names)


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    """The files of a training, over those of an earlier one; nothing else may lie there."""
    if out.is_dir():
        strange = sorted(path.name for path in out.iterdir() if path.name not in files)
        if strange:
            raise UsageError(
                f"the output folder holds {strange[0]!r}, which no training has written",
                where=str(out),
                hint="name another folder with -o",
            )
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
