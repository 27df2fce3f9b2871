"""Threshold gates and netlists of them, with flip-flops: what flash cells and neurons are made of.

A gate answers whether the sum of the weights whose bits are set reaches its threshold. Its
negative weights are inverted inputs, so inverters cost nothing (Muroga, "Threshold Logic and its
Applications", 1971).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flow.errors import IRError

TABLE_INPUTS = 16
"""Gates of more inputs have no truth table here."""

Bits = NDArray[np.uint8]
"""Samples of 0 and 1, of shape (samples, signals)."""


@dataclass(frozen=True, slots=True)
class ThresholdGate:
    """1 where sum(weight * bit) >= threshold. Without inputs it is a constant."""

    weights: tuple[int, ...]
    threshold: int

    @property
    def fan_in(self) -> int:
        """The number of inputs."""
        return len(self.weights)

    @property
    def least(self) -> int:
        """The smallest sum: that of all negative weights."""
        return sum(w for w in self.weights if w < 0)

    @property
    def most(self) -> int:
        """The largest sum: that of all positive weights."""
        return sum(w for w in self.weights if w > 0)

    @property
    def constant(self) -> int | None:
        """0 or 1 where the gate ignores its inputs, else None."""
        if self.least >= self.threshold:
            return 1
        return 0 if self.most < self.threshold else None

    def answer(self, bits: Sequence[int]) -> int:
        """The bit for one row of input bits."""
        return int(sum(w * b for w, b in zip(self.weights, bits, strict=True)) >= self.threshold)

    def evaluate(self, bits: Bits) -> Bits:
        """The bits for samples of shape (samples, inputs)."""
        sums = bits.astype(np.int64) @ np.array(self.weights, dtype=np.int64)
        result: Bits = (sums >= self.threshold).astype(np.uint8)
        return result

    def table(self) -> int:
        """The truth table: bit m is the answer to the bits of m, input 0 the lowest.

        IRError beyond TABLE_INPUTS inputs.
        """
        if self.fan_in > TABLE_INPUTS:
            raise IRError(f"a gate of {self.fan_in} inputs has no table")
        sums = np.zeros(1, dtype=np.int64)
        for weight in self.weights:
            sums = np.concatenate([sums, sums + weight])
        packed = np.packbits(sums >= self.threshold, bitorder="little")
        return int.from_bytes(packed.tobytes(), "little")

    def inverted(self) -> ThresholdGate:
        """The gate that answers the opposite."""
        return ThresholdGate(tuple(-w for w in self.weights), 1 - self.threshold)

    def with_inverted_input(self, place: int) -> ThresholdGate:
        """The gate that answers the same where the bit at `place` comes inverted."""
        weights = list(self.weights)
        weights[place] = -weights[place]
        return ThresholdGate(tuple(weights), self.threshold - self.weights[place])

    def positive(self) -> tuple[ThresholdGate, tuple[bool, ...]]:
        """The gate with weights of 0 and more, and which of its inputs come inverted."""
        flips = tuple(w < 0 for w in self.weights)
        return ThresholdGate(tuple(map(abs, self.weights)), self.threshold - self.least), flips

    def minimal_true(self) -> Iterator[tuple[int, ...]]:
        """The points of answer 1 at which every bit that adds to the sum is needed.

        A bit adds where it is 1 at a positive weight, or 0 at a negative one. They may be many.
        """
        gate, flips = self.positive()
        for chosen in _minimal_sets(gate.weights, gate.threshold):
            yield tuple(int((i in chosen) != flip) for i, flip in enumerate(flips))

    def maximal_false(self) -> Iterator[tuple[int, ...]]:
        """The points of answer 0 at which any further bit that adds to the sum gives 1."""
        gate, flips = self.positive()
        for left_out in _minimal_sets(gate.weights, gate.most - gate.threshold + 1):
            yield tuple(int((i not in left_out) != flip) for i, flip in enumerate(flips))

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.weights))}; {self.threshold}]"


def _minimal_sets(weights: Sequence[int], need: int) -> Iterator[frozenset[int]]:
    """The sets of places whose weights reach `need`, and would not without any of them.

    Weights are 0 or more; places of weight 0 are in none.
    """
    order = sorted((i for i, w in enumerate(weights) if w), key=lambda i: -weights[i])
    rest = [0] * (len(order) + 1)
    for k in range(len(order) - 1, -1, -1):
        rest[k] = rest[k + 1] + weights[order[k]]
    stack: list[tuple[int, int, tuple[int, ...]]] = [(0, need, ())]
    while stack:
        k, missing, chosen = stack.pop()
        if missing <= 0:
            yield frozenset(chosen)
        elif rest[k] >= missing:
            stack.append((k + 1, missing, chosen))
            stack.append((k + 1, missing - weights[order[k]], (*chosen, order[k])))


@dataclass(frozen=True, slots=True)
class PlacedGate:
    """A gate of a netlist, and the signals at its inputs."""

    gate: ThresholdGate
    inputs: tuple[int, ...]
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class FlipFlop:
    """A flip-flop: the signal that it takes at a clock edge, and its first value, if it has one."""

    name: str
    data: int
    initial: int | None = None


@dataclass(frozen=True, slots=True)
class ThresholdNetlist:
    """Gates between inputs, flip-flops of one clock, and outputs.

    Signals are numbers: first the inputs, then what the flip-flops hold, then the gates, drivers
    before users. `drivers` are the signals of the outputs.
    """

    name: str
    inputs: tuple[str, ...]
    flipflops: tuple[FlipFlop, ...]
    gates: tuple[PlacedGate, ...]
    outputs: tuple[str, ...]
    drivers: tuple[int, ...]

    @property
    def first_gate(self) -> int:
        """The signal of gate 0."""
        return len(self.inputs) + len(self.flipflops)

    @property
    def ends(self) -> tuple[int, ...]:
        """The signals that leave the gates: those of the outputs, then those of flip-flops."""
        return (*self.drivers, *(flipflop.data for flipflop in self.flipflops))

    @property
    def size(self) -> int:
        """The gates that are no constants."""
        return sum(bool(placed.inputs) for placed in self.gates)

    @property
    def widest(self) -> int:
        """The largest fan-in."""
        return max((placed.gate.fan_in for placed in self.gates), default=0)

    def levels(self) -> tuple[int, ...]:
        """The number of gates on the longest way to each signal; 0 for constants too."""
        level = [0] * self.first_gate
        for placed in self.gates:
            level.append(1 + max((level[x] for x in placed.inputs), default=-1))
        return tuple(level)

    @property
    def depth(self) -> int:
        """The largest number of gates on a way from input or flip-flop to output or flip-flop."""
        level = self.levels()
        return max((level[x] for x in self.ends), default=0)

    def fan_outs(self) -> tuple[int, ...]:
        """How often each signal is read by gates, outputs and flip-flops."""
        count = [0] * (self.first_gate + len(self.gates))
        for placed in self.gates:
            for x in placed.inputs:
                count[x] += 1
        for x in self.ends:
            count[x] += 1
        return tuple(count)

    def signals(self, bits: Bits) -> Bits:
        """All signals, (samples, signals), for samples of inputs and what the flip-flops hold."""
        if bits.shape[1] != self.first_gate:
            raise IRError(f"{self.first_gate} signals are given {bits.shape[1]} columns")
        values = np.zeros((self.first_gate + len(self.gates), bits.shape[0]), dtype=np.uint8)
        values[: self.first_gate] = bits.T
        for k, placed in enumerate(self.gates, self.first_gate):
            rows = values[list(placed.inputs)].astype(np.int64)
            sums = np.array(placed.gate.weights, dtype=np.int64) @ rows
            values[k] = sums >= placed.gate.threshold
        return values.T

    def evaluate(self, bits: Bits) -> Bits:
        """The signals of `ends` for samples of the inputs and of what the flip-flops hold."""
        result: Bits = self.signals(bits)[:, list(self.ends)]
        return result

    def run(self, bits: Bits) -> Bits:
        """The outputs, (clocks, outputs), for inputs clock after clock from the first values.

        Flip-flops without a first value begin with 0.
        """
        held = np.array([f.initial or 0 for f in self.flipflops], dtype=np.uint8)
        rows = []
        for row in bits:
            ends = self.evaluate(np.concatenate([row, held])[None, :].astype(np.uint8))[0]
            rows.append(ends[: len(self.outputs)])
            held = ends[len(self.outputs) :]
        return np.array(rows, dtype=np.uint8).reshape(len(bits), len(self.outputs))

    def check(self) -> None:
        """IRError unless drivers come before users and each gate has a signal for each weight."""
        for k, placed in enumerate(self.gates, self.first_gate):
            if len(placed.inputs) != placed.gate.fan_in:
                raise IRError(f"gate {k} of {self.name} has {placed.gate.fan_in} weights")
            if any(not 0 <= x < k for x in placed.inputs):
                raise IRError(f"gate {k} of {self.name} reads a signal that comes after it")
        total = self.first_gate + len(self.gates)
        if any(not 0 <= x < total for x in self.ends) or len(self.drivers) != len(self.outputs):
            raise IRError(f"an output of {self.name} is no signal")


def constant_gate(value: int) -> ThresholdGate:
    """The gate without inputs that answers `value`."""
    return ThresholdGate((), 1 - value)


def histogram(netlist: ThresholdNetlist) -> dict[int, int]:
    """How many gates there are of each fan-in, the smallest first."""
    counts: dict[int, int] = {}
    for placed in netlist.gates:
        counts[placed.gate.fan_in] = counts.get(placed.gate.fan_in, 0) + 1
    return dict(sorted(counts.items()))
