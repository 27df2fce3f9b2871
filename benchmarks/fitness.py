"""How fast populations are evaluated, beside one candidate at a time and beside bare sgemm.

    python benchmarks/fitness.py

The times are processor times of one thread, the best of several turns; sgemm multiplies the bit
planes of all samples by the planes of all hidden neurons, as large as the first layer is, with
one thread too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from common import HERE
from threadpoolctl import threadpool_limits

from flow.search.compiled_count import Compiled
from flow.search.device import Device, gpu
from flow.search.estimate import AreaEstimate
from flow.search.fitness import Fitness
from flow.search.matrices import Matrices
from flow.search.space import Space
from flow.tech.registry import load

POPULATION = 1000
TOPOLOGIES = {"cardio": ((21, (3,), 3), 1488), "pendigits": ((16, (5,), 10), 7694)}
"""Inputs, hidden neurons, classes, and the samples of the training part."""


@dataclass(frozen=True)
class Speed:
    """Evaluations a second by each way, and what the shares in the table are made of.

    `sgemm` is how often a second the products of the first layer alone could be done; `gpu` is by
    the clock, and None where there is none.
    """

    topology: str
    samples: int
    compiled: float
    matrices: float
    gpu: float | None
    one_by_one: float
    sgemm: float
    sgemm_gflops: float
    estimates: float

    @property
    def against_one(self) -> float:
        """How many times faster than one candidate at a time in numpy."""
        return self.compiled / self.one_by_one

    @property
    def against_sgemm(self) -> float:
        """The share of the rate of the matrix library; above 1 it is faster."""
        return self.compiled / self.sgemm


def main() -> None:
    """Print the table; write benchmarks/fitness.md and benchmarks/results/fitness.json."""
    found = speeds()
    text = "# Fitness of populations, beside one candidate at a time and bare sgemm\n\n"
    text += f"{table(found)}\n\nPopulation {POPULATION}, one thread, processor time.\n"
    print(text)
    (HERE / "fitness.md").write_text(text)
    record = json.dumps([asdict(speed) for speed in found], indent=1)
    (HERE / "results" / "fitness.json").write_text(record + "\n")


def speeds() -> list[Speed]:
    """The speed of every topology, with one thread."""
    with threadpool_limits(1):
        return [_speed(name, Space(*shape), n) for name, (shape, n) in TOPOLOGIES.items()]


def table(found: list[Speed]) -> str:
    """A Markdown table of speeds."""
    lines = [
        "| topology | samples | evaluations a second | by matrices | on a GPU | "
        "one by one in numpy | times faster | share of sgemm | areas estimated a second |",
        "| --- " * 9 + "|",
    ]
    for s in found:
        lines.append(
            f"| {s.topology} | {s.samples} | {s.compiled:,.0f} | {s.matrices:,.0f} | "
            f"{'none here' if s.gpu is None else f'{s.gpu:,.0f}'} | {s.one_by_one:,.0f} | "
            f"{s.against_one:.0f} | {s.against_sgemm:.2f} | {s.estimates:,.0f} |"
        )
    return "\n".join(lines)


def _speed(name: str, space: Space, samples: int) -> Speed:
    rng = np.random.default_rng(1)
    genomes = rng.integers(space.lower, space.upper + 1, (POPULATION, space.genes), np.int32)
    for genes in space.layers(genomes):
        if genes.alive is not None:
            genes.alive[...] = 1
    x = rng.integers(0, 1 << space.input_bits, (samples, space.inputs)).astype(np.uint8)
    y = rng.integers(0, space.classes, samples)
    xp = gpu()
    card = [] if xp is None else [partial(Device, xp=xp)]
    ways = [Fitness(space, x, y, way=way) for way in (Compiled, Matrices, *card)]
    few = genomes[:20]
    if not all((way(few) == _one_by_one(space, few, x, y)).all() for way in ways):
        raise SystemExit("the ways to count do not agree")
    compiled, matrices = (POPULATION / _seconds(lambda w=way: w(genomes)) for way in ways[:2])
    on_gpu = [
        POPULATION / _seconds(lambda w=way: w(genomes), time.perf_counter) for way in ways[2:]
    ]
    estimate = AreaEstimate(load("egfet"))
    planes, neurons = space.inputs * space.input_bits, space.hidden[0] * POPULATION
    a = rng.random((neurons, planes), dtype=np.float32)
    b = rng.random((planes, samples), dtype=np.float32)
    product = _seconds(lambda: a @ b)
    return Speed(
        topology=f"{name} {space.inputs}-{space.hidden[0]}-{space.classes}",
        samples=samples,
        compiled=compiled,
        matrices=matrices,
        gpu=on_gpu[0] if on_gpu else None,
        one_by_one=len(few) / _seconds(lambda: _one_by_one(space, few, x, y)),
        sgemm=POPULATION / product,
        sgemm_gflops=2e-9 * neurons * planes * samples / product,
        estimates=100 / _seconds(lambda: estimate.counted(space, genomes[:100])),
    )


def _one_by_one(space: Space, genomes: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The counts of genomes, each computed by plain numpy for itself."""
    right = []
    for genome in genomes:
        values = x.astype(np.int32)
        for genes in space.layers(genome):
            masked = values[:, None, :] & genes.masks[0].astype(np.int32)
            values = (masked * genes.weights()[0].astype(np.int32)).sum(axis=2) + genes.bias[0]
            if genes.shifts is not None:
                values = np.clip(values >> genes.shifts[0], 0, (1 << genes.bits[0]) - 1)
        right.append(int((values.argmax(axis=1) == y).sum()))
    return np.array(right)


def _seconds(work: Callable[[], object], clock: Callable[[], float] = time.thread_time) -> float:
    """The least time of several turns, by the processor's clock."""
    took = []
    for _ in range(5):
        start = clock()
        work()
        took.append(clock() - start)
    return min(took)


if __name__ == "__main__":
    main()
