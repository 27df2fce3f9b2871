"""Folding: the weighted layers of a circuit share their multipliers and adders over some steps.

The circuit is cut into levels, each with one layer of weighted sums (or several that stand side by
side). A level computes a share of its sums in every step: one processing element, in which a
coefficient that differs from step to step comes out of a table of the step, and an operand that
differs through a multiplexer; so a dense layer has weights in tables, and a convolution, folded
over its positions, keeps its constants. What follows a sum alone (a rectifier, a rounding) is
shared too where it is the same in every step. All else lies between the levels, unfolded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from flow.errors import UsageError
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.nodes import Bits, Const, Input, Linear, Lookup, Mul, Node, Select
from flow.mapping.levelled import Levelled

STEP = "step"
"""The input port of a processing element that counts the steps."""


@dataclass(frozen=True)
class Level:
    """One level: from the values of a buffer to those of the next.

    `element` has the ports x (lanes `reads` of the buffer) and step, and gives in y the results
    of a step. `between` has the ports a (results, `taken` as step and lane) and, if there are any,
    b (lanes `carried` of the buffer); its y are the lanes of the next buffer. `layers` are those
    whose sums it computes.
    """

    element: Circuit
    reads: tuple[int, ...]
    between: Circuit
    taken: tuple[tuple[int, int], ...]
    carried: tuple[int, ...]
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Folded(Levelled[Level]):
    """A circuit whose levels take `interval` steps each."""

    part_names: ClassVar[tuple[str, ...]] = ("element", "between")

    def results(self, level: Level, buffer: Any) -> Any:
        """What the steps of a level give, those that are taken."""
        found = []
        for t in range(self.interval):
            step = np.full((len(buffer), 1), t, dtype=np.int64)
            given = {"x": buffer[:, list(level.reads)], STEP: step}
            found.append(evaluate(level.element, given)["y"])
        return np.concatenate([found[t][:, [j]] for t, j in level.taken], 1)

    def unrolled(self) -> Circuit:
        """What all steps together compute, as a circuit without steps; of parts before passes."""
        intern = Builder(lane for port in self.circuit.inputs for lane in port.lanes)
        buffer = _placed(self.entry, {p.name: p.lanes for p in self.circuit.inputs}, intern)
        for level in self.levels:
            reads = tuple(buffer[i] for i in level.reads)
            results = [
                _placed(level.element, {"x": reads, STEP: (intern(Const(t)),)}, intern)
                for t in range(self.interval)
            ]
            given = {
                "a": tuple(results[t][j] for t, j in level.taken),
                "b": tuple(buffer[i] for i in level.carried),
            }
            buffer = _placed(level.between, given, intern)
        outputs = tuple(
            Port(port.name, tuple(buffer[x] if isinstance(x, int) else intern(x) for x in lanes))
            for port, lanes in zip(self.circuit.outputs, self.outputs, strict=True)
        )
        return Circuit(self.circuit.name, self.circuit.inputs, outputs)


def _placed(
    circuit: Circuit, given: Mapping[str, Sequence[Node]], intern: Builder
) -> tuple[Node, ...]:
    """The lanes of the one output port of a part on given nodes."""
    done: dict[Node, Node] = {}
    for node in circuit.walk():
        if isinstance(node, Input):
            done[node] = given[node.port][node.index]
        else:
            done[node] = intern(node.with_operands(*(done[x] for x in node.operands)))
    return tuple(done[lane] for lane in circuit.outputs[0].lanes)


def fold(
    circuit: Circuit,
    layers: Mapping[str, int],
    interval: int,
    whole: Collection[int] = (),
    least: int = 2,
) -> Folded:
    """A lowered circuit folded over so many steps.

    `layers` names the weighted layers, each with the sums that belong together: the filters of a
    convolution, 1 for a dense layer. Levels in `whole` compute all their sums in every step, with
    constants. UsageError where no layer has `least` sums.
    """
    return _Folding(circuit, layers, interval, whole, least).folded()


def most_steps(circuit: Circuit, layers: Mapping[str, int]) -> int:
    """The steps beyond which a fold shares nothing more: one sum, or one position, in each."""
    groups = _groups(circuit, list(circuit.walk()), layers)
    return max((-(-len(nodes) // own) for (_, own), nodes in groups.items()), default=1)


class _Folding:
    def __init__(
        self,
        circuit: Circuit,
        layers: Mapping[str, int],
        interval: int,
        whole: Collection[int],
        least: int,
    ) -> None:
        self.circuit, self.interval, self.whole = circuit, interval, frozenset(whole)
        self.order = list(circuit.walk())
        self.groups = _groups(circuit, self.order, layers, least)
        self.sums = {node for nodes in self.groups.values() for node in nodes}
        if not self.sums:
            raise UsageError(
                f"{circuit.name} has no layer of weighted sums to be shared over {interval} steps",
                hint="leave out --ii and --max-luts",
            )
        self.level: dict[Node, int | None] = {}
        self.users: dict[Node, list[Node]] = {}
        for node in self.order:
            below = [n for x in node.operands if (n := self.level[x]) is not None]
            start = 0 if isinstance(node, Input) else None
            self.level[node] = max(below) + (node in self.sums) if below else start
            for x in node.operands:
                self.users.setdefault(x, []).append(node)
        self.lanes = {lane for port in circuit.outputs for lane in port.lanes}
        self.count = max(n for n in self.level.values() if n is not None)

    def folded(self) -> Folded:
        """Level by level."""
        fronts = [self._front(i) for i in range(self.count + 1)]
        intern = Builder(lane for port in self.circuit.inputs for lane in port.lanes)
        known = {x: x for port in self.circuit.inputs for x in port.lanes}
        entry = Circuit(
            "entry", self.circuit.inputs, (Port("y", computed(fronts[0], known, intern)),)
        )
        levels = [self._level(i, fronts[i], fronts[i + 1]) for i in range(self.count)]
        place = {node: i for i, node in enumerate(fronts[-1])}
        outputs = tuple(
            tuple(lane if isinstance(lane, Const) else place[lane] for lane in port.lanes)
            for port in self.circuit.outputs
        )
        return Folded(self.circuit, self.interval, entry, tuple(levels), outputs)

    def _front(self, level: int) -> list[Node]:
        """The values that are known at a level and read behind it."""
        found = []
        for node in self.order:
            own = self.level[node]
            if own is None or own > level:
                continue
            later = (self.level[u] for u in self.users.get(node, ()))
            if node in self.lanes or any(n is not None and n > level for n in later):
                found.append(node)
        return found

    def _level(self, index: int, before: list[Node], after: list[Node]) -> Level:
        """The element that computes the sums of a level, and what lies between it and the next."""
        place = {node: i for i, node in enumerate(before)}
        merger = _Merger(self.interval, before)
        lanes: list[Node] = []
        taken: dict[Node, tuple[int, int]] = {}
        for nodes in self._slots(index + 1):
            ends = tuple(self._end(x) for x in nodes)
            made = merger.merge(ends)
            if made is None:
                ends, made = nodes, merger.merge(nodes)
            assert made is not None, "sums of one layer always merge"
            for step, node in enumerate(ends):
                # What is there in every step is taken in the last one, where nothing is stored.
                last = self.interval - 1 if ends[0] is ends[-1] else step
                taken.setdefault(node, (last, len(lanes)))
            lanes.append(made)
        element = merger.circuit(f"element{index}", lanes)
        intern = Builder()
        results = list(taken)
        known: dict[Node, Node] = {
            node: Input("a", i, lanes[taken[node][1]].range.lo, lanes[taken[node][1]].range.hi)
            for i, node in enumerate(results)
        }
        carried = _needed(after, set(known), set(before))
        kept = [node for node in before if node in carried]
        known |= {node: Input("b", i, node.range.lo, node.range.hi) for i, node in enumerate(kept)}
        for node in known.values():
            intern(node)
        ports = (
            Port("a", tuple(known[node] for node in results)),
            *((Port("b", tuple(known[node] for node in kept)),) if kept else ()),
        )
        output = Port("y", computed(after, known, intern))
        between = Circuit(f"between{index}", ports, (output,))
        return Level(
            element,
            tuple(place[node] for node in merger.read),
            between,
            tuple(taken[node] for node in results),
            tuple(place[node] for node in kept),
            tuple(
                name
                for (name, _), nodes in self.groups.items()
                if any(self.level[node] == index + 1 for node in nodes)
            ),
        )

    def _slots(self, level: int) -> list[tuple[Node, ...]]:
        """For each sum of the element, the node that it stands for in each step."""
        found = []
        for (_, together), nodes in self.groups.items():
            own = [node for node in nodes if self.level[node] == level]
            if level - 1 in self.whole:
                found += [(node,) * self.interval for node in own]
                continue
            blocks = -(-len(own) // together)
            width = -(-blocks // self.interval) * together
            for j in range(min(width, len(own))):
                column = own[j::width]
                found.append((*column, *[column[-1]] * (self.interval - len(column))))
        return found

    def _end(self, node: Node) -> Node:
        """The last node behind a sum that is a function of it alone, each read by the next."""
        while node not in self.lanes:
            users = self.users.get(node, [])
            if len(users) != 1 or users[0] in self.sums:
                break
            others = [x for x in users[0].operands if x is not node]
            if any(self.level[x] is not None for x in others):
                break
            node = users[0]
        return node


def _groups(
    circuit: Circuit, order: Sequence[Node], layers: Mapping[str, int], least: int = 2
) -> dict[tuple[str, int], list[Node]]:
    """The sums of each weighted layer with at least so many, in order of their index."""
    found: dict[tuple[str, int], list[tuple[int, Node]]] = {}
    for node in order:
        origin = circuit.origins.get(node)
        if isinstance(node, Linear) and origin is not None and origin.layer in layers:
            key = (origin.layer, layers[origin.layer])
            found.setdefault(key, []).append((origin.index, node))
    pairs = {key: sorted(nodes, key=lambda x: x[0]) for key, nodes in found.items()}
    return {key: [node for _, node in nodes] for key, nodes in pairs.items() if len(nodes) >= least}


def _needed(wanted: Sequence[Node], known: set[Node], before: set[Node]) -> set[Node]:
    """The values of the buffer that something wanted is computed from."""
    found: set[Node] = set()
    seen: set[Node] = set()
    stack = list(wanted)
    while stack:
        node = stack.pop()
        if node in seen or node in known:
            continue
        seen.add(node)
        if node in before:
            found.add(node)
        else:
            stack.extend(node.operands)
    return found


def computed(
    wanted: Sequence[Node], known: Mapping[Node, Node], intern: Builder
) -> tuple[Node, ...]:
    """The nodes wanted, from those known."""
    done = dict(known)
    stack = list(wanted)[::-1]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
        elif below := [x for x in node.operands if x not in done]:
            stack.extend(below)
        else:
            done[node] = intern(node.with_operands(*(done[x] for x in node.operands)))
    return tuple(done[node] for node in wanted)


class _Merger:
    """Nodes of several steps as one node of an element."""

    def __init__(self, interval: int, before: Sequence[Node]) -> None:
        self.interval, self.known = interval, set(before)
        self.intern = Builder()
        self.step = self.intern(Input(STEP, 0, 0, interval - 1))
        self.read: dict[Node, Node] = {}
        self._made: dict[tuple[Node, ...], Node | None] = {}

    def circuit(self, name: str, lanes: Sequence[Node]) -> Circuit:
        """The element with these results."""
        inputs = (Port("x", tuple(self.read.values())), Port(STEP, (self.step,)))
        return Circuit(name, inputs, (Port("y", tuple(lanes)),))

    def merge(self, nodes: tuple[Node, ...]) -> Node | None:
        """One node with the value of each in its step; None where their operations differ."""
        if nodes not in self._made:
            # The recursion is as deep as what stands behind one sum: a few operations.
            self._made[nodes] = self._merged(nodes)
        return self._made[nodes]

    def _merged(self, nodes: tuple[Node, ...]) -> Node | None:
        first = nodes[0]
        if all(isinstance(x, Const) for x in nodes):
            return self._table([x.value for x in nodes if isinstance(x, Const)])
        if all(isinstance(x, Const) or x in self.known for x in nodes):
            return self._chosen([self._lane(x) for x in nodes])
        if all(isinstance(x, Linear) for x in nodes):
            return self._sum([x for x in nodes if isinstance(x, Linear)])
        alike = {(type(x), x.attributes, len(x.operands)) for x in nodes}
        if len(alike) > 1 or isinstance(first, Lookup):
            return None
        operands = []
        for column in zip(*(x.operands for x in nodes), strict=True):
            made = self.merge(column)
            if made is None:
                return None
            operands.append(made)
        return self.intern(first.with_operands(*operands))

    def _lane(self, node: Node) -> Node:
        if isinstance(node, Const):
            return self.intern(node)
        if node not in self.read:
            lane = Input("x", len(self.read), node.range.lo, node.range.hi)
            self.read[node] = self.intern(lane)
        return self.read[node]

    def _table(self, values: Sequence[int]) -> Node:
        """A constant for each step."""
        if len(set(values)) == 1:
            return self.intern(Const(values[0]))
        return self.intern(Lookup(self.step, 0, tuple(values)))

    def _chosen(self, values: Sequence[Node]) -> Node:
        """A value for each step, by multiplexers on the bits of the step."""
        width = (self.interval - 1).bit_length()
        row = [*values, *[values[-1]] * ((1 << width) - len(values))]
        for bit in range(width):
            choice = self.intern(Bits(self.step, bit, 1)) if len(set(row)) > 1 else None
            row = [
                a if a is b or choice is None else self.intern(Select(choice, b, a))
                for a, b in zip(row[::2], row[1::2], strict=True)
            ]
        return row[0]

    def _sum(self, nodes: Sequence[Linear]) -> Node | None:
        """A sum whose coefficients or operands differ from step to step."""
        length = max(len(x.terms) for x in nodes)
        terms: list[Node] = []
        coefficients: list[int] = []
        bias = self._table([x.bias for x in nodes])
        for k in range(length):
            pairs = [(x.terms[k], x.coefficients[k]) if k < len(x.terms) else None for x in nodes]
            used = next((pair[0] for pair in pairs if pair and pair[1]), None)
            if used is None:
                continue
            column = [pair or (used, 0) for pair in pairs]
            # Where the coefficient is zero any operand will do.
            operand = self.merge(tuple(x if c else used for x, c in column))
            if operand is None:
                return None
            factors = [c for _, c in column]
            low = min((c & -c).bit_length() - 1 for c in factors if c)
            if len(set(factors)) == 1:
                terms.append(operand)
                coefficients.append(factors[0])
                continue
            factor = self._table([c >> low for c in factors])
            terms.append(self.intern(Mul(operand, factor)))
            coefficients.append(1 << low)
        if not isinstance(bias, Const):
            terms.append(bias)
            coefficients.append(1)
        constant = bias.value if isinstance(bias, Const) else 0
        return self.intern(Linear(tuple(terms), tuple(coefficients), constant))
