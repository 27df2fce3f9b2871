"""Flip-flops and the logic in front of them as clocked threshold cells; the rest stays gates.

For each flip-flop the cuts of its data are tried whose function is a threshold function: the cell
takes the place of the flip-flop and of the gates that nothing else reads (N. Kulkarni et al.,
IEEE TVLSI 24(9), 2016). Gates that something else reads stay where they are: the cell has them
once more at no cost, as its size does not depend on its function.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache

from flow.ir.aig import TRUE, Aig, AigBuilder
from flow.ir.threshold import ThresholdGate
from flow.mapping.flash.functions import MOST_INPUTS
from flow.mapping.threshold.recognise import recognise

MOST_CUTS = 60
"""Sets of leaves that are looked at for one flip-flop."""

_SLACK = 1
"""Leaves above the limit that a set may have on its way to one within it."""

_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Prices:
    """What a choice costs, all in one unit: a flip-flop, an AND of the graph, a cell, and an
    inverter."""

    flipflop: float
    gate: float
    cell: float
    inverter: float


@dataclass(frozen=True, slots=True)
class FlashFlipFlop:
    """A clocked threshold cell: it holds `Q:name`; its inputs are outputs of the remaining graph.

    The gate has positive weights, the largest first.
    """

    name: str
    gate: ThresholdGate
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Absorption:
    """The cells, and the graph of what stays: with `D:x` of other flip-flops and inputs of cells.

    `flipflops` counts all of the design; `moved` the gates that only cells had read.
    """

    cells: tuple[FlashFlipFlop, ...]
    rest: Aig
    flipflops: int
    moved: int

    @property
    def share(self) -> float:
        """The flip-flops that became cells, 0 to 1."""
        return len(self.cells) / self.flipflops if self.flipflops else 0.0


@dataclass(frozen=True, slots=True)
class _Choice:
    gate: ThresholdGate
    leaves: tuple[int, ...]
    """Literals: odd ones come inverted to the cell."""


def absorb(
    aig: Aig,
    prices: Prices,
    most_inputs: int = MOST_INPUTS,
    least_inputs: int = 2,
    keep: Collection[str] = (),
) -> Absorption:
    """Make cells of the flip-flops (`Q:x` with `D:x`) where that saves; those of `keep` stay.

    A cell has `least_inputs` to `most_inputs` inputs. Greedy, in the order of the flip-flops,
    until a round changes nothing.
    """
    driver = dict(zip(aig.outputs, aig.literals, strict=True))
    held = [name[2:] for name in aig.inputs if name.startswith("Q:")]
    open_to_cells = [x for x in held if x not in keep and driver[f"D:{x}"] >> 1 >= aig.first_gate]
    sums = _sums(aig) if most_inputs >= 4 else {}
    choices = {
        x: sums.get(root) or tuple(_choices(aig, root, most_inputs, least_inputs))
        for x in open_to_cells
        for root in (driver[f"D:{x}"],)
    }
    count = _Count(aig)
    chosen: dict[str, _Choice] = {}
    for _ in range(_ROUNDS):
        changed = False
        for name in open_to_cells:
            root = driver[f"D:{name}"] >> 1
            old = chosen.pop(name, None)
            if old is not None:
                count.add(root)
                count.drop_all(x >> 1 for x in old.leaves)
            best, most = None, 1e-9
            for choice in choices[name]:
                inverted = sum(x & 1 for x in choice.leaves)
                gain = prices.flipflop - prices.cell - inverted * prices.inverter
                gain += prices.gate * count.freed(root, [x >> 1 for x in choice.leaves])
                if gain > most:
                    best, most = choice, gain
            if best is not None:
                count.add_all(x >> 1 for x in best.leaves)
                count.drop(root)
                chosen[name] = best
            changed |= best != old
        if not changed:
            break
    return _split(aig, chosen, held, driver)


def _choices(aig: Aig, root: int, most: int, least: int) -> Iterator[_Choice]:
    """The cuts of a literal whose function is a threshold function, small ones first."""
    seen: set[tuple[int, ...]] = {(root >> 1,)}
    queue: list[tuple[int, ...]] = [(root >> 1,)]
    for leaves in queue:
        for place, leaf in enumerate(leaves):
            if leaf < aig.first_gate:
                continue
            k = leaf - aig.first_gate
            others = {*leaves[:place], *leaves[place + 1 :]}
            grown = tuple(sorted(others | {aig.left[k] >> 1, aig.right[k] >> 1}))
            if len(grown) <= most + _SLACK and grown not in seen and len(seen) < MOST_CUTS:
                seen.add(grown)
                queue.append(grown)
    known = set()
    for leaves in queue[1:]:
        if len(leaves) > most:
            continue
        gate = _gate(_table(aig, root, leaves), len(leaves))
        if gate is None or gate.constant is not None:
            continue
        positive, flips = gate.positive()
        pins = sorted(
            ((-w, v, f) for w, v, f in zip(positive.weights, leaves, flips, strict=True) if w)
        )
        choice = _Choice(
            ThresholdGate(tuple(-w for w, _, _ in pins), positive.threshold),
            tuple(2 * v + f for _, v, f in pins),
        )
        if len(pins) >= least and choice not in known:
            known.add(choice)
            yield choice


def _sums(aig: Aig) -> dict[int, tuple[_Choice, ...]]:
    """For the sum of each known adder, inverted or not: the cell that reads its carry too.

    x + y + z = 2 carry + sum, so sum is [1, 1, 1, -2; 1] of x, y, z and the carry.
    """
    found: dict[int, tuple[_Choice, ...]] = {}
    for adder in aig.adders:
        order = (*sorted(adder.inputs), adder.carry)
        gate = ThresholdGate((*(1,) * len(adder.inputs), -2), 1)
        for literal, own in ((adder.sum, gate), (adder.sum ^ 1, gate.inverted())):
            positive, flips = own.positive()
            pins = sorted(
                (-w, x ^ f) for w, x, f in zip(positive.weights, order, flips, strict=True)
            )
            weights = tuple(-w for w, _ in pins)
            choice = _Choice(ThresholdGate(weights, positive.threshold), tuple(x for _, x in pins))
            found[literal] = (*found.get(literal, ()), choice)
    return found


@cache
def _gate(table: int, inputs: int) -> ThresholdGate | None:
    return recognise(table, inputs) if _unate(table, inputs) else None


def _unate(table: int, inputs: int) -> bool:
    """Whether no input acts in both directions: most functions fail here, at little cost."""
    for i in range(inputs):
        low = _lows(i, inputs)
        without, with_it = table & low, table >> (1 << i) & low
        if without & ~with_it and with_it & ~without:
            return False
    return True


@cache
def _lows(place: int, inputs: int) -> int:
    """The rows of a table in which an input is 0."""
    return sum(1 << m for m in range(1 << inputs) if not m >> place & 1)


def _table(aig: Aig, root: int, leaves: tuple[int, ...]) -> int:
    """The truth table of a literal over some variables that cut it from the inputs."""
    size = 1 << len(leaves)
    ones = (1 << size) - 1
    values = {0: 0}
    for i, leaf in enumerate(leaves):
        values[leaf] = _lows(i, len(leaves)) << (1 << i)
    for v in _cone(aig, root >> 1, set(values)):
        a, b = aig.left[v - aig.first_gate], aig.right[v - aig.first_gate]
        values[v] = (values[a >> 1] ^ -(a & 1) & ones) & (values[b >> 1] ^ -(b & 1) & ones)
    return values[root >> 1] ^ -(root & 1) & ones


def _cone(aig: Aig, root: int, ends: set[int]) -> list[int]:
    """The gates between some variables and a gate, drivers before users."""
    found: set[int] = set()
    stack = [root]
    while stack:
        v = stack.pop()
        if v in ends or v in found:
            continue
        found.add(v)
        k = v - aig.first_gate
        stack += (aig.left[k] >> 1, aig.right[k] >> 1)
    return sorted(found)


class _Count:
    """How often each variable is read; a gate that nobody reads reads nothing."""

    def __init__(self, aig: Aig) -> None:
        self._aig = aig
        self._reads = [0] * (aig.first_gate + aig.size)
        for x in aig.literals:
            self.add(x >> 1)

    def add(self, variable: int) -> None:
        """One more reads it."""
        self.add_all((variable,))

    def add_all(self, variables: Iterator[int] | tuple[int, ...]) -> None:
        """One more reads each of them."""
        stack = list(variables)
        while stack:
            v = stack.pop()
            self._reads[v] += 1
            if self._reads[v] == 1 and v >= self._aig.first_gate:
                k = v - self._aig.first_gate
                stack += (self._aig.left[k] >> 1, self._aig.right[k] >> 1)

    def drop(self, variable: int) -> int:
        """One less reads it; how many gates nobody reads any more."""
        return self.drop_all((variable,))

    def drop_all(self, variables: Iterator[int] | tuple[int, ...]) -> int:
        """One less reads each of them; how many gates nobody reads any more."""
        stack, freed = list(variables), 0
        while stack:
            v = stack.pop()
            self._reads[v] -= 1
            if self._reads[v] == 0 and v >= self._aig.first_gate:
                freed += 1
                k = v - self._aig.first_gate
                stack += (self._aig.left[k] >> 1, self._aig.right[k] >> 1)
        return freed

    def freed(self, root: int, leaves: list[int]) -> int:
        """How many gates nobody would read if the leaves were read in place of the root."""
        self.add_all(tuple(leaves))
        freed = self.drop(root)
        self.add(root)
        self.drop_all(tuple(leaves))
        return freed


def _split(
    aig: Aig, chosen: dict[str, _Choice], held: list[str], driver: dict[str, int]
) -> Absorption:
    """The cells with names for their inputs, and the graph of all other outputs."""
    g = AigBuilder(aig.name, aig.inputs)
    new = [2 * i for i in range(aig.first_gate)] + [0] * aig.size
    for k, (a, b) in enumerate(zip(aig.left, aig.right, strict=True), aig.first_gate):
        new[k] = g.conj(new[a >> 1] ^ a & 1, new[b >> 1] ^ b & 1)
    outputs = [(x, new[driver[x] >> 1] ^ driver[x] & 1) for x in aig.outputs if x[:2] != "D:"]
    outputs += [
        (f"D:{x}", new[driver[f"D:{x}"] >> 1] ^ driver[f"D:{x}"] & 1)
        for x in held
        if x not in chosen
    ]
    names: dict[int, str] = {}
    cells = []
    for name in held:
        if name not in chosen:
            continue
        pins = []
        for x in chosen[name].leaves:
            literal = new[x >> 1] ^ x & 1
            if literal > TRUE and not literal & 1 and literal >> 1 < aig.first_gate:
                pins.append(aig.inputs[(literal >> 1) - 1])
            else:
                if literal not in names:
                    names[literal] = f"T:{len(names)}"
                    outputs.append((names[literal], literal))
                pins.append(names[literal])
        cells.append(FlashFlipFlop(name, chosen[name].gate, tuple(pins)))
    rest = g.finish(outputs)
    return Absorption(tuple(cells), rest, len(held), aig.size - rest.size)


def whole_graph(absorption: Absorption) -> Aig:
    """The graph of cells and rest together, with `D:x` of every flip-flop, as for a proof."""
    rest = absorption.rest
    g = AigBuilder(rest.name, rest.inputs)
    new = [2 * i for i in range(rest.first_gate)] + [0] * rest.size
    for k, (a, b) in enumerate(zip(rest.left, rest.right, strict=True), rest.first_gate):
        new[k] = g.conj(new[a >> 1] ^ a & 1, new[b >> 1] ^ b & 1)
    literal = {name: 2 * i for i, name in enumerate(rest.inputs, 1)}
    for name, x in zip(rest.outputs, rest.literals, strict=True):
        literal[name] = new[x >> 1] ^ x & 1
    outputs = [(name, literal[name]) for name in rest.outputs if name[:2] != "T:"]
    outputs += [
        (f"D:{cell.name}", threshold_literal(g, cell.gate, [literal[x] for x in cell.inputs]))
        for cell in absorption.cells
    ]
    return g.finish(outputs)


def threshold_literal(g: AigBuilder, gate: ThresholdGate, literals: list[int]) -> int:
    """The gate as a tree of multiplexers, the input of the largest weight first."""
    order = sorted(range(gate.fan_in), key=lambda i: -abs(gate.weights[i]))
    known: dict[tuple[int, int], int] = {}

    def build(k: int, need: int) -> int:
        weights = [gate.weights[i] for i in order[k:]]
        if sum(w for w in weights if w < 0) >= need:
            return TRUE
        if sum(w for w in weights if w > 0) < need:
            return TRUE ^ 1
        if (k, need) not in known:
            then, other = build(k + 1, need - weights[0]), build(k + 1, need)
            known[k, need] = g.mux(literals[order[k]], then, other)
        return known[k, need]

    return build(0, gate.threshold)
