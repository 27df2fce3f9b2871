"""Threshold gates of any fan-in, as neurons are, made simple and made of gates of few inputs.

A wide gate is a weighted count of bits that reaches a threshold. Counters of up to 2^k - 1 bits of
one weight give their count as k bits, each a threshold gate that reads the higher bits too
(R. Minnick, "Linear-Input Logic", IRE Trans. EC-10, 1961), until each weight has one bit; those
are compared with the threshold from the lowest to the highest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flow.errors import UsageError
from flow.ir.threshold import (
    FlipFlop,
    PlacedGate,
    ThresholdGate,
    ThresholdNetlist,
    constant_gate,
)
from flow.ir.threshold_text import signal_names
from flow.mapping.threshold.collapse import tidy
from flow.mapping.threshold.recognise import EXACT_INPUTS, recognise

LEAST_LIMIT = 4
"""The sum bit of a counter of three reads them and the carry."""

Literal = tuple[int, bool]
"""A signal, and whether it is read inverted."""


@dataclass
class _Maker:
    """The gates so far; `value` has for each signal of the source a literal, or a constant."""

    first: int
    gates: list[PlacedGate] = field(default_factory=list)
    value: dict[int, Literal | int] = field(default_factory=dict)
    known: dict[tuple[tuple[int, ...], ThresholdGate], int] = field(default_factory=dict)

    def add(self, gate: ThresholdGate, inputs: Sequence[int], name: str) -> int:
        """The signal of a gate, which may be there already."""
        key = (tuple(inputs), gate)
        if key not in self.known:
            self.gates.append(PlacedGate(gate, tuple(inputs), name))
            self.known[key] = self.first + len(self.gates) - 1
        return self.known[key]

    def read(self, gate: ThresholdGate, literals: Sequence[Literal], name: str) -> int:
        """The signal of a new gate on literals."""
        flips = [inverted for _, inverted in literals]
        weights = tuple(-w if flip else w for w, flip in zip(gate.weights, flips, strict=True))
        negative = sum(w for w, flip in zip(gate.weights, flips, strict=True) if flip)
        made = ThresholdGate(weights, gate.threshold - negative)
        self.gates.append(PlacedGate(made, tuple(signal for signal, _ in literals), name))
        return self.first + len(self.gates) - 1


def map_neurons(netlist: ThresholdNetlist, limit: int | None = None) -> ThresholdNetlist:
    """The netlist without constants, copies and inputs of weight 0, in gates of `limit` inputs.

    The gate that answers as one of the source has its name. None leaves the fan-ins.
    UsageError where the limit is less than LEAST_LIMIT and a gate has more inputs.
    """
    names = signal_names(netlist)
    maker = _Maker(netlist.first_gate)
    maker.value = {k: (k, False) for k in range(netlist.first_gate)}
    for k, placed in enumerate(netlist.gates, netlist.first_gate):
        maker.value[k] = _simplified(maker, placed, names[k], limit)

    def end(signal: int) -> int:
        found = maker.value[signal]
        if isinstance(found, int):
            return maker.add(constant_gate(found), (), names[signal])
        if found[1]:
            return maker.add(ThresholdGate((-1,), 0), (found[0],), names[signal])
        return found[0]

    drivers = tuple(end(x) for x in netlist.drivers)
    taken = tuple(end(f.data) for f in netlist.flipflops)
    flipflops = tuple(
        FlipFlop(f.name, data, f.initial) for f, data in zip(netlist.flipflops, taken, strict=True)
    )
    whole = replace(netlist, gates=tuple(maker.gates), drivers=drivers, flipflops=flipflops)
    return without_unread(whole)


def _simplified(maker: _Maker, placed: PlacedGate, name: str, limit: int | None) -> Literal | int:
    """What a gate of the source is: a constant, a literal, or the signal of new gates."""
    inputs, weights, threshold = list[int](), list[int](), placed.gate.threshold
    for x, w in zip(placed.inputs, placed.gate.weights, strict=True):
        found = maker.value[x]
        if isinstance(found, int):
            threshold -= w * found
            continue
        signal, inverted = found
        inputs.append(signal)
        weights.append(-w if inverted else w)
        threshold -= w if inverted else 0
    signals, gate = tidy(inputs, ThresholdGate(tuple(weights), threshold))
    if gate.constant is not None:
        return gate.constant
    if gate.fan_in <= EXACT_INPUTS:
        small = recognise(gate.table(), gate.fan_in)
        assert small is not None, "a gate is a threshold function"
        signals, gate = tidy(signals, small)
    if gate.fan_in == 1:
        return signals[0], gate.weights[0] < 0
    if limit is None or gate.fan_in <= limit:
        return maker.add(gate, signals, name), False
    if limit < LEAST_LIMIT:
        raise UsageError(
            f"a gate of {gate.fan_in} inputs cannot be made of gates of {limit}",
            where=name,
            hint=f"allow {LEAST_LIMIT} inputs or more",
        )
    return _counted(maker, signals, gate, name, limit), False


def _counted(
    maker: _Maker, signals: Sequence[int], gate: ThresholdGate, name: str, limit: int
) -> int:
    """The signal of a wide gate, made of counters and a comparison."""
    positive, flips = gate.positive()
    columns: dict[int, list[Literal]] = {}
    for x, w, flip in zip(signals, positive.weights, flips, strict=True):
        for j in range(w.bit_length()):
            if w >> j & 1:
                columns.setdefault(j, []).append((x, flip))
    j = 0
    counters = 0
    while j <= max(columns):
        row = columns.setdefault(j, [])
        while len(row) > 1:
            taken = row[: _counter_size(len(row), limit)]
            del row[: len(taken)]
            bits = _counter(maker, taken, f"{name}.{counters}.{j}")
            counters += 1
            for k, signal in enumerate(bits):
                columns.setdefault(j + k, []).append((signal, False))
        j += 1
    digits = [(j, row[0]) for j, row in sorted(columns.items()) if row]
    return _compared(maker, digits, positive.threshold, name, limit)


def _counter_size(bits: int, limit: int) -> int:
    """How many bits a counter takes: its gates read them and its higher bits."""
    size = min(bits, 7, limit - 2) if limit >= 6 else 3
    return min(bits, max(size, 3))


def _counter(maker: _Maker, bits: Sequence[Literal], name: str) -> list[int]:
    """The count of some bits as signals, the lowest first."""
    digits = len(bits).bit_length()
    higher: list[Literal] = []
    found: list[int] = []
    for k in range(digits - 1, -1, -1):
        weights = [1] * len(bits) + [-(1 << i) for i in range(digits - 1, k, -1)]
        gate = ThresholdGate(tuple(weights), 1 << k)
        found.insert(0, maker.read(gate, [*bits, *higher], f"{name}.{k}"))
        higher.append((found[0], False))
    return found


def _compared(
    maker: _Maker, digits: Sequence[tuple[int, Literal]], threshold: int, name: str, limit: int
) -> int:
    """Whether a number of single bits reaches a threshold, from its lowest digits up."""
    rest, part = list(digits), 0
    # Whether the digits so far reach what the threshold has at their places: a bit, or known.
    below: Literal | int = int(not threshold & ((1 << rest[0][0]) - 1))
    while True:
        room = limit - (not isinstance(below, int))
        taken, rest = rest[:room], rest[room:]
        base = taken[0][0]
        need = (threshold >> base) + 1
        weights = [1 << (j - base) for j, _ in taken]
        literals = [literal for _, literal in taken]
        if isinstance(below, int):
            need -= below
        else:
            weights, literals = [*weights, 1], [*literals, below]
        if rest:  # What the threshold has above is left to the digits there.
            top = rest[0][0]
            need -= threshold >> top << (top - base)
        gate = ThresholdGate(tuple(weights), need)
        if not rest:
            return maker.read(gate, literals, name)
        if (known := gate.constant) is not None:
            below = known
        else:
            below = (maker.read(gate, literals, f"{name}.c.{part}"), False)
        part += 1


def without_unread(netlist: ThresholdNetlist) -> ThresholdNetlist:
    """The netlist less the gates that nothing reads."""
    first = netlist.first_gate
    used = set(netlist.ends)
    for k in range(len(netlist.gates) - 1, -1, -1):
        if first + k in used:
            used.update(netlist.gates[k].inputs)
    number = {k: k for k in range(first)}
    placed: list[PlacedGate] = []
    for k, gate in enumerate(netlist.gates, first):
        if k in used:
            number[k] = first + len(placed)
            placed.append(replace(gate, inputs=tuple(number[x] for x in gate.inputs)))
    return replace(
        netlist,
        gates=tuple(placed),
        drivers=tuple(number[x] for x in netlist.drivers),
        flipflops=tuple(replace(f, data=number[f.data]) for f in netlist.flipflops),
    )
