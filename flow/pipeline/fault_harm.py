"""What each stuck-at fault of a mapped netlist does to the answers of a network's samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.analysis.fault_simulation import FaultSimulator
from flow.analysis.stuck_at import Faults, faults_of, gates_of
from flow.backends.emission import Emission
from flow.frontend.files.data import read_data
from flow.ir.aig import pack
from flow.ir.netlist import Netlist
from flow.ir.network import Network
from flow.pipeline.importing import encode_samples
from flow.pipeline.judging import Judge, judge_of
from flow.pipeline.lanes import flat
from flow.pipeline.measures import stimulus
from flow.progress import Progress, silent
from flow.report.faults import STEPS
from flow.tech.technology import Technology

MOST_LINES = 20_000
"""Beyond so many lines, faults are drawn by chance."""
MARGIN = 0.01
"""The error of a share that is drawn, at 99 % confidence."""
_T99 = 2.576


@dataclass(frozen=True, eq=False)
class Harm:
    """What each class of faults does: samples that stay right, whether an output ever differs,
    and at how many samples the alarm is raised that is silent without the fault (`told`; 0 where
    there is no alarm); `base` samples are right without faults. `tried` are the faults (lines, 2)
    that count."""

    faults: Faults
    right: NDArray[np.int64]
    shows: NDArray[np.bool_]
    tried: NDArray[np.bool_]
    base: int
    samples: int
    told: NDArray[np.int64] | None = None
    false_alarms: int = 0

    @property
    def loss(self) -> NDArray[np.float64]:
        """Points of accuracy that a fault of each class costs; negative where it gains."""
        return 100.0 * (self.base - self.right) / self.samples

    @property
    def harmful(self) -> NDArray[np.bool_]:
        """Whether each class costs more than 5 points."""
        found: NDArray[np.bool_] = self.loss > STEPS[1]
        return found


def harm_of(
    netlist: Netlist,
    technology: Technology,
    bits: NDArray[np.uint8],
    judge: Judge,
    *,
    most: int = MOST_LINES,
    seed: int = 0,
    compiled: bool = True,
    progress: Progress = silent,
) -> Harm:
    """What the faults of a netlist do to samples of shape (samples, input bits).

    Beyond `most` lines as many faults are drawn as give MARGIN: Leveugle et al., "Statistical
    Fault Injection: Quantified Error and Confidence", DATE 2009.
    """
    faults = faults_of(netlist, technology)
    tried = _drawn(faults, most, seed)
    drawn = np.array([any(tried[x] for x in one.members) for one in faults.classes], np.bool_)
    chosen = [one for one, taken in zip(faults.classes, drawn, strict=True) if taken]
    simulator = FaultSimulator(faults.gates, pack(bits), compiled)
    valid = pack(np.ones((len(bits), 1), dtype=np.uint8))[0]
    good = simulator.outputs
    right, shows, told, done = [], [], [], 0
    alarms = judge.judged is not None
    for answers in simulator.answers(chosen):
        progress("classes of faults", done, len(chosen))
        right.append(judge.right(answers))
        shows.append((((answers ^ good) & valid) != 0).any(axis=(1, 2)))
        if alarms:
            new = answers[:, -1] & ~good[-1] & valid
            told.append(np.bitwise_count(new).sum(axis=1, dtype=np.int64))
        done += len(answers)
    progress("classes of faults", done, len(chosen))
    base = int(judge.right(good[None])[0])
    every = np.full(len(faults.classes), base, dtype=np.int64)
    seen = np.zeros(len(faults.classes), dtype=np.bool_)
    if chosen:
        every[drawn] = np.concatenate(right)
        seen[drawn] = np.concatenate(shows)
    if not alarms:
        return Harm(faults, every, seen, tried, base, len(bits))
    raised = np.zeros(len(faults.classes), dtype=np.int64)
    if chosen:
        raised[drawn] = np.concatenate(told)
    false = int(np.bitwise_count(good[-1] & valid).sum())
    return Harm(faults, every, seen, tried, base, len(bits), raised, false)


def _drawn(faults: Faults, most: int, seed: int) -> NDArray[np.bool_]:
    """Which faults (lines, 2) are tried."""
    if len(faults.lines) <= most:
        return np.ones((len(faults.lines), 2), dtype=np.bool_)
    tried = np.zeros(faults.count, dtype=np.bool_)
    size = sample_size(faults.count)
    tried[np.random.default_rng(seed).choice(faults.count, size, replace=False)] = True
    return tried.reshape(-1, 2)


def sample_size(total: int, margin: float = MARGIN) -> int:
    """Faults of so many that give a share to `margin` at 99 % confidence, whatever it is."""
    return math.ceil(total / (1 + margin**2 * (total - 1) / (_T99**2 * 0.25)))


def coded_samples(
    network: Network, emission: Emission, data: Path, classes: tuple[Any, ...] | None
) -> tuple[dict[str, Any], Any]:
    """The samples of a file as integers (samples, lanes) by port, and their labels, if any."""
    shapes = {layer.name: layer.tensor.shape for layer in network.inputs}
    samples = read_data(data, shapes, classes=classes)
    coded = encode_samples(network, samples)
    sources = [port.source for port in emission.inputs]
    pairs = zip(sources, network.inputs, strict=True)
    return {port: flat(coded[layer.name]) for port, layer in pairs}, samples.labels


def judged(
    network: Network,
    emission: Emission,
    netlist: Netlist,
    technology: Technology,
    inputs: Mapping[str, Any],
    labels: Any,
) -> tuple[NDArray[np.uint8], Judge]:
    """Samples (by port) as bits, and what is right at each."""
    known = None if labels is None else np.asarray(labels, dtype=np.int64)
    bits = stimulus(emission, [bus.name for bus in netlist.inputs], inputs)
    simulator = FaultSimulator(gates_of(netlist, technology), pack(bits))
    return bits, judge_of(network, emission.outputs, known, simulator.outputs, len(bits))
