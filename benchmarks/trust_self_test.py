"""Fingerprints that watch a network while it works: what they see, and what they cost.

Parts of `benchmarks/trust.py`. `fingerprint` injects into weights and activations of integer
networks: stuck bits, several at once, and upsets of one sample. `watched` builds perceptrons with
the head on EGFET and simulates every stuck line.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from cases import Options
from common import Row
from printed_sets import DATASETS, SETS
from trust_circuits import HIDDEN, NAMES, Circuit, circuits

from flow.analysis.stuck_at import weights
from flow.cli.main import run
from flow.ir.interval import IntRange
from flow.ir.layers import Dense, Input, Layer
from flow.ir.network import Network
from flow.ir.tensor import TensorType
from flow.pipeline.fault_harm import harm_of
from flow.pipeline.faulting import open_subject
from flow.train.baseline import Perceptron, fit_perceptron
from flow.train.fingerprint import ALARM, with_fingerprint
from flow.train.robust import RobustOptions, train_robust

WEIGHT_BITS, HARM, MOST_FALSE, REACH = 8, 5.0, 1.0, 95.0
DRAWN, SEVERAL, SAMPLES = 400, 0.01, 1000
"""Faults of each kind at most; the share of weights with several faults; test samples at most."""
WATCHED = ("vertebral_2c", "mammographic")
PAPER = "uncertainty fingerprint (arXiv 2401.01458), its own networks"

Change = Callable[[Any], Any]


@dataclass(frozen=True)
class Watched:
    """A watched network with the values of its layers at the test samples."""

    network: Network
    values: Mapping[str, Any]
    labels: Any

    def faulty(self, name: str, change: Change) -> tuple[Any, Any]:
        """Answers and alarms where the value of a layer is changed."""
        values = dict(self.values)
        values[name] = change(values[name])
        return self._after(name, self.network.layers, values)

    def reweighted(self, name: str, weights: Any) -> tuple[Any, Any]:
        """The same where a dense layer has other weights."""
        layer = self.network.layer(name)
        assert isinstance(layer, Dense)
        other = replace(layer, weights=weights).evaluate(self.values[layer.sources[0]])
        return self.faulty(name, lambda _: other)

    def _after(self, name: str, layers: tuple[Layer, ...], values: Any) -> tuple[Any, Any]:
        wrong = {name}
        for layer in layers:
            if wrong & set(layer.sources):
                values[layer.name] = layer.evaluate(*(values[s] for s in layer.sources))
                wrong.add(layer.name)
        return values[self.network.outputs[0]].ravel(), values[ALARM].ravel() > 0


def _watch(net: Perceptron, fit: Any, test: Any, labels: Any, name: str) -> Watched:
    found = with_fingerprint(net.network(name), {"x": fit.astype(np.int64)})
    values: dict[str, Any] = {"x": test.astype(np.int64)}
    for layer in found.layers:
        if not isinstance(layer, Input):
            values[layer.name] = layer.evaluate(*(values[s] for s in layer.sources))
    return Watched(found, values, labels)


def fingerprint(options: Options) -> Iterator[list[Row]]:
    """Coverage of harmful faults, of upsets, and false alarms, by data set."""
    for name in [n for n in (*NAMES, "mnist") if options.only in n][: 1 if options.quick else None]:
        one = _mnist() if name == "mnist" else _printed(name)
        yield _rows(name, one)


def _printed(name: str) -> Watched:
    data = SETS[name].load()
    hidden = SETS[name].hidden or HIDDEN
    net = fit_perceptron(data, data.x_fit, data.y_fit, hidden, WEIGHT_BITS)
    return _watch(net, data.x_fit, data.x_test[:SAMPLES], data.y_test[:SAMPLES], name)


def _mnist() -> Watched:
    with np.load(DATASETS / "mnist.npz") as file:
        parts = {key: file[key] for key in file.files}
    x, y, test, labels = (parts[k] for k in ("x_train", "y_train", "x_test", "y_test"))
    fit, held = (v.reshape(len(v), -1) >> 4 for v in (x, test))
    options = RobustOptions(32, decay=1e-4, rate=0.003)
    net = train_robust(fit, y.astype(np.int64), 10, 4, options)
    return _watch(net, fit[:10000], held[:SAMPLES], labels[:SAMPLES].astype(np.int64), "mnist")


def _rows(name: str, one: Watched) -> list[Row]:
    random = np.random.default_rng(0)
    said = one.values[one.network.outputs[0]].ravel()
    alarms = one.values[ALARM].ravel() > 0
    base, false = 100 * np.mean(said == one.labels), 100 * float(alarms.mean())
    dense = [
        layer for layer in one.network.layers
        if isinstance(layer, Dense) and layer.place != "fingerprint"
    ]  # fmt: skip
    hidden = [x for x in ("hidden", "relu", "output") if x in one.values]
    kinds: dict[str, list[tuple[Any, Any]]] = {
        "one stuck bit of a weight": _stuck_weights(one, dense, random),
        "one stuck bit of an activation": _stuck_values(one, hidden, random),
        f"{100 * SEVERAL:g} % of the weights with a stuck bit": _several(one, dense, random),
    }
    rows, total, told = [], 0, 0
    for what, found in kinds.items():
        harmful = [a for y, a in found if base - 100 * np.mean(y == one.labels) > HARM]
        seen = sum(bool((a & ~alarms).any()) for a in harmful)
        total, told = total + len(harmful), told + seen
        share = 100 * seen / len(harmful) if harmful else None
        rows.append(Row(f"fingerprint, {name}, harmful faults told: {what}", share, "%",
                        note=f"{len(harmful)} harmful of {len(found)}"))  # fmt: skip
    every = 100 * told / total if total else None
    flips = _upsets(one, hidden, random)
    met = None if every is None else every >= REACH and false <= MOST_FALSE
    return [
        Row(f"fingerprint, {name}, harmful faults told", every, "%", PAPER, 100.0,
            f"at least {REACH:g}, at most {MOST_FALSE:g} % false alarms", met,
            note=f"{false:.2f} % false alarms, {total} faults above 5 points, {base:.1f} % right"),
        *rows,
        Row(f"fingerprint, {name}, upsets of an activation that change the answer, told at once",
            flips[0], "%", note=f"{flips[1]} upsets that do"),
    ]  # fmt: skip


def _stuck(word: Any, bits: int, random: np.random.Generator) -> Any:
    """Two's complement words of so many bits, one bit of each stuck."""
    mask = np.int64(1) << random.integers(0, bits, np.shape(word))
    low = np.asarray(word) & ((1 << bits) - 1)
    found = np.where(random.random(np.shape(word)) < 0.5, low | mask, low & ~mask)
    return np.where(found >> (bits - 1) & 1, found - (1 << bits), found)


def _stuck_weights(
    one: Watched, layers: list[Dense], random: np.random.Generator
) -> list[tuple[Any, Any]]:
    found = []
    for _ in range(DRAWN):
        layer = _by_size(layers, random)
        place = tuple(random.integers(0, n) for n in layer.weights.shape)
        weights = layer.weights.copy()
        weights[place] = _stuck(weights[place], WEIGHT_BITS, random)
        if (weights != layer.weights).any():
            found.append(one.reweighted(layer.name, weights))
    return found


def _by_size(layers: list[Dense], random: np.random.Generator) -> Dense:
    """A layer, each as likely as the others: small ones hold the harmful faults."""
    return layers[int(random.integers(0, len(layers)))]


def _several(
    one: Watched, layers: list[Dense], random: np.random.Generator
) -> list[tuple[Any, Any]]:
    """At least two weights of a layer at once."""
    found = []
    for _ in range(DRAWN // 4):
        layer = _by_size(layers, random)
        flat = layer.weights.ravel().copy()
        count = min(len(flat), max(2, round(SEVERAL * len(flat))))
        places = random.choice(len(flat), count, replace=False)
        flat[places] = _stuck(flat[places], WEIGHT_BITS, random)
        found.append(one.reweighted(layer.name, flat.reshape(layer.weights.shape)))
    return found


def _stuck_values(
    one: Watched, names: list[str], random: np.random.Generator
) -> list[tuple[Any, Any]]:
    found = []
    for _ in range(DRAWN):
        name = names[int(random.integers(0, len(names)))]
        found.append(one.faulty(name, _bit_change(one.network.types[name], random, (0, 1))))
    return found


def _bit_change(tensor: TensorType, random: np.random.Generator, kinds: tuple[int, ...]) -> Change:
    """One bit of one element that has bits: stuck at 0 or 1, or flipped (2), at every sample."""
    ends = zip(tensor.lo.ravel(), tensor.hi.ravel(), strict=True)
    ranges = [IntRange(int(lo), int(hi)) for lo, hi in ends]
    units = [unit for unit, found in enumerate(ranges) if found.width]
    unit = units[int(random.integers(0, len(units)))]
    width, signed = ranges[unit].width, ranges[unit].signed
    mask = np.int64(1) << int(random.integers(0, width))
    kind = kinds[int(random.integers(0, len(kinds)))]

    def change(given: Any) -> Any:
        other = given.copy()
        word = other[:, unit] & ((1 << width) - 1)
        word = (word & ~mask, word | mask, word ^ mask)[kind]
        other[:, unit] = word - (signed & (word >> (width - 1)) << width)
        return other

    return change


def _upsets(
    one: Watched, names: list[str], random: np.random.Generator
) -> tuple[float | None, int]:
    """Of upsets of one bit at one sample that change its answer, the share with an alarm there."""
    said, alarms = one.values[one.network.outputs[0]].ravel(), one.values[ALARM].ravel() > 0
    total = told = 0
    for _ in range(DRAWN):
        name = names[int(random.integers(0, len(names)))]
        answers, raised = one.faulty(name, _bit_change(one.network.types[name], random, (2,)))
        changed = (answers != said) & ~alarms
        total, told = total + int(changed.sum()), told + int((changed & raised).sum())
    return (100 * told / total if total else None), total


def watched(options: Options) -> Iterator[list[Row]]:
    """Every stuck line of printed circuits with the head, and its area."""
    for one in circuits(options):
        folder = _built(one, options) if one.name in WATCHED else None
        if folder is None:
            continue
        plain, subject = one.subject(), open_subject(folder, one.test)
        harm = harm_of(subject.netlist, subject.technology, subject.bits, subject.judge)
        count = np.array(weights(harm.faults))
        harmful, told = int(count[harm.harmful].sum()), harm.told
        assert told is not None
        seen = 100 * int(count[harm.harmful & (told > 0)].sum()) / max(1, harmful)
        false = 100 * harm.false_alarms / harm.samples
        yield [
            Row(f"watched, {one.name}, harmful stuck lines told", seen, "%",
                reach=f"at least {REACH:g}, at most {MOST_FALSE:g} % false alarms",
                met=seen >= REACH and false <= MOST_FALSE,
                note=f"{false:.2f} % false alarms, {harmful} lines stuck above 5 points"),
            Row(f"watched, {one.name}, area", subject.area / plain.area, "x", "plain circuit", 1.0,
                note=f"{len(subject.netlist.instances)} cells, {len(plain.netlist.instances)}"),
        ]  # fmt: skip


def _built(one: Circuit, options: Options) -> Path | None:
    """The circuit built with its head; kept in the cache."""
    model = one.test.parent
    folder = model.parent / "watched"
    if not folder.is_dir():
        if options.report:
            return None
        words = ["build", "--config", str(model / "flow.toml"), "-o", str(folder), "--fingerprint"]
        words += ["--effort", "fast", "--simulator", "none", "--prove-limit", "300", "--json"]
        with contextlib.redirect_stdout(io.StringIO()):
            if run(words):
                return None
    return folder
