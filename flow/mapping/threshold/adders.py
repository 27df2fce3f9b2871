"""Sums that read their own carry: two threshold gates for a full adder in place of five.

The parity of three bits is no threshold function, but it is one of the three bits and their
majority: a + b + c - 2 m >= 1 (Minnick, "Linear-Input Logic", 1961). So a parity is written anew
with the majority, which the graph mostly has as a carry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flow.ir.aig import Aig, AigBuilder

MOST_CUTS = 8
"""Cuts of three inputs that are looked at for each gate."""
LARGEST = 60_000
"""Gates of a graph beyond which it is left as it is."""

_VARIABLES = (0xAA, 0xCC, 0xF0)
_PARITY = 0x96


def _majorities() -> dict[int, tuple[int, int, int, int]]:
    """The table of each majority of three, inverted or not, with which of the three and it are."""
    found: dict[int, tuple[int, int, int, int]] = {}
    for phases in range(8):
        a, b, c = (v ^ -(phases >> i & 1) & 0xFF for i, v in enumerate(_VARIABLES))
        table = a & b | a & c | b & c
        one = (phases & 1, phases >> 1 & 1, phases >> 2 & 1)
        found.setdefault(table, (*one, 0))
        found.setdefault(table ^ 0xFF, (*one, 1))
    return found


_MAJORITY = _majorities()

Leaves = tuple[int, ...]
Cut = tuple[Leaves, int]


@dataclass(frozen=True, slots=True)
class _Sum:
    """A parity of three variables, inverted or not, and the variable of their majority, if any."""

    leaves: Leaves
    inverted: int
    majority: int | None
    phases: tuple[int, int, int, int] = (0, 0, 0, 0)


def with_carries(aig: Aig) -> Aig:
    """The graph in which parities of three read a majority of the three."""
    if aig.size > LARGEST:
        return aig
    cuts = _cuts(aig)
    sums = _sums(aig, cuts)
    if not sums:
        return aig
    g = AigBuilder(aig.name, aig.inputs)
    new: dict[int, int] = {v: 2 * v for v in range(aig.first_gate)}
    for root in aig.literals:
        stack = [root >> 1]
        while stack:
            v = stack[-1]
            if v in new:
                stack.pop()
                continue
            missing = [x for x in _reads(aig, sums, v) if x not in new]
            if missing:
                stack += missing
                continue
            new[v] = _built(g, aig, sums, v, new)
            stack.pop()
    ends = [new[x >> 1] ^ x & 1 for x in aig.literals]
    return g.finish(list(zip(aig.outputs, ends, strict=True)))


def _reads(aig: Aig, sums: dict[int, _Sum], v: int) -> Iterator[int]:
    if v in sums:
        yield from sums[v].leaves
        if (majority := sums[v].majority) is not None:
            yield majority
    else:
        yield aig.left[v - aig.first_gate] >> 1
        yield aig.right[v - aig.first_gate] >> 1


def _built(g: AigBuilder, aig: Aig, sums: dict[int, _Sum], v: int, new: dict[int, int]) -> int:
    if v not in sums:
        a, b = aig.left[v - aig.first_gate], aig.right[v - aig.first_gate]
        return g.conj(new[a >> 1] ^ a & 1, new[b >> 1] ^ b & 1)
    made = sums[v]
    bits = [new[x] ^ phase for x, phase in zip(made.leaves, made.phases, strict=False)]
    if made.majority is None:
        carry = g.cheap_majority(*bits)
    else:
        carry = new[made.majority] ^ made.phases[3]
    total = g.disj(g.all(bits), g.conj(carry ^ 1, g.any(bits)))
    return total ^ made.inverted ^ (sum(made.phases[:3]) & 1)


def _sums(aig: Aig, cuts: list[list[Cut]]) -> dict[int, _Sum]:
    """The parities that are written anew.

    No gate between a majority and its three variables is one of them, so what a parity reads is
    made of variables before it, and no circle comes about.
    """
    majorities: dict[Leaves, list[tuple[int, tuple[int, int, int, int]]]] = {}
    parities: list[tuple[int, Leaves, int]] = []
    for v in range(aig.first_gate, aig.first_gate + aig.size):
        for leaves, table in cuts[v]:
            if len(leaves) < 3:
                continue
            if table in _MAJORITY:
                majorities.setdefault(leaves, []).append((v, _MAJORITY[table]))
            elif table in (_PARITY, _PARITY ^ 0xFF):
                parities.append((v, leaves, int(table != _PARITY)))
    reads = _fan_outs(aig)
    found: dict[int, _Sum] = {}
    frozen: set[int] = set()
    for v, leaves, inverted in parities:
        if v in found or v in frozen:
            continue
        for majority, phases in majorities.get(leaves, ()):
            inner = _inner(aig, majority, leaves)
            if v not in inner and not inner & found.keys():
                frozen |= inner
                found[v] = _Sum(leaves, inverted, majority, phases)
                break
    for v, leaves, inverted in parities:
        if v in found or v in frozen or leaves in majorities:
            continue
        inner = _inner(aig, v, leaves) - {v}
        counts: dict[int, int] = {}
        for k in (*inner, v):
            for x in (aig.left[k - aig.first_gate], aig.right[k - aig.first_gate]):
                counts[x >> 1] = counts.get(x >> 1, 0) + 1
        if all(counts[k] == reads[k] for k in inner) and not inner & frozen:
            found[v] = _Sum(leaves, inverted, None)
    return found


def _inner(aig: Aig, root: int, leaves: Leaves) -> set[int]:
    """The gates of a cone, its root among them."""
    found: set[int] = set()
    stack = [root]
    while stack:
        v = stack.pop()
        if v in leaves or v in found or v < aig.first_gate:
            continue
        found.add(v)
        stack += (aig.left[v - aig.first_gate] >> 1, aig.right[v - aig.first_gate] >> 1)
    return found


def _fan_outs(aig: Aig) -> list[int]:
    reads = [0] * (aig.first_gate + aig.size)
    for x in (*aig.left, *aig.right, *aig.literals):
        reads[x >> 1] += 1
    return reads


def _cuts(aig: Aig) -> list[list[Cut]]:
    """Cuts of at most three variables with their tables: of fewest, then of earliest variables."""
    cuts: list[list[Cut]] = [[((v,), _VARIABLES[0])] for v in range(aig.first_gate)]
    cuts[0] = []
    for k, (a, b) in enumerate(zip(aig.left, aig.right, strict=True), aig.first_gate):
        found: dict[Leaves, int] = {}
        for left, first in cuts[a >> 1]:
            for right, second in cuts[b >> 1]:
                union = tuple(sorted({*left, *right}))
                if len(union) <= 3 and union not in found:
                    x = _stretched(left, first, union) ^ (0xFF if a & 1 else 0)
                    y = _stretched(right, second, union) ^ (0xFF if b & 1 else 0)
                    found[union] = x & y
        best = sorted(found.items(), key=lambda cut: (len(cut[0]), sum(cut[0])))[:MOST_CUTS]
        cuts.append([((k,), _VARIABLES[0]), *best])
    return cuts


def _stretched(leaves: Leaves, table: int, union: Leaves) -> int:
    """The table over more variables."""
    if leaves == union:
        return table
    places = [union.index(x) for x in leaves]
    result = 0
    for m in range(8):
        index = 0
        for i, place in enumerate(places):
            index |= (m >> place & 1) << i
        result |= (table >> index & 1) << m
    return result
