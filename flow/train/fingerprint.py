"""A second head that watches a network while it works: fingerprints, and intervals they stay in.

The head reads the layers of the classifier and gives a few small integers; without a fault each
stays in an interval that training samples have shown, and the output `alarm` is 1 where one does
not. The idea is that of Ahmed and Tahoori, "Concurrent Self-testing of Neural Networks Using
Uncertainty Fingerprint", 2024, arXiv 2401.01458. What is trained here are the coefficients: the
least squares of a layer's sums from its inputs are known exactly, so they are its column checksums
(Huang and Abraham, "Algorithm-Based Fault Tolerance for Matrix Operations", IEEE Trans. Computers
C-33(6), 1984), rounded to few bits; what the rounding leaves is in the interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from flow.errors import UsageError
from flow.ir.layers import AtLeast, Concat, Dense, Layer, Relu, Requantize
from flow.ir.network import Head, Network, evaluate_network
from flow.ir.tensor import IntArray, fractions, narrow

ALARM, PLACE = "alarm", "fingerprint"
BITS = 8
"""Of what a fingerprint of a hidden layer sees of the range of its sums."""
FEW = 32
"""Inputs up to which that many bits will do."""
MARGIN = 0.25
"""By how much of its width an interval is wider than what samples have shown, at each end."""


@dataclass(frozen=True, slots=True)
class FingerprintOptions:
    """How close a head looks: `bits` of a layer's sums, and the margin of its intervals."""

    bits: int = BITS
    margin: float = MARGIN


def with_fingerprint(
    network: Network,
    inputs: Mapping[str, IntArray],
    options: FingerprintOptions = FingerprintOptions(),
) -> Network:
    """The network with a last output ALARM, for integer training samples by input.

    Watched are dense layers over vectors, and rectifiers of their sums. UsageError where there is
    none, or no samples.
    """
    if not len(next(iter(inputs.values()), ())):
        raise UsageError(
            "a fingerprint is trained on samples, and none are given",
            hint="give samples of the training with --calibrate",
        )
    work = _Head(network, inputs, options)
    for layer in network.layers:
        if isinstance(layer, Dense) and len(network.types[layer.sources[0]].shape) == 1:
            work.watch_sums(layer)
    if not work.found:
        raise UsageError(
            "the network has no dense layer whose sums a fingerprint could watch",
            where=network.name,
            hint="leave out --fingerprint",
        )
    for layer in network.layers:
        if isinstance(layer, Relu) and layer.sources[0] in work.watched:
            work.watch_rectifier(layer)
    return work.finish()


class _Head:
    """The layers of the head so far, each fingerprint by its name with its interval."""

    def __init__(
        self, network: Network, inputs: Mapping[str, IntArray], options: FingerprintOptions
    ) -> None:
        self.network, self.options = network, options
        names = tuple(layer.name for layer in network.layers)
        self.values = evaluate_network(network, inputs, names)
        self.values.update(inputs)
        self.layers: list[Layer] = []
        self.watched: set[str] = set()
        self.found: list[tuple[str, IntArray, IntArray]] = []
        self.types = dict(network.types)

    def watch_sums(self, layer: Dense) -> None:
        """A checksum of the sums with alternating signs, against one of the inputs.

        Sums and coefficients lose the same low bits, at least one: what is rounded differs, so
        that no synthesis can show both sides equal and share their gates. Where a rectifier reads
        the sums they lose all but `bits`; else the class may hang on the last bits.
        """
        source = layer.sources[0]
        signs = 1 - 2 * (np.arange(layer.weights.shape[1]) % 2)
        total = self.values[layer.name] @ signs
        rectified = any(isinstance(r, Relu) for r in self.network.readers(layer.name))
        # Rounded coefficients of many inputs add up to a wider interval: by the root of how many.
        more_bits = (len(layer.weights) // FEW).bit_length() // 2
        bits = self.options.bits + more_bits
        lost = max(1, _width(total) - bits) if rectified else 1
        every = self._dense("sum", layer.name, signs[:, None])
        checks = np.rint((layer.weights @ signs).astype(np.float64) / 2**lost).astype(np.int64)
        both = self._concat((self._shortened(every, lost), source))
        name = self._dense("print", both, np.concatenate([[1], -checks])[:, None])
        value = (total >> lost) - self.values[source] @ checks
        low, high = int(value.min()), int(value.max())
        more = 1 + int(self.options.margin * (high - low))
        self.watched.add(layer.name)
        self.found.append((name, np.array([low - more]), np.array([high + more])))

    def watch_rectifier(self, layer: Relu) -> None:
        """Of each neuron its value less its sum, less what the rectifier has cut off: 0.

        Where no register lies between them, a synthesis may show this and remove the check.
        """
        sums = self.values[layer.sources[0]]
        lost = max(1, _width(sums) - self.options.bits)
        before, after = self._shortened(layer.sources[0], lost), self._shortened(layer.name, lost)
        one = np.eye(sums.shape[1], dtype=np.int64)
        below = self._add(Relu(self._name("below"), (self._dense("minus", before, -one),), PLACE))
        parts = self._concat((after, before, below))
        rest = self._dense("rest", parts, np.concatenate([one, -one, -one]))
        none = np.zeros(sums.shape[1], np.int64)
        self.found.append((rest, none, none))

    def finish(self) -> Network:
        """Every fingerprint against both ends of its interval, and one alarm for them all."""
        prints = self._concat(tuple(name for name, _, _ in self.found))
        low = np.concatenate([lo for _, lo, _ in self.found])
        high = np.concatenate([hi for _, _, hi in self.found])
        inside = self._add(AtLeast(self._name("reached"), (prints,), PLACE, low))
        over = self._add(AtLeast(self._name("passed"), (prints,), PLACE, high + 1))
        signs = np.repeat([-1, 1], len(low))[:, None]
        count = self._dense("count", self._concat((inside, over)), signs, len(low))
        if ALARM in self.types:
            raise UsageError(f"a layer has the name {ALARM!r} already", where=self.network.name)
        self.layers.append(AtLeast(ALARM, (count,), PLACE, np.ones(1, np.int64)))
        layers, outputs = self.network.layers, self.network.outputs
        heads: tuple[Head, ...] = (*self.network.heads, "none")
        return Network(self.network.name, (*layers, *self.layers), (*outputs, ALARM), heads)

    def _shortened(self, source: str, lost: int) -> str:
        tensor = self.types[source]
        shape = tensor.shape
        return self._add(
            Requantize(
                self._name("short"), (source,), PLACE, fractions(Fraction(1, 1 << lost), shape),
                fractions(0, shape), "floor", "saturate", narrow(tensor.lo) >> lost,
                narrow(tensor.hi) >> lost, fractions(1, shape),
            )
        )  # fmt: skip

    def _dense(self, what: str, source: str, weights: IntArray, more: int = 0) -> str:
        none = np.full(weights.shape[1], more, np.int64)
        scale = fractions(1, (weights.shape[1],))
        return self._add(Dense(self._name(what), (source,), PLACE, weights, none, scale))

    def _concat(self, sources: tuple[str, ...]) -> str:
        return self._add(Concat(self._name("both"), sources, PLACE, 0))

    def _add(self, layer: Layer) -> str:
        self.types[layer.name] = layer.infer_type(*(self.types[s] for s in layer.sources))
        self.layers.append(layer)
        return layer.name

    def _name(self, what: str) -> str:
        name = f"{PLACE}_{what}_{len(self.layers)}"
        while name in self.types:
            name += "_"
        return name


def _width(values: IntArray) -> int:
    """Bits of the range of some values."""
    return int(int(values.max()) - int(values.min())).bit_length()
