"""Sums that are compared: the neurons, the pools of bits and the scores that they become."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from flow.analysis.binary_forms import Form, Numbering, Sum, Term
from flow.analysis.binary_steps import MOST_STEPS, Steps, find_steps
from flow.analysis.binary_sums import counting, fan_in_of_integers, refuse
from flow.ir.binary import BinaryLayer, Neurons, OrPool, Scores
from flow.ir.layers import Input
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import IntArray, TensorType, exact, fractions

_FAR = 1 << 60
"""Beyond every sum of integers."""


@dataclass(frozen=True, slots=True, eq=False)
class _Variables:
    """What is bisected: each sum by itself; of pooled sums each filter, for all places share one
    bound. `of_sum` and `of_element` say which variable a sum or an element of the tensor has."""

    of_sum: IntArray
    of_element: IntArray
    lo: IntArray
    hi: IntArray


def settle(
    network: Network, tail: Sum, numbering: Numbering, name: str
) -> tuple[Form, tuple[BinaryLayer, ...]] | None:
    """A tensor of sums as bits, and the layers that make them, the first called `name`; None
    where it has more than a few values."""
    variables = _variables(network, tail)
    steps = _steps(network, tail, variables)
    if steps is None:
        return None
    falls = _falling(tail, steps)
    steps = _turned(steps, falls)
    if tail.pool is None:
        steps = _levelled(steps, falls, variables)
    layer = _neurons(tail, steps, falls, variables, numbering, name)
    made: tuple[BinaryLayer, ...] = (layer,)
    numbers = _numbers(numbering.next, tail.linear.constant.size, layer, len(steps.bounds))
    if tail.pool is not None and tail.pooled is not None:
        after = Numbering(numbering.inputs, (*numbering.layers, layer))
        wiring = after.wiring(np.concatenate([n[tail.pooled] for n in numbers], axis=-1))
        window = (tail.pool.window, tail.pool.strides, tail.pool.padding)
        pool = OrPool(f"{name}_pool", wiring, *window)
        made = (layer, pool)
        size = int(np.prod(pool.shape)) // len(steps.bounds)
        numbers = _numbers(after.next, size, pool, len(steps.bounds))
    mine, shape = variables.of_element, tail.origin.shape
    terms = tuple(
        Term(jump[mine].reshape(shape), number[tail.origin])
        for jump, number in zip(steps.jumps, numbers, strict=True)
    )
    return Form(steps.base[mine].reshape(shape), terms), made


def _numbers(start: int, size: int, layer: Neurons | OrPool, levels: int) -> list[IntArray]:
    """The bits of every level of a layer whose channels hold the levels one after the other."""
    each = layer.shape[-1] // levels
    place, channel = np.divmod(np.arange(size), each)
    return [start + place * each * levels + k * each + channel for k in range(levels)]


def _variables(network: Network, tail: Sum) -> _Variables:
    kind, filters = network.types[tail.linear.layer.name], tail.linear.constant.shape[-1]
    lo, hi, reads = kind.lo.ravel(), kind.hi.ravel(), tail.origin.ravel()
    if tail.pooled is None:
        if len(np.unique(reads)) != len(reads):
            raise refuse(
                tail.chain[-1], "sums are repeated before they are compared",
                "repeat the bits instead",
            )  # fmt: skip
        return _Variables(np.arange(kind.size), reads, lo, hi)
    width = tail.pooled.shape[-1]
    channel = tail.pooled.reshape(-1, width) % filters
    if (channel != channel[0]).any():
        raise refuse(tail.chain[-1], "a pool mixes filters", "pool every filter by itself")
    lo, hi = lo.reshape(-1, filters).min(axis=0), hi.reshape(-1, filters).max(axis=0)
    return _Variables(np.arange(kind.size) % filters, channel[0][reads % width], lo, hi)


def _steps(network: Network, tail: Sum, variables: _Variables) -> Steps | None:
    """Where the tensor steps, by variable; at least one level."""
    name, kind = tail.linear.layer.name, network.types[tail.linear.layer.name]
    chain = chain_network(
        tail, kind, variables.lo[variables.of_sum], variables.hi[variables.of_sum]
    )

    def function(values: IntArray) -> IntArray:
        x = {name: values[variables.of_sum].reshape(1, *kind.shape)}
        answer = evaluate_network(chain, x)[chain.outputs[0]].ravel()
        result = np.zeros(len(values), dtype=object)
        result[variables.of_element] = answer
        if (result[variables.of_element] != answer).any():
            raise refuse(
                tail.chain[-1], "a pooled channel is compared differently from place to place",
                "give every channel one scale",
            )  # fmt: skip
        return result

    steps = find_steps(function, variables.lo, variables.hi)
    if steps is not None and not steps.bounds:
        return Steps(steps.base, (variables.hi + 1,), (0 * steps.base,))
    return steps


def chain_network(tail: Sum, kind: TensorType, lo: IntArray, hi: IntArray) -> Network:
    """The layers since the sums, with the sums as input; it answers the tensor alone."""
    first = tail.linear.layer
    tensor = TensorType(kind.shape, lo.reshape(kind.shape), hi.reshape(kind.shape), kind.scale)
    entry = Input(first.name, (), first.place, tensor, fractions(0, kind.shape))
    return Network("chain", (entry, *tail.chain), ((entry, *tail.chain)[-1].name,))


def _falling(tail: Sum, steps: Steps) -> IntArray:
    """Which filters are negated: all those whose tensor falls with the sum, if nothing is pooled.
    Others keep their sign, and what reads their bits has the other one."""
    filters = tail.linear.constant.shape[-1]
    if tail.pool is not None:
        return np.zeros(filters, dtype=bool)
    jumps = np.stack(steps.jumps).reshape(-1, filters)
    return np.asarray((jumps < 0).any(axis=0) & ~(jumps > 0).any(axis=0))


def _turned(steps: Steps, falls: IntArray) -> Steps:
    """The same function with negated bits where a filter falls; the last step comes first there."""
    if not falls.any():
        return steps
    down = np.resize(falls, steps.base.shape)
    pairs = list(zip(steps.bounds, steps.jumps, strict=True))
    turned = list(zip(pairs, reversed(pairs), strict=True))
    return Steps(
        np.where(down, steps.base + np.sum(np.stack(steps.jumps), axis=0), steps.base),
        tuple(np.where(down, back[0], ahead[0]) for ahead, back in turned),
        tuple(np.where(down, -back[1], ahead[1]) for ahead, back in turned),
    )


def _levelled(steps: Steps, falls: IntArray, variables: _Variables) -> Steps:
    """The same function with one base and one set of jumps for all places of a filter, where these
    take few values together and none falls: a border may be constant where the middle is not."""
    filters = len(falls)
    places = steps.base.reshape(-1, filters)
    if len(places) == 1 or (np.stack(steps.jumps) < 0).any():
        return steps
    values = np.cumsum(np.stack([steps.base, *steps.jumps]), axis=0).reshape(-1, *places.shape)
    taken = [sorted(set(values[..., f].ravel().tolist())) for f in range(filters)]
    levels = max(len(t) for t in taken) - 1
    if not 0 < levels <= max(MOST_STEPS, len(steps.bounds)):
        return steps
    rows = np.array([t + [t[-1]] * (levels + 1 - len(t)) for t in taken], dtype=object).T
    low, high = variables.lo.reshape(places.shape), (variables.hi + 1).reshape(places.shape)
    never = np.where(falls, low, high)
    bounds = [np.where(falls, high, low), *(b.reshape(places.shape) for b in steps.bounds)]
    found = []
    for level in rows[1:]:
        bound = never
        for value, at in reversed(list(zip(values, bounds, strict=True))):
            bound = np.where(value >= level, at, bound)
        found.append(bound.ravel())
    return Steps(
        np.resize(rows[0], steps.base.shape),
        tuple(found),
        tuple(np.resize(after - before, steps.base.shape) for before, after in pairwise(rows)),
    )


def _neurons(
    tail: Sum, steps: Steps, falls: IntArray, variables: _Variables, numbering: Numbering, name: str
) -> Neurons:
    """One layer for all levels: sum >= bound, or -sum >= 1 - bound where a filter is negated."""
    base, sign = tail.linear, np.where(falls, -1, 1)
    shape = base.constant.shape
    spread = [exact(b[variables.of_sum].reshape(shape), shape) for b in steps.bounds]
    gaps = [np.where(falls, 1 - b, b) - base.constant * sign for b in spread]
    if base.integer:
        indices, signs, fan_in = base.indices, base.weights * sign, fan_in_of_integers(base)
        thresholds = [np.clip(gap, -_FAR, _FAR) for gap in gaps]
    else:
        found = counting(base)
        indices, signs, fan_in = found.indices, found.signs * sign, found.fan_in
        negative = np.where(falls, fan_in - found.negative, found.negative)
        counts = [-(-gap // found.size) + negative for gap in gaps]
        thresholds = [np.clip(count, 0, fan_in + 1) for count in counts]
    levels = len(gaps)
    weights, threshold, reads = (
        np.concatenate(parts, axis=-1).astype(np.int64)
        for parts in ([signs] * levels, thresholds, [fan_in] * levels)
    )
    return Neurons(
        name, numbering.wiring(indices), weights, threshold, reads,
        base.strides, base.padding, base.dilation, base.integer,
    )  # fmt: skip


def scores(network: Network, tail: Sum, numbering: Numbering, argmax: bool, name: str) -> Scores:
    """The last sums as scores; UnsupportedModel where these are no multiple of counts."""
    base, last = tail.linear, (tail.linear.layer, *tail.chain)[-1]
    if base.integer or tail.pool is not None or len(base.constant.shape) != 1:
        raise refuse(
            last, "the answers are no sums of bits over all inputs",
            "end the network in a dense layer over bits",
        )  # fmt: skip
    found = counting(base)
    kind = network.types[base.layer.name]
    most = int(found.fan_in.max())
    p = np.minimum(np.arange(most + 1)[:, None], found.fan_in).astype(object)
    sums = base.constant + found.size * (p - found.negative)
    lo, hi = np.minimum(kind.lo, sums.min(axis=0)), np.maximum(kind.hi, sums.max(axis=0))
    chain = chain_network(tail, kind, lo, hi)
    answers = evaluate_network(chain, {base.layer.name: sums})[chain.outputs[0]].reshape(len(p), -1)
    order = tail.origin.ravel()
    p, fan_in = p[:, order], found.fan_in[order]
    offset = answers[0].astype(object)
    multiplier = answers[min(1, most)].astype(object) - offset
    if (answers != multiplier * p + offset).any():
        raise refuse(
            last, "the answers are no multiples of the counts of bits",
            'ask for the class only: head = "decision"',
        )  # fmt: skip
    shape = network.types[network.outputs[0]].shape
    return Scores(
        name, numbering.wiring(found.indices), found.signs[:, order], fan_in,
        multiplier, offset, argmax, shape,
    )  # fmt: skip
