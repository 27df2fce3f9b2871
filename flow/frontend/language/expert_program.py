"""Experts behind a router as instructions: what gpt-oss has in place of a feed-forward network.

Gates and ups saturate at the limit, because that is the range of their vectors; a gate saturates
below as well, where it counts nearly nothing.
"""

from __future__ import annotations

import numpy as np

from flow.frontend.language.builder import (
    HEADROOM,
    SIGMOID,
    Builder,
    Pick,
    step_of,
)
from flow.frontend.language.experts import routed
from flow.frontend.language.steps import INT8, INT16, fitted
from flow.ir import language as ir
from flow.ir import language_instructions as ops


def add_experts(build: Builder, n: int) -> None:
    """x = x + the sum of the chosen experts' answers to the normed x, each with its share"""
    model = build.model.real
    shape, layer = model.shape, model.layers[n]
    h = build.measures.reads[n, "gate"]
    step = build.normalise(f"layer{n}_feed_norm", layer.feed_norm, h)
    scores = routed(layer, h)
    unit = step_of(np.abs(scores).max(), INT16)
    routes = build.vector("routes", shape.experts, INT16)
    build.apply(n, "router", "h", step, np.full(shape.experts, unit), routes)
    top = (1 << (shape.experts - 1).bit_length()) - 1
    picks = build.vector("picks", shape.active_experts, top)
    shares = build.vector("shares", shape.active_experts, INT16)
    slope = np.array([unit / np.log(2) * (1 << ir.FRACTION)])
    table, shift = build.table(f"layer{n}_route_slope", slope)
    build.instructions += [
        ops.Select(picks, routes), ops.Weigh(shares, routes, picks, table, shift),
    ]  # fmt: skip
    for slot in range(shape.active_experts):
        _add_expert(build, n, step, (picks, slot))


def _add_expert(build: Builder, n: int, step: float, pick: Pick) -> None:
    """x = x + share * down((up + 1) * gate * sigmoid(gate)) of the expert of a slot"""
    model = build.model.real
    shape, size = model.shape, model.shape.inner
    unit = model.limit / (INT16 + 1)
    gate, up, more = (build.vector(v, size, INT16) for v in ("gate", "up", "up_more"))
    curve = build.vector("sigmoid8", size, INT16)
    for name in (gate, up):
        build.apply(n, name, "h", step, np.full(size, unit), name, pick)
    steep = build.curve("steep_sigmoid", model.limit, model.steepness)
    build.instructions += [
        ops.Lookup(curve, gate, steep, (2 * INT16 // SIGMOID).bit_length()),
        ops.Multiply(gate, gate, curve, ir.UNIT),
    ]
    # One more than the limit has another bit.
    more_unit = unit * 2.0 ** np.ceil(np.log2(1 + 1 / model.limit))
    build.offset("ones", up, np.full(size, 1 / unit), more, round(np.log2(more_unit / unit)))
    found = build.measures.reads[n, "down"]
    inner, finest = fitted(found), unit * more_unit
    shift = max(
        0, int(np.ceil(np.log2(max(np.abs(found).max(), inner) * HEADROOM / INT16 / finest)))
    )
    product = build.vector("product", size, INT16)
    held = build.vector("inner", size, INT8)
    build.instructions.append(ops.Multiply(product, gate, more, shift))
    factor = np.full(size, finest * 2.0**shift / inner)
    build.scale(f"layer{n}_inner_scale", product, factor, held)
    largest = float(np.abs(build.measures.reads[n, "expert"]).max()) * HEADROOM / INT16
    rise = max(0, int(np.ceil(np.log2(max(largest / build.residual, 1.0)))))
    answer = build.vector("expert", shape.hidden, INT16)
    delta = build.vector("delta", shape.hidden, INT16)
    steps = np.full(shape.hidden, build.residual * 2.0**rise)
    build.apply(n, "down", held, inner, steps, answer, pick)
    build.instructions += [
        ops.Mix(delta, answer, "shares", pick[1], ir.UNIT - rise), ops.Add("x", "x", delta),
    ]  # fmt: skip
