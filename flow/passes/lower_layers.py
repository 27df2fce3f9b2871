"""Lowering: a Network becomes a Circuit, a scalar operation at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flow.ir import layers, nodes
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Origin, Port
from flow.ir.interval import IntRange
from flow.ir.layers import Layer
from flow.ir.network import Network
from flow.ir.nodes import Compare, Const, Linear, Lookup, Mul, Node, Or, Relu, Select
from flow.ir.tensor import TensorType, exact, fractions
from flow.ir.windows import windows
from flow.passes.lower_approximate import gate_words, masked_sums, tournament_winner
from flow.passes.requantise import Scaling, requantise
from flow.passes.widen import fitted

NodeArray = NDArray[Any]
"""Nodes of a tensor, dtype object, in the shape of the tensor."""


@dataclass(frozen=True)
class LowerLayers:
    """Unroll every layer into scalar operations; constant products stay `Linear` nodes.

    Input ports are x, or x0, x1, ... in the order of the inputs; output ports y, or y0, y1, ...
    """

    name: ClassVar[str] = "lower-layers"
    exact: ClassVar[bool] = True

    def run(self, network: Network) -> Circuit:
        """The circuit that computes what the network means."""
        return _Lowering(network).circuit()


def port_names(letter: str, count: int) -> tuple[str, ...]:
    """x for one port; x0, x1, ... for several."""
    return (letter,) if count == 1 else tuple(f"{letter}{i}" for i in range(count))


class _Lowering:
    """Collects the nodes of one network."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._intern = Builder()
        self._origins: dict[Node, Origin] = {}
        self._ports = dict(
            zip(
                (layer.name for layer in network.inputs),
                port_names("x", len(network.inputs)),
                strict=True,
            )
        )
        self._tensors: dict[str, NodeArray] = {}

    def circuit(self) -> Circuit:
        """Lower every layer, in order."""
        for layer in self._network.layers:
            lower = _LOWER[type(layer)]
            tensor = lower(self, layer, *(self._tensors[s] for s in layer.sources))
            self._tensors[layer.name] = tensor
            self._name(layer, tensor)
        inputs = (Port(self._ports[i.name], self._lanes(i.name)) for i in self._network.inputs)
        names = port_names("y", len(self._network.outputs))
        outputs = (
            Port(port, self._lanes(name))
            for port, name in zip(names, self._network.outputs, strict=True)
        )
        return Circuit(self._network.name, tuple(inputs), tuple(outputs), self._origins)

    def _lanes(self, name: str) -> tuple[Node, ...]:
        return tuple(self._tensors[name].ravel().tolist())

    def _name(self, layer: Layer, tensor: NodeArray) -> None:
        role = _ROLES.get(type(layer))
        if role is None:
            return
        for index, node in enumerate(tensor.ravel().tolist()):
            if not isinstance(node, Const):
                self._origins.setdefault(node, Origin(layer.name, role, index))

    def _type(self, name: str) -> TensorType:
        return self._network.types[name]

    def _each(
        self,
        x: NodeArray,
        change: Callable[[int, Node], Node],
        shape: tuple[int, ...] | None = None,
    ) -> NodeArray:
        new = [self._intern(change(i, node)) for i, node in enumerate(x.ravel().tolist())]
        return _array(new, x.shape if shape is None else shape)

    def input(self, layer: layers.Input) -> NodeArray:
        """An `Input` node for each element."""
        ranges = layer.tensor.ranges()
        port = self._ports[layer.name]
        new = [self._intern(nodes.Input(port, i, r.lo, r.hi)) for i, r in enumerate(ranges)]
        return _array(new, layer.tensor.shape)

    def dense(self, layer: layers.Dense, x: NodeArray) -> NodeArray:
        """A `Linear` node for each output, over all inputs of its row."""
        inputs, outputs = layer.weights.shape
        columns = [tuple(int(w) for w in column) for column in layer.weights.T.tolist()]
        bias = [int(b) for b in layer.bias.tolist()]
        new = []
        for row in x.reshape(-1, inputs).tolist():
            terms = tuple(row)
            for j in range(outputs):
                new.append(self._intern(Linear(terms, columns[j], bias[j])))
        return _array(new, (*x.shape[:-1], outputs))

    def conv(self, layer: layers.Conv, x: NodeArray) -> NodeArray:
        """A `Linear` node for each output, over the elements of its window."""
        *window, channels, filters = layer.weights.shape
        zero = self._intern(Const(0))
        seen = windows(
            x[None], tuple(window), layer.strides, layer.padding, layer.dilation, zero
        )[0]  # fmt: skip
        places = seen.shape[: len(window)]
        bias = [int(b) for b in layer.bias.tolist()]
        each = filters // layer.groups
        groups = []
        for g in range(layer.groups):
            part = layer.weights[..., g * each : (g + 1) * each].reshape(-1, each)
            columns = [tuple(int(w) for w in column) for column in part.T.tolist()]
            rows = seen[..., g * channels : (g + 1) * channels].reshape(-1, len(part))
            groups.append((columns, bias[g * each : (g + 1) * each], rows.tolist()))
        new = []
        for position in range(math.prod(places)):
            for columns, offsets, rows in groups:
                terms = tuple(rows[position])
                for column, offset in zip(columns, offsets, strict=True):
                    new.append(self._intern(Linear(terms, column, offset)))
        return _array(new, (*places, filters))

    def pool(self, layer: layers.Pool, x: NodeArray) -> NodeArray:
        """A tournament of comparators, or a `Linear` node with coefficients 1, for each window."""
        axes = len(layer.window)
        outside: Any = None
        seen = windows(
            x[None], layer.window, layer.strides, layer.padding, (1,) * axes, outside
        )[0]  # fmt: skip
        places, channels = seen.shape[:axes], seen.shape[-1]
        flat = np.moveaxis(seen.reshape(*places, -1, channels), -1, axes)
        new = []
        for row in flat.reshape(-1, flat.shape[-1]).tolist():
            terms = tuple(node for node in row if node is not None)
            ones = (1,) * len(terms)
            new.append(
                self._largest(list(terms))
                if layer.pool == "max"
                else self._intern(Linear(terms, ones, 0))
            )
        return _array(new, (*places, channels))

    def _largest(self, row: list[Node]) -> Node:
        while len(row) > 1:
            pairs = [self._larger(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
            row = pairs + row[len(pairs) * 2 :]
        return row[0]

    def _larger(self, a: Node, b: Node) -> Node:
        bit = IntRange(0, 1)
        if bit.covers(a.range) and bit.covers(b.range):
            return self._intern(Or(a, b))
        below = self._intern(Compare(a, b, "lt"))
        return self._intern(Select(below, b, a))

    def affine(self, layer: layers.Affine, x: NodeArray) -> NodeArray:
        """A `Linear` node of one term for each element."""
        m = exact(layer.multiplier, x.shape).ravel().tolist()
        b = exact(layer.offset, x.shape).ravel().tolist()
        return self._each(x, lambda i, node: Linear((node,), (int(m[i]),), int(b[i])))

    def requantize(self, layer: layers.Requantize, x: NodeArray) -> NodeArray:
        """Shifts, or a multiply-shift, and a clamp or a wrap for each element."""
        multiplier = fractions(layer.multiplier, x.shape).ravel().tolist()
        offset = fractions(layer.offset, x.shape).ravel().tolist()
        lo = exact(layer.lo, x.shape).ravel().tolist()
        hi = exact(layer.hi, x.shape).ravel().tolist()

        def change(i: int, node: Node) -> Node:
            scaling = Scaling(node.range, multiplier[i], offset[i], layer.rounding)
            return requantise(node, scaling, int(lo[i]), int(hi[i]), layer.overflow)

        return self._each(x, change)

    def relu(self, layer: layers.Relu, x: NodeArray) -> NodeArray:
        """A `Relu` node where a negative value is possible."""
        return self._each(x, lambda _, node: Relu(node) if node.range.signed else node)

    def lookup(self, layer: layers.Lookup, x: NodeArray) -> NodeArray:
        """A `Lookup` node with the entries that the element reaches."""

        choice = exact(layer.choice, x.shape).ravel().tolist()

        def change(i: int, node: Node) -> Node:
            return _reached(node, layer.bases[choice[i]], layer.tables[choice[i]])

        return self._each(x, change)

    def table_sum(self, layer: layers.TableSum, x: NodeArray) -> NodeArray:
        """A `Lookup` node for each pair, and a `Linear` node with coefficients 1 an output."""
        inputs, outputs = len(layer.tables), len(layer.bias)
        bias = [int(b) for b in layer.bias.tolist()]
        new = []
        for row in x.reshape(-1, inputs).tolist():
            for j in range(outputs):
                pairs = zip(row, layer.bases, [r[j] for r in layer.tables], strict=True)
                terms = tuple(
                    self._intern(_reached(node, base, table))
                    for node, base, table in pairs
                    if table is not None
                )
                new.append(self._intern(Linear(terms, (1,) * len(terms), bias[j])))
        return _array(new, (*x.shape[:-1], outputs))

    def add(self, layer: layers.Add, *sources: NodeArray) -> NodeArray:
        """A `Linear` node with coefficients 1."""
        columns = [source.ravel().tolist() for source in sources]
        ones = (1,) * len(sources)
        return self._each(
            sources[0], lambda i, _: Linear(tuple(column[i] for column in columns), ones, 0)
        )

    def multiply(self, layer: layers.Multiply, *sources: NodeArray) -> NodeArray:
        """A `Mul` node for each pair of elements."""
        product = sources[0]
        for source in sources[1:]:
            pairs = zip(product.ravel().tolist(), source.ravel().tolist(), strict=True)
            product = _array([self._intern(Mul(a, b)) for a, b in pairs], source.shape)
        return product

    def concat(self, layer: layers.Concat, *sources: NodeArray) -> NodeArray:
        """No operation."""
        return np.concatenate(sources, axis=layer.axis)

    def reshape(self, layer: layers.Reshape, x: NodeArray) -> NodeArray:
        """No operation."""
        return x.reshape(layer.shape)

    def gather(self, layer: layers.Gather, x: NodeArray) -> NodeArray:
        """No operation."""
        flat = [*x.ravel().tolist(), self._intern(Const(layer.fill))]
        return _array([flat[i] for i in layer.indices.ravel().tolist()], layer.indices.shape)

    def argmax(self, layer: layers.ArgMax, x: NodeArray) -> NodeArray:
        """A tournament of comparators that carries value and index; ties go to the left."""
        rows = x.reshape(-1, x.shape[-1]).tolist()
        winners = [self._winner(row) for row in rows]
        return _array(winners, self._type(layer.name).shape)

    def _winner(self, row: list[Node]) -> Node:
        entries: list[tuple[Node, Node]] = [
            (value, self._intern(Const(index))) for index, value in enumerate(row)
        ]
        while len(entries) > 1:
            paired = [self._play(entries[i], entries[i + 1]) for i in range(0, len(entries) - 1, 2)]
            entries = paired + entries[len(paired) * 2 :]
        return entries[0][1]

    def _play(self, left: tuple[Node, Node], right: tuple[Node, Node]) -> tuple[Node, Node]:
        wins = self._intern(Compare(left[0], right[0], "lt"))
        value = self._intern(Select(wins, right[0], left[0]))
        return value, self._intern(Select(wins, right[1], left[1]))

    def at_least(self, layer: layers.AtLeast, x: NodeArray) -> NodeArray:
        """A comparison with a constant."""
        bound = exact(layer.bound, x.shape).ravel().tolist()
        return self._each(x, lambda i, node: Compare(Const(int(bound[i])), node, "le"))

    def masked_dense(self, layer: layers.MaskedDense, x: NodeArray) -> NodeArray:
        """A `Linear` node for each output, over the fields of bits that its masks keep."""
        shape = self._type(layer.name).shape
        rows = x.reshape(-1, x.shape[-1]).tolist()
        sums = [node for row in rows for node in masked_sums(layer, row, self._intern)]
        ranges = self._type(layer.name).ranges()
        fit = [self._intern(fitted(a, r)) for a, r in zip(sums, ranges, strict=True)]
        return _array(fit, shape)

    def tournament(self, layer: layers.Tournament, x: NodeArray) -> NodeArray:
        """Comparators on the bits of their masks; winners carry the bits that are read again."""
        rows = x.reshape(-1, x.shape[-1]).tolist()
        winners = [tournament_winner(row, layer.rounds, self._intern) for row in rows]
        return _array(winners, self._type(layer.name).shape)

    def gates(self, layer: layers.Gates, x: NodeArray) -> NodeArray:
        """An `And` node for each gate, a comparison with zero where a signal is inverted."""
        words = gate_words(layer, x.ravel().tolist(), self._intern)
        return _array(words, self._type(layer.name).shape)


_LOWER: dict[type[Layer], Callable[..., NodeArray]] = {
    layers.Input: _Lowering.input,
    layers.Dense: _Lowering.dense,
    layers.Conv: _Lowering.conv,
    layers.Affine: _Lowering.affine,
    layers.Requantize: _Lowering.requantize,
    layers.Relu: _Lowering.relu,
    layers.Lookup: _Lowering.lookup,
    layers.TableSum: _Lowering.table_sum,
    layers.Pool: _Lowering.pool,
    layers.Add: _Lowering.add,
    layers.Multiply: _Lowering.multiply,
    layers.Concat: _Lowering.concat,
    layers.Gather: _Lowering.gather,
    layers.Reshape: _Lowering.reshape,
    layers.ArgMax: _Lowering.argmax,
    layers.AtLeast: _Lowering.at_least,
    layers.MaskedDense: _Lowering.masked_dense,
    layers.Tournament: _Lowering.tournament,
    layers.Gates: _Lowering.gates,
}

LOWERED: frozenset[type[Layer]] = frozenset(_LOWER)
"""The layers that can be lowered."""

_ROLES: dict[type[Layer], str] = {
    layers.Dense: "acc",
    layers.Conv: "acc",
    layers.TableSum: "acc",
    layers.Pool: "pool",
    layers.Multiply: "prod",
    layers.Affine: "acc",
    layers.Add: "sum",
    layers.Requantize: "act",
    layers.Relu: "act",
    layers.Lookup: "act",
    layers.ArgMax: "index",
    layers.MaskedDense: "acc",
    layers.Tournament: "index",
    layers.Gates: "word",
    layers.AtLeast: "bit",
}


def _reached(node: Node, base: int, table: Sequence[int]) -> Node:
    """A table with the entries that its operand reaches.

    The interval of a node may be wider than that of its tensor: an end's entry is then repeated
    for what never comes.
    """
    first, last = node.range.lo - base, node.range.hi - base
    below = (table[0],) * -first
    above = (table[-1],) * (last + 1 - len(table))
    return Lookup(node, node.range.lo, (*below, *table[max(first, 0) : last + 1], *above))


def _array(new: Sequence[Node], shape: tuple[int, ...]) -> NodeArray:
    array: NodeArray = np.empty(len(new), dtype=object)
    array[:] = new
    return array.reshape(shape)
