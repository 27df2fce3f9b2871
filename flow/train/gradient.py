"""Many small perceptrons trained at once by gradients, with weights from a set of integers.

All networks of a batch see the same samples: the first layer is one matrix product for all. The
weights are kept real and brought to the nearest allowed integer in every step; gradients pass
through the rounding as if it were not there (straight-through estimator, Bengio et al. 2013,
arXiv 1308.3432), and Adam (Kingma and Ba 2015, arXiv 1412.6980) moves the real weights. With the
set of powers of two this is the quantisation-aware training of Afentaki et al., ICCAD 2023; a
hidden neuron shows a window of `bits` bits of its sum from bit `shift` on, saturated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.train.dataset import ByteArray, Dataset
from flow.train.table import IntArray

FloatArray = NDArray[np.float32]

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
GAIN = 8.0
"""By how much the outputs, which lie within about 1, are stretched before the softmax."""


def powers_of_two(exponents: int) -> tuple[int, ...]:
    """0 and both signs of 1 to 2**exponents, sorted."""
    powers = [1 << e for e in range(exponents + 1)]
    return (*(-p for p in reversed(powers)), 0, *powers)


@dataclass(frozen=True, slots=True)
class GradientOptions:
    """How a batch is trained. `levels` are the integers that a weight may be, sorted, 0 among
    them. Networks take turns in `bits` (of a hidden value) and `sparsity` (weight of the sum of
    magnitudes in the loss). With bits 0 a hidden value is the whole positive sum. No bias of a
    hidden neuron is larger than `bias`."""

    hidden: int
    levels: tuple[int, ...]
    networks: int = 48
    bits: tuple[int, ...] = (4, 1, 2, 3)
    sparsity: tuple[float, ...] = (0.0, 3e-4, 1e-3, 3e-3)
    steps: int = 600
    batch: int = 1024
    rate: float = 0.02
    bias: int = 1 << 20
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class IntegerNet:
    """Sums of levels * w1 + b1, a window of `bits` bits from bit `shift` on, then * w2 + b2.

    `w1` is (features, hidden), `w2` (hidden, classes), `shifts` (hidden,); with `bits` 0 there is
    no window, only the ReLU. The class is the largest output, the lowest of several.
    """

    w1: IntArray
    b1: IntArray
    shifts: IntArray
    bits: int
    w2: IntArray
    b2: IntArray
    right: int = 0
    weights: int = field(init=False)

    def __post_init__(self) -> None:
        count = np.count_nonzero(self.w1) + np.count_nonzero(self.w2)
        object.__setattr__(self, "weights", int(count))

    def hidden(self, levels: ByteArray) -> IntArray:
        """What the hidden neurons show (samples, hidden)."""
        sums = np.maximum(levels.astype(np.int64) @ self.w1 + self.b1, 0)
        if not self.bits:
            return np.asarray(sums)
        return np.asarray(np.minimum(sums >> self.shifts, (1 << self.bits) - 1))

    def classify(self, levels: ByteArray) -> IntArray:
        """The class index of every sample."""
        scores = self.hidden(levels) @ self.w2 + self.b2
        return np.asarray(np.argmax(scores, axis=1), dtype=np.int64)

    def accuracy(self, levels: ByteArray, y: IntArray) -> float:
        """The share of samples that are classified right."""
        return float(np.mean(self.classify(levels) == y))


def train_many(
    data: Dataset, options: GradientOptions, start: Sequence[IntegerNet] = ()
) -> tuple[IntegerNet, ...]:
    """The networks after training on `x_train`, the most right on `x_train` and `x_valid` first.

    `right` of each counts those samples. `start` gives the first networks their weights.
    """
    batch = _Batch(data, options)
    for place, net in enumerate(start[: options.networks]):
        batch.take(place, net)
    random = np.random.default_rng(options.seed + 1)
    for step in range(options.steps):
        rows = _rows(len(data.y_train), options.batch, random)
        rate = options.rate * 0.5 * (1 + np.cos(np.pi * step / options.steps))
        batch.step(rows, rate, step)
    nets = batch.nets()
    order = sorted(range(len(nets)), key=lambda i: (-nets[i].right, nets[i].weights, i))
    return tuple(nets[i] for i in order)


def _rows(samples: int, batch: int, random: np.random.Generator) -> Any:
    return slice(None) if samples <= batch else random.choice(samples, batch, replace=False)


class _Batch:
    """The real weights of all networks and their moments. Units: inputs level / 2**input_bits,
    weights level / top, hidden values h / 2**bits."""

    def __init__(self, data: Dataset, options: GradientOptions) -> None:
        self.data, self.options = data, options
        self.levels = np.array(options.levels, dtype=np.float32)
        self.top = float(max(abs(self.levels)))
        self.middles = (self.levels[1:] + self.levels[:-1]) / 2 / self.top
        self.scale = float(2**data.scaler.bits)
        self.x = data.x_train.astype(np.float32) / np.float32(self.scale)
        self.y = data.y_train
        n, f, h, c = options.networks, data.features, options.hidden, data.classes
        turn = np.arange(n)
        self.bits = np.array(options.bits)[turn % len(options.bits)]
        lasso = np.array(options.sparsity, dtype=np.float32)
        self.sparsity = lasso[turn // len(options.bits) % len(lasso)][:, None, None]
        random = np.random.default_rng(options.seed)
        spread = min(0.5, 2.0 / np.sqrt(f))
        self.parameters = [
            random.normal(0, spread, (n, f, h)).astype(np.float32),
            random.normal(0.1, 0.2, (n, 1, h)).astype(np.float32),
            random.normal(0, 0.5, (n, h, c)).astype(np.float32),
            np.zeros((n, 1, c), dtype=np.float32),
        ]
        self.moments = [[np.zeros_like(p) for p in self.parameters] for _ in range(2)]
        self.shifts = np.zeros((n, 1, h), dtype=np.int64)
        self._fit_windows()

    def take(self, place: int, net: IntegerNet) -> None:
        """One network begins with these weights."""
        w1, b1, w2, b2 = self.parameters
        self.bits[place] = net.bits
        w1[place], w2[place] = net.w1 / self.top, net.w2 / self.top
        b1[place] = net.b1 / (self.top * self.scale)
        self._fit_windows()
        b2[place] = net.b2 / (self.top * self._shown()[place])

    def step(self, rows: Any, rate: float, number: int) -> None:
        """One step of Adam on some samples."""
        if number % 25 == 0:
            self._fit_windows()
        gradients = self._gradients(self.x[rows], self.y[rows])
        first, second = self.moments
        fix1, fix2 = 1 - BETA1 ** (number + 1), 1 - BETA2 ** (number + 1)
        for p, g, m, v in zip(self.parameters, gradients, first, second, strict=True):
            m += np.float32(1 - BETA1) * (g - m)
            v += np.float32(1 - BETA2) * (g * g - v)
            p -= np.float32(rate / fix1) * m / (np.sqrt(v / np.float32(fix2)) + np.float32(EPSILON))
        for weights in (self.parameters[0], self.parameters[2]):
            np.clip(weights, -1, 1, out=weights)
        most = self.options.bias / (self.top * self.scale)
        np.clip(self.parameters[1], -most, most, out=self.parameters[1])

    def nets(self) -> list[IntegerNet]:
        """The integers of every network."""
        self._fit_windows()
        w1, b1, w2, b2 = self._integers()
        found = []
        for i in range(len(w1)):
            net = IntegerNet(w1[i], b1[i, 0], self.shifts[i, 0], int(self.bits[i]), w2[i], b2[i, 0])
            x, y = self.data.x_fit, self.data.y_fit
            right = int(np.count_nonzero(net.classify(x) == y))
            found.append(IntegerNet(net.w1, net.b1, net.shifts, net.bits, net.w2, net.b2, right))
        return found

    def _nearest(self, weights: FloatArray) -> FloatArray:
        """The allowed weights, in the unit of the real ones."""
        found = self.levels[np.searchsorted(self.middles, weights)] / np.float32(self.top)
        return np.asarray(found, dtype=np.float32)

    def _integers(self) -> list[IntArray]:
        w1, b1, w2, b2 = self.parameters
        values = (
            self._nearest(w1) * self.top,
            b1 * self.top * self.scale,
            self._nearest(w2) * self.top,
            b2 * self.top * self._shown(),
        )
        return [np.rint(v).astype(np.int64) for v in values]

    def _shown(self) -> NDArray[Any]:
        """The integer that stands for the hidden value 1, of each network (n, 1, 1)."""
        unit = self._unit()[:, :, :1]
        whole = self.scale * self.top * unit
        return np.asarray(np.where(self._whole(), whole, 2.0 ** self._wide()))

    def _whole(self) -> NDArray[np.bool_]:
        """Which networks have no window (n, 1, 1)."""
        return np.asarray((self.bits == 0)[:, None, None])

    def _wide(self) -> IntArray:
        return np.asarray(self.bits[:, None, None])

    def _unit(self) -> FloatArray:
        """The real sum that is shown as 1, of each neuron; with no window, one for a network."""
        found = 2.0 ** (self.shifts + self._wide()) / (self.scale * self.top)
        whole = found.max(axis=2, keepdims=True)
        return np.where(self._whole(), whole, found).astype(np.float32)

    def _sums(self, x: FloatArray, w1: FloatArray) -> FloatArray:
        """(networks, samples, hidden), by one product for all networks."""
        n, f, h = w1.shape
        flat = x @ np.ascontiguousarray(w1.transpose(1, 0, 2)).reshape(f, n * h)
        return np.asarray(flat.reshape(len(x), n, h).transpose(1, 0, 2))

    def _fit_windows(self) -> None:
        """Shifts such that the window of each neuron reaches its large sums."""
        w1, b1 = self.parameters[:2]
        sums = self._sums(self.x, self._nearest(w1)) + b1
        large = np.quantile(sums, 0.98, axis=1, keepdims=True) * self.scale * self.top
        width = np.ceil(np.log2(np.maximum(large, 1) + 1)).astype(np.int64)
        self.shifts = np.maximum(width - self._wide(), 0)

    def _gradients(self, x: FloatArray, y: IntArray) -> list[FloatArray]:
        """Of the mean cross entropy and the sparsity, by each parameter."""
        w1, b1, w2, b2 = self.parameters
        q1, q2 = self._nearest(w1), self._nearest(w2)
        unit = self._unit()
        z = (self._sums(x, q1) + b1) / unit
        steps = (2.0 ** self._wide()).astype(np.float32)
        window = np.clip(np.floor(z * steps), 0, steps - 1) / steps
        h = np.where(self._whole(), np.maximum(z, 0), window).astype(np.float32)
        scores = np.float32(GAIN) * (h @ q2 + b2)
        scores -= scores.max(axis=2, keepdims=True)
        share = np.exp(scores)
        share /= share.sum(axis=2, keepdims=True)
        share[:, np.arange(len(y)), y] -= 1
        d = share * np.float32(GAIN / len(y))
        dz = d @ q2.transpose(0, 2, 1)
        dz *= (z > 0) & (self._whole() | (z < 1))
        dz /= unit
        n, _, hidden = w1.shape
        flat = np.ascontiguousarray(dz.transpose(1, 0, 2)).reshape(len(x), n * hidden)
        d1 = (x.T @ flat).reshape(-1, n, hidden).transpose(1, 0, 2)
        lasso = self.sparsity
        return [
            np.asarray(d1 + lasso * np.sign(w1), dtype=np.float32),
            dz.sum(axis=1, keepdims=True),
            h.transpose(0, 2, 1) @ d + lasso * np.sign(w2),
            d.sum(axis=1, keepdims=True),
        ]
