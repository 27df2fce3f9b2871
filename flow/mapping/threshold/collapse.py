"""Merges threshold gates into those that read them, so that fewer gates remain.

A gate disappears where every reader can take over its inputs. Weights of the merged gate are a
multiple of one gate's and a multiple of the other's, whose ratio lies between bounds that the sums
the gates can reach give exactly (Lee and Jiang, "Constraint Solving for Synthesis and Verification
of Threshold Logic Circuits", 2021, theorem 1); for few inputs the composed truth table is
recognised anew, which finds every merged gate that there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import gcd

from flow.ir.threshold import PlacedGate, ThresholdGate, ThresholdNetlist
from flow.mapping.threshold.recognise import EXACT_INPUTS, recognise

LARGEST_SUM = 1 << 14
"""Gates whose weights sum to more are not merged: their sums would take too long to list."""


@dataclass(frozen=True)
class CollapseOptions:
    """Inputs of a gate at most, None for any number; readers of a merged gate at most."""

    limit: int | None = None
    readers: int = 40
    rounds: int = 8


def collapse(netlist: ThresholdNetlist, options: CollapseOptions | None = None) -> ThresholdNetlist:
    """The netlist with as many gates merged into their readers as one after the other allow."""
    options = options or CollapseOptions()
    work = _Work.of(netlist)
    for most in _bounds(options.readers):
        for _ in range(options.rounds):
            done = 0
            for signal in work.order():
                if signal in work.gates and len(work.readers[signal]) <= most:
                    done += _merge_away(work, signal, options.limit)
            if not done:
                break
    return work.finish()


def _bounds(readers: int) -> Iterator[int]:
    bound = 1
    while bound < readers:
        yield bound
        bound *= 2
    yield readers


Gate = tuple[tuple[int, ...], ThresholdGate]
"""The signals at the inputs, all different, and the gate."""


@dataclass
class _Work:
    """A netlist that is being changed: gates by their signal, and who reads each signal."""

    netlist: ThresholdNetlist
    gates: dict[int, Gate]
    readers: dict[int, set[int]]
    kept: set[int]

    @staticmethod
    def of(netlist: ThresholdNetlist) -> _Work:
        first = netlist.first_gate
        gates = {k: tidy(g.inputs, g.gate) for k, g in enumerate(netlist.gates, first)}
        readers: dict[int, set[int]] = {k: set() for k in range(first + len(netlist.gates))}
        for k, (inputs, _) in gates.items():
            for x in inputs:
                readers[x].add(k)
        return _Work(netlist, gates, readers, set(netlist.ends))

    def order(self) -> list[int]:
        """The gates, drivers before users."""
        return sorted(self.gates)

    def replace(self, signal: int, gate: Gate) -> None:
        for x in self.gates[signal][0]:
            self.readers[x].discard(signal)
        self.gates[signal] = gate
        for x in gate[0]:
            self.readers[x].add(signal)

    def remove(self, signal: int) -> None:
        """Take away a gate that nobody reads, and those that only it has read."""
        stack = [signal]
        while stack:
            k = stack.pop()
            inputs, _ = self.gates.pop(k)
            for x in inputs:
                self.readers[x].discard(k)
                if x in self.gates and not self.readers[x] and x not in self.kept:
                    stack.append(x)

    def finish(self) -> ThresholdNetlist:
        """The gates that are left, in an order in which drivers come before users."""
        first = self.netlist.first_gate
        number = {k: k for k in range(first)}
        placed: list[PlacedGate] = []
        for k in self.order():
            inputs, gate = self.gates[k]
            number[k] = first + len(placed)
            placed.append(PlacedGate(gate, tuple(number[x] for x in inputs)))
        return renumbered(self.netlist, placed, number)


def renumbered(
    netlist: ThresholdNetlist, placed: Sequence[PlacedGate], number: dict[int, int]
) -> ThresholdNetlist:
    """The netlist with other gates; `number` has the new signal of each end."""
    return replace(
        netlist,
        gates=tuple(placed),
        drivers=tuple(number[x] for x in netlist.drivers),
        flipflops=tuple(replace(f, data=number[f.data]) for f in netlist.flipflops),
    )


def _merge_away(work: _Work, signal: int, limit: int | None) -> bool:
    """Merge a gate into all that read it, if all can be; whether they could."""
    if signal in work.kept or not work.gates[signal][0]:
        return False
    lower = work.gates[signal]
    found: dict[int, Gate] = {}
    for reader in sorted(work.readers[signal]):
        gate = merged(lower, signal, work.gates[reader], limit)
        if gate is None:
            return False
        found[reader] = gate
    for reader, gate in found.items():
        work.replace(reader, gate)
    work.remove(signal)
    return True


@lru_cache(maxsize=1 << 15)
def merged(lower: Gate, signal: int, upper: Gate, limit: int | None) -> Gate | None:
    """The gate that answers as `upper` with `lower` at the input `signal`; None where none is
    found or it has more inputs than the limit."""
    union = dict.fromkeys([x for x in upper[0] if x != signal])
    union |= dict.fromkeys(lower[0])
    if limit is not None and len(union) > max(limit, EXACT_INPUTS):
        return None
    inputs, composed = tuple(union), None
    if len(inputs) <= EXACT_INPUTS:
        composed = recognise(composed_table(lower, signal, upper, inputs), len(inputs))
    else:
        composed = _by_ratio(lower, signal, upper, inputs)
    if composed is None:
        return None
    gate = tidy(inputs, composed)
    return None if limit is not None and gate[1].fan_in > limit else gate


def tidy(inputs: Sequence[int], gate: ThresholdGate) -> Gate:
    """The gate with each signal at one input, without those of weight 0."""
    weights: dict[int, int] = {}
    for x, w in zip(inputs, gate.weights, strict=True):
        weights[x] = weights.get(x, 0) + w
    kept = {x: w for x, w in sorted(weights.items()) if w}
    divisor = gcd(*kept.values()) or 1
    threshold = -(-gate.threshold // divisor)
    return tuple(kept), ThresholdGate(tuple(w // divisor for w in kept.values()), threshold)


def composed_table(lower: Gate, signal: int, upper: Gate, inputs: Sequence[int]) -> int:
    """The truth table of `upper` with `lower` at the input `signal`, over the inputs."""
    import numpy as np

    place = {x: i for i, x in enumerate(inputs)}
    index = np.arange(1 << len(inputs))

    def sums(gate: Gate) -> object:
        total = np.zeros(len(index), dtype=np.int64)
        for x, w in zip(gate[0], gate[1].weights, strict=True):
            if x != signal:
                total += w * (index >> place[x] & 1)
        return total

    below = np.asarray(sums(lower)) >= lower[1].threshold
    weight = dict(zip(upper[0], upper[1].weights, strict=True))[signal]
    flags = np.asarray(sums(upper)) + weight * below >= upper[1].threshold
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def _by_ratio(lower: Gate, signal: int, upper: Gate, inputs: Sequence[int]) -> ThresholdGate | None:
    """The merged gate k * lower + l * (upper without the signal) by the bounds of theorem 1."""
    weight = dict(zip(upper[0], upper[1].weights, strict=True))[signal]
    below, gate = lower[1], upper[1]
    if weight < 0:
        below = below.inverted()
        gate = gate.with_inverted_input(upper[0].index(signal))
        weight = -weight
    rest = [(x, w) for x, w in zip(upper[0], gate.weights, strict=True) if x != signal]
    ratio = merge_ratio(below, tuple(w for _, w in rest), weight, gate.threshold)
    if ratio is None:
        return None
    k, times = ratio
    weights = dict.fromkeys(inputs, 0)
    for x, w in zip(lower[0], below.weights, strict=True):
        weights[x] += k * w
    for x, w in rest:
        weights[x] += times * w
    threshold = k * below.threshold + times * (gate.threshold - weight)
    return ThresholdGate(tuple(weights[x] for x in inputs), threshold)


@lru_cache(maxsize=1 << 14)
def merge_ratio(
    lower: ThresholdGate, rest: tuple[int, ...], weight: int, threshold: int
) -> tuple[int, int] | None:
    """The smallest (k, l) for which k * lower and l times the other weights make the merged gate.

    `rest` and `threshold` are those of the reader, which reads the lower gate by a positive
    `weight`. Exact where both gates have no input in common, else sufficient; None where no pair
    is right, or a gate is too large to tell.
    """
    sizes = sum(map(abs, lower.weights)), sum(map(abs, rest)) + weight
    if max(sizes) > LARGEST_SUM or lower.constant is not None:
        return None
    own, other = _reachable(lower.weights), _reachable(rest)
    limit = threshold - weight
    low = _below(other, threshold)  # The largest sum of the others that alone is not enough.
    # Too little with the lower gate: k (most - T) < l (limit - sum).
    ceilings: list[tuple[int, int, bool]] = []
    if (short := _below(other, limit)) is not None and lower.most > lower.threshold:
        ceilings.append((limit - short, lower.most - lower.threshold, False))
    # Enough without it: k (T - least) <= l (sum - limit).
    if (enough := _above(other, threshold)) is not None:
        ceilings.append((enough - limit, lower.threshold - lower.least, True))
    # Not enough without it: k (T - next) > l (sum - limit).
    following = _below(own, lower.threshold)
    assert following is not None, "the lower gate is no constant"
    floor = (low - limit, lower.threshold - following) if low is not None else (-1, 1)
    return _simplest(floor, ceilings)


def _simplest(
    floor: tuple[int, int], ceilings: Sequence[tuple[int, int, bool]]
) -> tuple[int, int] | None:
    """The (k, l), both positive and small, with k / l above the floor and below the ceilings."""

    def fits(k: int, times: int) -> int:
        """-1 where the ratio is too small, 1 where it is too large, else 0."""
        if k * floor[1] <= times * floor[0]:
            return -1
        for top, bottom, closed in ceilings:
            if k * bottom > times * top or (k * bottom == times * top and not closed):
                return 1
        return 0

    left, right = (0, 1), (1, 0)
    while True:  # Down the tree of Stern and Brocot: the simplest fraction comes first.
        k, times = left[0] + right[0], left[1] + right[1]
        if max(k, times) > LARGEST_SUM:
            return None
        side = fits(k, times)
        if not side:
            return k, times
        if side < 0:
            left = (k, times)
        else:
            right = (k, times)


def _reachable(weights: Sequence[int]) -> tuple[int, int]:
    """The sums that the weights can have: the smallest, and a bit for each above it."""
    bits, least = 1, 0
    for w in weights:
        bits |= bits << abs(w)
        least += min(w, 0)
    return least, bits


def _below(sums: tuple[int, int], bound: int) -> int | None:
    """The largest of the sums that is less than the bound."""
    least, bits = sums
    if bound <= least:
        return None
    return least + (bits & (1 << (bound - least)) - 1).bit_length() - 1


def _above(sums: tuple[int, int], bound: int) -> int | None:
    """The smallest of the sums that is not less than the bound."""
    least, bits = sums
    rest = bits >> max(bound - least, 0)
    if not rest:
        return None
    return max(bound, least) + (rest & -rest).bit_length() - 1
