"""Hypothesis strategies: random valid circuits over any set of operations, and their inputs."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Origin, Port
from flow.ir.interval import BIT
from flow.ir.nodes import (
    NODE_TYPES,
    Add,
    And,
    Bits,
    Clamp,
    Compare,
    Concat,
    Const,
    FullAdder,
    Input,
    Linear,
    Lookup,
    Mul,
    Neg,
    Node,
    Or,
    Register,
    Relu,
    Select,
    Shl,
    Shr,
    Signed,
    Sub,
    Xor,
)

EDGES = (
    (0, 0), (5, 5), (-3, -3), (0, 1), (-1, 0), (-1, 1), (0, 7), (-8, 7), (-7, 8), (3, 12),
    (-20, -4), (0, 255), (-128, 127), (1, 1), (0, 2), (-2, 1),
)  # fmt: skip
WIDE = ((0, (1 << 70) - 1), (-(1 << 66), 1 << 40), (1 << 35, 1 << 63))


@st.composite
def circuits(
    draw: st.DrawFn,
    kinds: Collection[type[Node]] = NODE_TYPES,
    max_nodes: int = 25,
    max_width: int = 40,
    wide: bool = False,
    stages: int | None = None,
) -> Circuit:
    """A valid circuit of the given operations, `Input` and `Const`.

    No wire is wider than `max_width` (inputs of up to 71 bits with `wide`). `stages` is the
    number of registers on every path; None draws 0 to 2 where `kinds` has Register, else 0.
    """
    # Hypothesis picks sizes and the seed; a generator of our own does the bulk, ten times faster.
    nodes = draw(st.integers(1, max_nodes))
    cuts = draw(st.integers(0, 2)) if stages is None and Register in kinds else stages or 0
    return random_circuit(draw(st.integers(0, 2**32)), kinds, nodes, max_width, wide, cuts)


def random_circuit(
    seed: int,
    kinds: Collection[type[Node]] = NODE_TYPES,
    nodes: int = 25,
    max_width: int = 40,
    wide: bool = False,
    stages: int = 0,
) -> Circuit:
    """The circuit of a seed; arguments as for `circuits`."""
    chance = random.Random(seed)
    intern = Builder()
    limit = 160 if wide else max_width
    intervals = (EDGES + WIDE * 3) if wide else EDGES
    names = ("x", "in_b", "c")[: chance.randint(1, 3)]
    inputs = tuple(
        Port(
            name,
            tuple(
                intern(Input(name, i, *chance.choice(intervals)))
                for i in range(chance.randint(1, 4))
            ),
        )
        for name in names
    )
    pool: list[Node] = [lane for port in inputs for lane in port.lanes]
    origins: dict[Node, Origin] = {}
    makers = [kind for kind in NODE_TYPES if kind in kinds and kind in _MAKERS]
    cuts = sorted(chance.randint(0, nodes) for _ in range(stages))
    for step in range(nodes + 1):
        for _ in range(cuts.count(step)):
            pool = [x if isinstance(x, Const) else intern(Register(x)) for x in pool]
        if step == nodes or not makers:
            continue
        made = _MAKERS[chance.choice(makers)](chance, pool)
        if max(x.range.width for x in (made, *made.operands)) > limit:
            continue
        node = intern(made)
        pool.append(node)
        if chance.random() < 0.5 and node not in origins:
            origins[node] = Origin(chance.choice(("dense_1", "act")), "acc", chance.randint(-1, 9))
    split = chance.randint(1, 2)
    roots = [chance.choice(pool[-8:]) for _ in range(chance.randint(1, 5))]
    outputs = [Port("y", tuple(roots))]
    if split == 2:
        outputs.append(Port("z", tuple(chance.choice(pool) for _ in range(2))))
    return Circuit("random", inputs, tuple(outputs), origins)


def input_values(circuit: Circuit, samples: int, seed: int = 0) -> dict[str, Any]:
    """Values for each input port, (samples, lanes): the ends of the intervals, then random."""
    chance = random.Random(seed)
    wide = any(lane.range.width > 62 for port in circuit.inputs for lane in port.lanes)
    result: Mapping[str, Any] = {
        port.name: np.array(
            [
                [
                    lane.range.lo
                    if i == 0
                    else lane.range.hi
                    if i == 1
                    else chance.choice((lane.range.lo, lane.range.hi))
                    if chance.random() < 0.2
                    else chance.randint(lane.range.lo, lane.range.hi)
                    for lane in port.lanes
                ]
                for i in range(samples)
            ],
            dtype=object if wide else np.int64,
        ).reshape(samples, len(port.lanes))
        for port in circuit.inputs
    }
    return dict(result)


def _bit(chance: random.Random, pool: list[Node]) -> Node:
    ready = [x for x in pool if BIT.covers(x.range)]
    if ready and chance.random() < 0.6:
        return chance.choice(ready)
    x = chance.choice(pool)
    return Bits(x, chance.randint(0, max(0, x.range.width)), 1)


def _natural(chance: random.Random, pool: list[Node]) -> Node:
    ready = [x for x in pool if x.range.lo >= 0]
    if ready and chance.random() < 0.7:
        return chance.choice(ready)
    x = chance.choice(pool)
    return Bits(x, chance.randint(0, 2), chance.randint(1, max(1, min(x.range.width, 60))))


def _bits(chance: random.Random, pool: list[Node]) -> Node:
    x = chance.choice(pool)
    low = chance.randint(0, x.range.width + 1)
    return Bits(x, low, chance.randint(1, min(60, x.range.width + 2)))


def _clamp(chance: random.Random, pool: list[Node]) -> Node:
    x = chance.choice(pool)
    lo, hi = sorted(chance.randint(x.range.lo - 2, x.range.hi + 2) for _ in range(2))
    return Clamp(x, 0 if lo < 0 < hi and chance.random() < 0.4 else lo, hi)


def _lookup(chance: random.Random, pool: list[Node]) -> Node:
    small = [x for x in pool if x.range.count <= 40]
    x = chance.choice(small) if small else Bits(chance.choice(pool), 0, 4)
    below, above = chance.randint(0, 2), chance.randint(0, 2)
    lo, hi = chance.choice(((0, 1), (-4, 9), (0, 255), (-1, 0), (7, 7)))
    count = x.range.count + below + above
    return Lookup(x, x.range.lo - below, tuple(chance.randint(lo, hi) for _ in range(count)))


def _linear(chance: random.Random, pool: list[Node]) -> Node:
    terms = tuple(chance.choice(pool) for _ in range(chance.randint(1, 4)))
    return Linear(terms, tuple(chance.randint(-9, 9) for _ in terms), chance.randint(-20, 20))


def _concat(chance: random.Random, pool: list[Node]) -> Node:
    parts = tuple(_natural(chance, pool) for _ in range(chance.randint(1, 3)))
    return Concat(parts, tuple(p.range.width + chance.randint(0, 1) for p in parts))


def _two(kind: Any, pick: Any) -> Any:
    return lambda chance, pool: kind(pick(chance, pool), pick(chance, pool))


def _any(chance: random.Random, pool: list[Node]) -> Node:
    return chance.choice(pool)


_MAKERS: Mapping[type[Node], Any] = {
    Const: lambda chance, pool: Const(chance.choice((0, 0, 1, -1, 5, -6, 100, -128, 255))),
    Add: _two(Add, _any),
    Sub: _two(Sub, _any),
    Neg: lambda chance, pool: Neg(_any(chance, pool)),
    Shl: lambda chance, pool: Shl(_any(chance, pool), chance.randint(0, 4)),
    Shr: lambda chance, pool: Shr(x := _any(chance, pool), chance.randint(0, x.range.width + 1)),
    Mul: _two(Mul, _any),
    Linear: _linear,
    Relu: lambda chance, pool: Relu(_any(chance, pool)),
    Clamp: _clamp,
    Bits: _bits,
    Signed: lambda chance, pool: Signed(
        x := _any(chance, pool), chance.randint(1, min(60, x.range.width + 2))
    ),
    Concat: _concat,
    And: _two(And, _natural),
    Or: _two(Or, _natural),
    Xor: _two(Xor, _natural),
    Compare: lambda chance, pool: Compare(
        _any(chance, pool), _any(chance, pool), chance.choice(("lt", "le", "eq", "ne"))
    ),
    Select: lambda chance, pool: Select(_bit(chance, pool), _any(chance, pool), _any(chance, pool)),
    Lookup: _lookup,
    FullAdder: lambda chance, pool: FullAdder(*(_bit(chance, pool) for _ in range(3))),
}
