"""Trains the network of the muon chamber on simulated muons, and writes it as a QKeras file.

    python examples/muon/train.py            muon.h5 beside this file
    python examples/muon/train.py --events 20000 --steps 500 -o small.h5
    python examples/muon/train.py --start muon.h5 --seed 2   on from there, on other events

needs numpy and h5py alone. First the dense layers are trained with real weights, then with the
quantisers in place, while the smallest weights of the first layers are set to zero for good. Adam
(Kingma and Ba 2015, arXiv 1412.6980); the loss is quadratic for small residuals and linear from
some 8 mrad on, so that a muon among noise hits does not count more than ten clean ones. Equal seeds
give equal files on one machine.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from chamber import Array, Bits, simulate
from model_file import read_dense, write_model
from network import Floats, Mlp, Precision, pairs, start

HERE = Path(__file__).parent
KNEE_MRAD = 8.0
PRUNED = (0.2, 0.0, 0.0)
"""The share of weights of each layer that end as zero."""


@dataclass(frozen=True)
class Options:
    """How long and how fast to train: `steps` with real weights, then as many with quantisers, at
    the rate `tuning`."""

    events: int = 400_000
    steps: int = 12_000
    batch: int = 256
    rate: float = 4e-3
    tuning: float = 1e-3
    seed: int = 1


@dataclass(frozen=True)
class Data:
    """What the convolutions find, (bits, events), and the angles in mrad."""

    bits: Bits
    angle: Array


def data(events: int, seed: int, part: int = 20_000) -> Data:
    """Simulated muons, some at a time."""
    seeds = np.random.SeedSequence(seed).generate_state(-(-events // part))
    made = [simulate(min(part, events), int(each)) for each in seeds]
    return Data(
        np.concatenate([pairs(each.hits) for each in made], axis=1),
        np.concatenate([each.angle for each in made]),
    )


class Adam:
    """Moves parameters against their gradients."""

    def __init__(self, parameters: list[Floats]) -> None:
        self.parameters, self.steps = parameters, 0
        self.first = [np.zeros_like(p) for p in parameters]
        self.second = [np.zeros_like(p) for p in parameters]

    def step(self, gradients: list[Floats], rate: float) -> None:
        """One step."""
        self.steps += 1
        bias1, bias2 = 1 - 0.9**self.steps, 1 - 0.999**self.steps
        every = zip(self.parameters, gradients, self.first, self.second, strict=True)
        for p, g, first, second in every:
            first += np.float32(0.1) * (g - first)
            second += np.float32(0.001) * (g * g - second)
            p -= np.float32(rate / bias1) * first / (np.sqrt(second / bias2) + np.float32(1e-8))


def fit(
    weights: list[Floats], biases: list[Floats], made: Data, options: Options, highest: float,
    precision: Precision | None,
) -> None:  # fmt: skip
    """Train in place, from the rate `highest` down; where there is a precision, prune too."""
    rng = np.random.default_rng(options.seed)
    adam = Adam([*weights, *biases])
    masks = [np.ones(w.shape, bool) for w in weights]
    reach = [q.bounds for q in (precision or Precision()).weights]
    every = min(100, max(1, options.steps // 10))
    total = 0.0
    for step in range(options.steps):
        chosen = rng.integers(0, len(made.angle), options.batch)
        mlp = Mlp(weights, biases, precision)
        residual = mlp.answer(made.bits[:, chosen]) - made.angle[chosen].astype(np.float32)
        root = np.sqrt(1 + (residual / KNEE_MRAD) ** 2)
        total += float(np.mean(root - 1)) * KNEE_MRAD**2
        rate = highest * (0.505 + 0.495 * np.cos(np.pi * step / options.steps))
        adam.step(mlp.gradients((residual / root / options.batch).astype(np.float32)), rate)
        if precision and step % every == 0 and step < options.steps / 2:
            ramp = min(1.0, 2.5 * step / options.steps)
            masks = [
                _largest(w, 1 - share * ramp) for w, share in zip(weights, PRUNED, strict=True)
            ]
        for w, mask, bounds in zip(weights, masks, reach, strict=True):
            w *= mask
            if precision:  # Where gradients pass.
                np.clip(w, *bounds, out=w)
        if step % 1000 == 999:
            print(f"step {step + 1}: loss {total / 1000:.3f} mrad^2", flush=True)
            total = 0.0


def _largest(w: Floats, share: float) -> np.ndarray:
    return np.abs(w) >= np.quantile(np.abs(w), 1 - share)


def train(options: Options, precision: Precision, begin: Path | None = None) -> Mlp:
    """The network as it is built; with `begin` from the weights of a file, quantised at once."""
    made = data(options.events, options.seed)
    if begin is None:
        weights, biases = start(options.seed)
        fit(weights, biases, made, options, options.rate, None)
    else:
        weights, biases = read_dense(begin)
    fit(weights, biases, made, options, options.tuning, precision)
    return Mlp(weights, biases, precision)


def main() -> None:
    """Train, write the file, and say how good it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--events", type=int, default=Options.events)
    parser.add_argument("--steps", type=int, default=Options.steps)
    parser.add_argument("--seed", type=int, default=Options.seed)
    parser.add_argument("--start", type=Path, help="a file of this script to go on from")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "muon.h5")
    given = parser.parse_args()
    precision = Precision()
    mlp = train(Options(given.events, given.steps, seed=given.seed), precision, given.start)
    write_model(given.output, mlp, precision)
    print(f"{given.output}: {sum(int(np.count_nonzero(w)) for w in mlp.weights)} weights not zero")


if __name__ == "__main__":
    main()
