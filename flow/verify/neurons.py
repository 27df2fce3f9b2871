"""Proves wide threshold gates equal to what was made of them, by integers alone.

A gate is compared with the gate of its name, over the signals of the same names: equal weights, a
tree of both for few inputs, or, for many, an integer program that looks for an input where they
differ (the two pseudo-Boolean constraints of a gate: Lee and Jiang, "Constraint Solving for
Synthesis and Verification of Threshold Logic Circuits", 2021, section VI). Where counters were
put before the gate, each is shown to count for all of its inputs, which replaces its inputs in
the weighted sum by its bits; what is left is few bits, all of whose values are tried.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from flow.ir.threshold import ThresholdGate, ThresholdNetlist
from flow.ir.threshold_text import signal_names
from flow.verify.mutants import unrefused
from flow.verify.threshold import mutants
from flow.verify.verdict import Verdict

Answer = Literal["proved", "disproved", "timed out"]

TABLE_BITS = 16
"""So many bits are tried in all their values."""
CHECK = "threshold netlist = given gates"
SAMPLES = 512


def prove_neurons(
    given: ThresholdNetlist, made: ThresholdNetlist, *, timeout_s: float = 300.0, seed: int = 1
) -> Verdict:
    """Whether a netlist answers as the given gates, for every input and state.

    Each given gate is proved on its own, over signals that have the same name in both. One mutant
    of each kind is tried first: CheckFailed where one is not refused.
    """
    begin = time.monotonic()
    refused = 0
    for mutant in mutants(made, seed):
        status, _ = _compare(given, mutant.netlist, begin + timeout_s)
        if (late := unrefused(status, CHECK, mutant.change, begin)) is not None:
            return late
        refused += 1
    status, detail = _compare(given, made, begin + timeout_s)
    if status == "proved":
        detail = f"{detail}; {refused} mutants refused"
    return Verdict(CHECK, status, detail, time.monotonic() - begin)


def _compare(
    given: ThresholdNetlist, made: ThresholdNetlist, deadline: float
) -> tuple[Answer, str]:
    found = _different(given, made)
    if found is not None:
        return "disproved", found
    cones = _Cones(given, made)
    ways: dict[str, int] = {}
    for name in cones.order:
        if time.monotonic() > deadline:
            return "timed out", f"at the gate {name}"
        answer, way = cones.prove(name, deadline)
        if answer != "proved":
            return answer, f"the gate {name}: {way}"
        ways[way] = ways.get(way, 0) + 1
    return cones.ends(), ", ".join(f"{count} gates by {way}" for way, count in sorted(ways.items()))


def _different(given: ThresholdNetlist, made: ThresholdNetlist) -> str | None:
    """What differs at the ports, or at simulated samples; None where nothing does."""
    if (given.inputs, given.outputs) != (made.inputs, made.outputs):
        return "the ports have other names"
    if [(f.name, f.initial) for f in given.flipflops] != [
        (f.name, f.initial) for f in made.flipflops
    ]:
        return "the flip-flops are others"
    bits = np.random.default_rng(1).integers(0, 2, (SAMPLES, given.first_gate), dtype=np.uint8)
    differ = np.argwhere(given.evaluate(bits) != made.evaluate(bits))
    return f"sample {differ[0][0]} of {SAMPLES} differs" if len(differ) else None


Form = dict[int, int]
"""A weighted sum of signals of the made netlist, each by its weight; -1 is the constant."""
ONE = -1


@dataclass
class _Cones:
    """Both netlists; `same` has the weighted signal or constant that each given signal is."""

    given: ThresholdNetlist
    made: ThresholdNetlist
    order: list[str] = field(default_factory=list)
    same: dict[int, tuple[int, bool] | int] = field(default_factory=dict)
    strangers: int = ONE

    def __post_init__(self) -> None:
        self.names = signal_names(self.given)
        reached = _reached(self.given)
        self.order = [
            self.names[k] for k in range(self.given.first_gate, len(self.names)) if k in reached
        ]
        self.place = {name: k for k, name in enumerate(self.names)}
        self.same = {k: (k, False) for k in range(self.given.first_gate)}
        first = self.made.first_gate
        self.called = {g.name: first + k for k, g in enumerate(self.made.gates)}
        self.others = _all_names(self.given, self.names)

    def form(self, signal: int) -> tuple[Form, int]:
        """The sum of a given gate over the made netlist, and its threshold."""
        placed = self.given.gates[signal - self.given.first_gate]
        form: Form = {}
        threshold = placed.gate.threshold
        for x, w in zip(placed.inputs, placed.gate.weights, strict=True):
            found = self.same[x]
            if isinstance(found, int):
                threshold -= w * found
            else:
                other, inverted = found
                form[other] = form.get(other, 0) + (-w if inverted else w)
                threshold -= w if inverted else 0
        return {x: w for x, w in form.items() if w}, threshold

    def prove(self, name: str, deadline: float) -> tuple[Answer, str]:
        """Whether the gate of that name answers as given; remember what it is."""
        signal = self.place[name]
        form, threshold = self.form(signal)
        gate = ThresholdGate(tuple(form.values()), threshold)
        if gate.constant is not None:
            self.same[signal] = gate.constant
            return "proved", "constants"
        if len(form) == 1:
            ((other, weight),) = form.items()
            self.same[signal] = (other, weight < 0)
            return "proved", "copies"
        known = (self.called[other] for other in self.others[signal] if other in self.called)
        target = next(known, None)
        if target is None:
            target = self._equal(form, gate)
            if target is None:
                return "timed out", "it is not there, and no gate is known to be equal"
        self.same[signal] = (target, False)
        return self._prove_gate(form, threshold, target, deadline)

    def _equal(self, form: Form, gate: ThresholdGate) -> int | None:
        """A gate of the made netlist that the form is, by its inputs: equal gates became one."""
        for known, other in self.same.items():
            if known >= self.given.first_gate and not isinstance(other, int):
                found, threshold = self.form(known)
                if found == form and threshold == gate.threshold:
                    return other[0]
        return None

    def _prove_gate(
        self, form: Form, threshold: int, target: int, deadline: float
    ) -> tuple[Answer, str]:
        first = self.made.first_gate
        placed = self.made.gates[target - first]
        if set(placed.inputs) <= set(form):
            own = dict(zip(placed.inputs, placed.gate.weights, strict=True))
            left = ThresholdGate(tuple(form.values()), threshold)
            right = ThresholdGate(tuple(own.get(x, 0) for x in form), placed.gate.threshold)
            return gates_equal(left, right, deadline - time.monotonic())
        return self._prove_cone(form, threshold, target)

    def _prove_cone(self, form: Form, threshold: int, target: int) -> tuple[Answer, str]:
        """The counters of a cone replace their inputs in the form; what is left is tried."""
        cone = self._cone(target, set(form))
        if cone is None:
            return "timed out", "it reads signals that the given gate does not"
        groups: dict[tuple[str, ...], list[int]] = {}
        for k in cone:
            parts = tuple(self.made.gates[k - self.made.first_gate].name.rsplit(".", 3))
            if len(parts) == 4 and parts[2].isdigit() and parts[3].isdigit():
                groups.setdefault(parts[:3], []).append(k)
        left = dict(form)
        counted: set[int] = set()
        for parts, bits in groups.items():
            identity = self._counter({int(self._digit(k)): k for k in bits})
            if identity is None:
                continue
            counted |= set(bits)
            scale = 1 << int(parts[2])
            for x, w in identity.items():
                left[x] = left.get(x, 0) + scale * w
        constant = left.pop(ONE, 0)
        left = {x: w for x, w in left.items() if w}
        rest = [k for k in cone if k not in counted]
        return self._try_all(left, threshold - constant, rest, target)

    def _digit(self, k: int) -> str:
        return self.made.gates[k - self.made.first_gate].name.rsplit(".", 1)[1]

    def _cone(self, target: int, ends: set[int]) -> list[int] | None:
        """The gates between some signals and a gate, drivers first; None where it reads others."""
        first, found, stack = self.made.first_gate, set[int](), [target]
        while stack:
            k = stack.pop()
            if k in ends or k in found:
                continue
            if k < first:
                return None
            found.add(k)
            stack += self.made.gates[k - first].inputs
        return sorted(found)

    def _counter(self, bits: dict[int, int]) -> Form | None:
        """sum(2^k * bit k) - sum(inputs) as a form that is 0 for every input; None if it is not.

        `bits` has the gates by their k. Inputs that they read by a negative weight count where
        they are 0. A bit that nobody reads is not there: any signal of its own stands for it.
        """
        first, digits = self.made.first_gate, sorted(bits)
        gates = [self.made.gates[bits[k] - first] for k in digits]
        own = [bits[k] for k in digits]
        signs = dict(zip(gates[-1].inputs, gates[-1].gate.weights, strict=True))
        inputs = [x for x in gates[-1].inputs if x not in own]
        place = {x: i for i, x in enumerate((*inputs, *own))}
        if any(x not in place for gate in gates for x in gate.inputs) or len(inputs) > 8:
            return None
        key = tuple(
            (k, tuple(place[x] for x in gate.inputs), gate.gate)
            for k, gate in zip(digits, gates, strict=True)
        )
        if not _counts(key, tuple(signs[x] < 0 for x in inputs)):
            return None
        form: Form = {}
        for k in range(len(inputs).bit_length()):
            if k not in bits:
                self.strangers -= 1
            form[bits.get(k, self.strangers)] = 1 << k
        for x in inputs:
            form[x] = form.get(x, 0) + (1 if signs[x] < 0 else -1)
        form[ONE] = -sum(signs[x] < 0 for x in inputs)
        return form

    def _try_all(
        self, left: Form, threshold: int, rest: Sequence[int], target: int
    ) -> tuple[Answer, str]:
        """The gates that are left against the form that is left, for all values of its signals."""
        first = self.made.first_gate
        reads = {x for k in rest for x in self.made.gates[k - first].inputs} - set(rest)
        signals = sorted(set(left) | reads)
        if len(signals) > TABLE_BITS:
            return "timed out", f"{len(signals)} bits are left behind the counters"
        place = {x: i for i, x in enumerate(signals)}
        key = tuple(
            (k, self.made.gates[k - first].inputs, self.made.gates[k - first].gate) for k in rest
        )
        local = {x: i for i, x in enumerate((*signals, *rest))}
        gates = tuple((tuple(local[x] for x in inputs), gate) for _, inputs, gate in key)
        form = tuple((place[x], w) for x, w in sorted(left.items()))
        if _reaches(len(signals), gates, form, threshold):
            return "proved", "counters"
        return "timed out", "the comparison behind the counters is another"

    def ends(self) -> Answer:
        """Whether outputs and flip-flops take what is given."""
        first = self.made.first_gate
        for mine, theirs in zip(self.given.ends, self.made.ends, strict=True):
            found = self.same[mine]
            if isinstance(found, int):
                placed = self.made.gates[theirs - first] if theirs >= first else None
                if placed is None or placed.inputs or placed.gate.constant != found:
                    return "disproved"
            elif found[1]:
                placed = self.made.gates[theirs - first] if theirs >= first else None
                same = placed is not None and placed.inputs == (found[0],)
                if not same or placed is None or placed.gate != ThresholdGate((-1,), 0):
                    return "disproved"
            elif theirs != found[0]:
                return "disproved"
        return "proved"


def _reached(netlist: ThresholdNetlist) -> set[int]:
    """The signals that outputs and flip-flops depend on."""
    found = set(netlist.ends)
    for k in range(len(netlist.gates) - 1, -1, -1):
        if netlist.first_gate + k in found:
            placed = netlist.gates[k]
            pairs = zip(placed.inputs, placed.gate.weights, strict=True)
            found.update(x for x, w in pairs if w)
    return found


def _all_names(netlist: ThresholdNetlist, names: Sequence[str]) -> list[list[str]]:
    """The names of each signal: its own, those of outputs that it drives, those of its copies."""
    found = [[name] for name in names]
    for name, driver in zip(netlist.outputs, netlist.drivers, strict=True):
        found[driver].append(name)
    for k in range(len(netlist.gates) - 1, -1, -1):
        placed = netlist.gates[k]
        if placed.gate.weights == (1,) and placed.gate.threshold == 1:
            found[placed.inputs[0]] += found[netlist.first_gate + k]
    return found


@lru_cache(maxsize=1 << 12)
def _counts(
    gates: tuple[tuple[int, tuple[int, ...], ThresholdGate], ...], inverted: tuple[bool, ...]
) -> bool:
    """Whether gates give bits of the count of some inputs; tried for all inputs.

    A gate is given with the number of its bit, the lowest first; it reads inputs, and the gates
    after it.
    """
    count = len(inverted)
    index = np.arange(1 << count)
    values: dict[int, Any] = {i: index >> i & 1 for i in range(count)}
    wanted: Any = sum((1 - values[i]) if flip else values[i] for i, flip in enumerate(inverted))
    for place in range(len(gates) - 1, -1, -1):
        k, inputs, gate = gates[place]
        if any(x not in values for x in inputs):
            return False
        total: Any = sum(w * values[x] for x, w in zip(inputs, gate.weights, strict=True))
        bit = (total >= gate.threshold).astype(np.int64)
        if not np.array_equal(bit, wanted >> k & 1):
            return False
        values[count + place] = bit
    return True


@lru_cache(maxsize=1 << 12)
def _reaches(
    bits: int,
    gates: tuple[tuple[tuple[int, ...], ThresholdGate], ...],
    form: tuple[tuple[int, int], ...],
    threshold: int,
) -> bool:
    """Whether the last gate is 1 exactly where the form reaches the threshold."""
    index = np.arange(1 << bits)
    values: list[Any] = [index >> i & 1 for i in range(bits)]
    for inputs, gate in gates:
        total = np.zeros(len(index), dtype=np.int64)
        for x, w in zip(inputs, gate.weights, strict=True):
            total += w * values[x]
        values.append((total >= gate.threshold).astype(np.int64))
    total = np.zeros(len(index), dtype=np.int64)
    for x, w in form:
        total += w * values[x]
    return bool(((total >= threshold) == values[-1].astype(bool)).all())


def gates_equal(
    left: ThresholdGate, right: ThresholdGate, timeout_s: float = 60.0
) -> tuple[Answer, str]:
    """Whether two gates over the same inputs answer alike, and by what that is known."""
    if left == right:
        return "proved", "equal weights"
    if left.fan_in <= TABLE_BITS:
        same = left.table() == right.table()
        return ("proved" if same else "disproved"), "truth tables"
    for on, off in ((left, right), (right, left)):
        answer = _apart(on, off, timeout_s)
        if answer != "proved":
            return answer, "integer constraints"
    return "proved", "integer constraints"


def _apart(on: ThresholdGate, off: ThresholdGate, timeout_s: float) -> Answer:
    """proved where no input makes the first gate 1 and the second 0."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    count = on.fan_in
    rows = np.array([on.weights, off.weights], dtype=float)
    found: Any = milp(
        np.zeros(count),
        constraints=[LinearConstraint(rows, [on.threshold, -np.inf], [np.inf, off.threshold - 1])],
        integrality=np.ones(count),
        bounds=Bounds(0, 1),
        options={"time_limit": max(timeout_s, 0.1)},
    )
    if found.status == 2:
        return "proved"
    if found.x is None:
        return "timed out"
    bits = [round(x) for x in found.x]
    return "disproved" if on.answer(bits) and not off.answer(bits) else "timed out"
