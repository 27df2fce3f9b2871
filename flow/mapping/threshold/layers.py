"""Binary layers as threshold gates: every neuron is one gate, and so is every choice of a class.

A neuron counts the taps that agree with the signs of its weights, so its weights are those of a
gate, and its threshold less the negative ones is the gate's. Integers enter as their bits, by
weights times powers of two. Of two classes the one of larger score is told by one gate on the
difference of their weights; a class is chosen where it beats all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UnsupportedModel
from flow.ir.binary import ABSENT, INPUT, BinaryLayer, Neurons, OrPool, Scores
from flow.ir.interval import IntRange
from flow.ir.threshold import PlacedGate, ThresholdGate, ThresholdNetlist
from flow.ir.windows import windows


@dataclass
class _Maker:
    """The gates so far. `bits[e]` are the signals of input element e with their weights."""

    name: str
    bits: list[list[tuple[int, int]]]
    inputs: tuple[str, ...]
    gates: list[PlacedGate] = field(default_factory=list)
    results: list[NDArray[Any]] = field(default_factory=list)

    def add(self, weights: dict[int, int], threshold: int, name: str) -> int:
        kept = {x: w for x, w in sorted(weights.items()) if w}
        gate = ThresholdGate(tuple(kept.values()), threshold)
        self.gates.append(PlacedGate(gate, tuple(kept), name))
        return len(self.inputs) + len(self.gates) - 1


def input_bits(ranges: Sequence[IntRange]) -> list[list[tuple[int, int]]]:
    """The bits of each input integer, in order of all: (number of the bit, its weight)."""
    found, at = [], 0
    for one in ranges:
        row = [(at + i, 1 << i) for i in range(one.width)]
        if one.signed and row:
            row[-1] = (row[-1][0], -row[-1][1])
        found.append(row)
        at += one.width
    return found


def layers_netlist(
    layers: Sequence[BinaryLayer], ranges: Sequence[IntRange], name: str = "network"
) -> ThresholdNetlist:
    """The gates of binary layers that end in a class; its bits are the outputs y[0] and up.

    `ranges` are those of all input elements, whose bits are the inputs x[0] and up.
    UnsupportedModel where the layers end in scores.
    """
    last = layers[-1]
    if not isinstance(last, Scores) or not last.argmax:
        raise UnsupportedModel(
            "the network ends in scores, which are no bits",
            hint="build it with --head decision, so that it answers a class",
        )
    bits = input_bits(ranges)
    width = sum(map(len, bits))
    maker = _Maker(name, bits, tuple(f"x[{i}]" for i in range(width)))
    for layer in layers:
        read = _gathered(maker, layer)
        if isinstance(layer, Neurons):
            maker.results.append(_neurons(maker, layer, read))
        elif isinstance(layer, OrPool):
            maker.results.append(_pool(maker, layer, read))
        else:
            drivers = _classes(maker, layer, read)
    outputs = tuple(f"y[{i}]" for i in range(len(drivers)))
    return ThresholdNetlist(name, maker.inputs, (), tuple(maker.gates), outputs, tuple(drivers))


def _gathered(maker: _Maker, layer: BinaryLayer) -> NDArray[np.int64]:
    """The input of a layer: signals, or numbers of input elements; ABSENT where there is none."""
    rows = []
    for source in layer.wiring.sources:
        if source != INPUT:
            rows.append(maker.results[source].reshape(1, -1))
        elif isinstance(layer, Neurons) and layer.integer:
            rows.append(np.arange(len(maker.bits))[None])
        else:
            rows.append(np.array([[row[0][0] if row else ABSENT for row in maker.bits]]))
    return np.asarray(layer.wiring.gather(rows, ABSENT), dtype=np.int64)


def _neurons(maker: _Maker, layer: Neurons, read: NDArray[np.int64]) -> NDArray[Any]:
    taps = np.asarray(layer.taps(read, ABSENT))
    taps = taps.reshape(-1, taps.shape[-1])
    flat = layer.weights.reshape(-1, layer.weights.shape[-1])
    thresholds = layer.threshold.reshape(len(taps), -1)
    found = np.zeros(thresholds.shape, dtype=np.int64)
    for place, row in enumerate(taps):
        for filter_ in range(thresholds.shape[1]):
            weights: dict[int, int] = {}
            threshold = int(thresholds[place, filter_])
            for tap, w in zip(row.tolist(), flat[:, filter_].tolist(), strict=True):
                if tap == ABSENT or not w:
                    continue
                if layer.integer:
                    for bit, scale in maker.bits[tap]:
                        weights[bit] = weights.get(bit, 0) + int(w) * scale
                else:
                    weights[tap] = weights.get(tap, 0) + int(w)
                    threshold -= int(w < 0)
            label = f"{layer.name}[{place * thresholds.shape[1] + filter_}]"
            found[place, filter_] = maker.add(weights, threshold, label)
    return found.reshape(layer.shape)


def _pool(maker: _Maker, layer: OrPool, read: NDArray[np.int64]) -> NDArray[Any]:
    axes = len(layer.window)
    seen = windows(read, layer.window, layer.strides, layer.padding, (1,) * axes, ABSENT)
    seen = np.moveaxis(np.asarray(seen)[0], -1, axes)  # (*positions, channels, *window)
    seen = seen.reshape(int(np.prod(layer.shape)), -1)
    found = [
        maker.add({x: 1 for x in row.tolist() if x != ABSENT}, 1, f"{layer.name}[{k}]")
        for k, row in enumerate(seen)
    ]
    return np.array(found).reshape(layer.shape)


def _classes(maker: _Maker, layer: Scores, read: NDArray[np.int64]) -> list[int]:
    """The bits of the number of the largest score, the lowest of several."""
    row = read.reshape(-1).tolist()
    count = layer.weights.shape[1]
    forms: list[tuple[dict[int, int], int]] = []
    for j in range(count):
        scale, weights = int(layer.multiplier.reshape(-1)[j]), dict[int, int]()
        constant = int(layer.offset.reshape(-1)[j])
        for x, w in zip(row, layer.weights[:, j].tolist(), strict=True):
            if x != ABSENT and w:
                weights[x] = weights.get(x, 0) + scale * int(w)
                constant += scale * int(w < 0)
        forms.append((weights, constant))
    beats: dict[tuple[int, int], int] = {}
    for i in range(count):
        for j in range(i + 1, count):  # The lower class wins where both are equal.
            difference = dict(forms[i][0])
            for x, w in forms[j][0].items():
                difference[x] = difference.get(x, 0) - w
            need = forms[j][1] - forms[i][1]
            beats[i, j] = maker.add(difference, need, f"{layer.name}[{i} or {j}]".replace(" ", "_"))
    chosen = []
    for k in range(count):
        wins = {beats[k, j]: 1 for j in range(k + 1, count)}
        losses = {beats[i, k]: -1 for i in range(k)}
        chosen.append(maker.add({**wins, **losses}, len(wins), f"{layer.name}[{k}]"))
    return [
        maker.add({x: 1 for k, x in enumerate(chosen) if k >> b & 1}, 1, f"{layer.name}.bit{b}")
        for b in range(max(1, (count - 1).bit_length()))
    ]
