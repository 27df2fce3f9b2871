"""The ends of a model: heads that stay on the host, and decisions that become hardware."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from flow.frontend.exact.rational import common_divisors, full, hull_divisor, rational
from flow.frontend.exact.workbench import Value, Workbench
from flow.frontend.source import HEADS, Function, SourceActivation
from flow.ir.layers import ArgMax, AtLeast
from flow.ir.network import Head
from flow.ir.rounding import round_fraction
from flow.ir.tensor import IntArray, compact, narrow

_HOST: dict[str, Head] = {
    "softmax": "softmax", "log_softmax": "log_softmax", "sigmoid": "sigmoid",
}  # fmt: skip


def split_heads(bench: Workbench) -> tuple[dict[str, Function], list[str]]:
    """The function that ends each output, by its name, and the tensors below the ends."""
    by_name = {x.name: x for x in bench.source}
    heads: dict[str, Function] = {}
    below = []
    for name in bench.model.outputs:
        layer = by_name[name]
        if (
            isinstance(layer, SourceActivation)
            and layer.function in ("sigmoid", *HEADS)
            and not bench.reads[name]
        ):
            heads[name] = layer.function
            name = layer.sources[0]
        below.append(name)
    return heads, below


def host_head(bench: Workbench, heads: dict[str, Function]) -> Head | tuple[Head, ...]:
    """What the host applies to the outputs: one for all, or where they differ one for each."""
    each = tuple(_HOST.get(heads.get(name, "argmax"), "none") for name in bench.model.outputs)
    return each[0] if len({*each}) == 1 else each


def logits(bench: Workbench, name: str) -> str:
    """The tensor as integers with a scale alone; the name of the network's layer."""
    value = bench.plain(name)
    return bench.rescaled(name, value, common_divisors(value.m, value.b), labelled=True).layer


def decide(bench: Workbench, name: str, head: Function | None, word: str, place: str) -> str:
    """A class: whether a single or a sigmoid output is at least 0, else the largest output."""
    value = bench.whole(bench.plain(name))
    size = value.m.shape[-1] if value.m.ndim else 1
    if head != "argmax" and (size == 1 or head == "sigmoid"):
        return _at_least_zero(bench, name, value, word, place)
    value = _comparable(bench, name, value)
    return bench.emit(ArgMax(bench.new(word), (value.layer,), place))


def _at_least_zero(bench: Workbench, name: str, value: Value, word: str, place: str) -> str:
    if not all(v > 0 for v in value.m.ravel().tolist()):
        value = bench.rescaled(name, value, common_divisors(value.m, value.b))
    bounds = [
        round_fraction(-b / m, "ceil")
        for m, b in zip(value.m.ravel().tolist(), value.b.ravel().tolist(), strict=True)
    ]
    array: IntArray = np.empty(len(bounds), dtype=object)
    array[:] = bounds
    bound = narrow(compact(array.reshape(value.m.shape)))
    return bench.emit(AtLeast(bench.new(word), (value.layer,), place, bound))


def _comparable(bench: Workbench, name: str, value: Value) -> Value:
    """Integers whose order, ties included, is that of the real values.

    Where all elements share a positive m, only the order of the fractions of b / m matters beside
    the integers, so their ranks stand for them.
    """
    scale = value.m.ravel()[0]
    labels = bench.types[value.layer].scale
    labelled = bool((labels != labels.ravel()[0]).any())
    if scale <= 0 or (value.m != scale).any():
        grid = hull_divisor(np.concatenate([value.m.ravel(), value.b.ravel()]))
        return bench.rescaled(name, value, full(grid, value.m.shape), labelled=labelled)
    shifts = [Fraction(b) / scale for b in value.b.ravel().tolist()]
    least = min(round_fraction(v, "floor") for v in shifts)
    ranks = {v: i for i, v in enumerate(sorted({v % 1 for v in shifts}))}
    steps = 1 << (len(ranks) - 1).bit_length()
    codes = [(round_fraction(v, "floor") - least) + Fraction(ranks[v % 1], steps) for v in shifts]
    one = full(1, value.m.shape)
    value = replace(value, m=one, b=rational(codes).reshape(value.m.shape))
    grids = full(Fraction(1, steps), value.m.shape)
    return bench.rescaled(name, value, grids, labelled=labelled)
