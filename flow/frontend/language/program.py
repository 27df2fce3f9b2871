"""A language model with coded weights to a language program: vectors, steps, tables, instructions.

A step is the real value of an integer's 1. Activations that arrays read are INT8, one step for each
vector, which is measured on texts; what stays in the vector engine is INT16.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flow.frontend.language.builder import (
    HEADROOM,
    SIGMOID,
    Builder,
    Measures,
    rounded,
    shift_of,
    step_of,
)
from flow.frontend.language.coded_models import CodedLlama
from flow.frontend.language.expert_program import add_experts
from flow.frontend.language.llama import answered, turns
from flow.frontend.language.steps import INT8, INT16, INT24, Reals, fitted
from flow.ir import language as ir
from flow.ir import language_instructions as ops

KEYS = 7
"""Fraction bits of keys before they are rotated and rounded to INT8."""


def language_program(
    model: CodedLlama, texts: Sequence[Sequence[int]], name: str
) -> ir.LanguageProgram:
    """The program of a model; steps of vectors are those that `texts` need.

    UnsupportedModel where a sum does not fit 32 bits.
    """
    build = Builder(model, Measures.of(model, texts))
    for number, layer in enumerate(model.real.layers):
        add_attention(build, number)
        if layer.router is None:
            add_feed(build, number)
        else:
            add_experts(build, number)
    add_classifier(build)
    shape = model.real.shape
    size = shape.head_dim
    turn = turns(model.real, np.arange(shape.positions))
    halves = np.arange(1 << ir.FRACTION) / (1 << ir.FRACTION)
    return ir.LanguageProgram(
        name=name, heads=shape.heads, kv_heads=shape.kv_heads, head_size=size,
        positions=shape.positions, vectors=tuple(build.vectors.values()),
        caches=tuple(build.caches), arrays=tuple(build.arrays), tables=build.tables,
        embedding=np.clip(rounded(model.real.embedding / build.residual), -INT16, INT16),
        cosines=rounded(turn.real * (1 << ir.TURN)),
        sines=rounded(turn.imag * (1 << ir.TURN)),
        exponentials=rounded(2.0 ** (ir.UNIT - halves)), instructions=tuple(build.instructions),
    )  # fmt: skip


def add_attention(build: Builder, n: int) -> None:
    """x = x + output(attention(normed x))"""
    shape, layer = build.model.real.shape, build.model.real.layers[n]
    scaling = build.model.real.scaling
    size, group = shape.head_dim, shape.heads // shape.kv_heads
    h = build.measures.reads[n, "queries"]
    step = build.normalise(f"layer{n}_attention_norm", layer.attention_norm, h)
    queries, keys, values = (answered(layer, name, h) for name in ("queries", "keys", "values"))
    q_step = step_of(_pairs(queries).max(), INT16)
    k_steps = np.array([fitted(_pairs(k)) for k in np.split(keys, shape.kv_heads, axis=1)])
    v_steps = np.array([fitted(column) for column in values.T])
    wide_keys = np.repeat(k_steps, size) / (1 << KEYS)
    for what, steps in (
        ("queries", np.full(shape.heads * size, q_step)),
        ("keys", wide_keys),
    ):
        name = build.vector(what, len(steps), INT16)
        build.apply(n, what, "h", step, steps, name)
    build.apply(n, "values", "h", step, v_steps, build.vector("values", len(v_steps), INT8))
    turned = build.vector("turned_queries", shape.heads * size, INT16)
    stored = build.vector("turned_keys", shape.kv_heads * size, INT8)
    caches = [ir.Cache(f"layer{n}_{what}_cache", len(v_steps)) for what in ("keys", "values")]
    build.caches += caches
    # Queries and keys both have the gain of scaled rotations.
    gain = scaling.gain**2 if scaling is not None else 1.0
    unit = np.repeat(k_steps, group) * q_step / size**0.5 * gain
    table, shift = build.table(f"layer{n}_slopes", unit / np.log(2) * (1 << ir.FRACTION))
    sinks, rise = "", 0
    if layer.sinks is not None:
        sinks = f"layer{n}_sinks"
        rise = build.risen(sinks, layer.sinks.astype(np.float64) / unit)
    mixed = build.vector("mixed", shape.heads * size, INT16)
    o_step = fitted(build.measures.reads[n, "output"])
    finer = np.repeat(v_steps.reshape(-1, 1, size), group, axis=1).ravel() / (1 << ir.FINER)
    build.instructions += [
        ops.Rotate(turned, "queries", ir.TURN),
        ops.Rotate(stored, "keys", ir.TURN + KEYS),
        ops.Store(caches[0].name, stored),
        ops.Store(caches[1].name, "values"),
        ops.Attend(
            mixed, turned, caches[0].name, caches[1].name, table, shift, sinks, rise, layer.window
        ),
    ]
    build.scale(
        f"layer{n}_mixed_scale",
        "mixed",
        finer / o_step,
        build.vector("mixed8", shape.heads * size, INT8),
    )
    _add(build, n, "output", "mixed8", o_step)


def add_feed(build: Builder, n: int) -> None:
    """x = x + down(silu(gate(normed x)) * up(normed x))"""
    shape, layer = build.model.real.shape, build.model.real.layers[n]
    build.curve("sigmoid", 8.0)
    h = build.measures.reads[n, "gate"]
    step = build.normalise(f"layer{n}_feed_norm", layer.feed_norm, h)
    gates, ups = answered(layer, "gate", h), answered(layer, "up", h)
    entries = int(np.log2(SIGMOID // 16))
    largest = max(8.0, float(np.abs(gates).max()) * HEADROOM)
    below = max(entries, int(np.floor(np.log2(INT16 / largest))))
    inner = fitted(build.measures.reads[n, "down"])
    finest = step_of(np.abs(ups).max(), INT16)
    shift = min(40, max(0, int(np.floor(np.log2(inner * 2.0**below / finest)))))
    gate, up, sigmoid = (build.vector(v, shape.inner, INT16) for v in ("gate", "up", "sigmoid8"))
    build.apply(n, "gate", "h", step, np.full(shape.inner, 2.0**-below), gate)
    build.apply(n, "up", "h", step, np.full(shape.inner, inner * 2.0 ** (below - shift)), up)
    held = build.vector("inner", shape.inner, INT8)
    build.instructions += [
        ops.Lookup(sigmoid, gate, "sigmoid", below - entries),
        ops.Multiply(gate, gate, sigmoid, ir.UNIT),
        ops.Multiply(held, gate, up, shift),
    ]
    _add(build, n, "down", held, inner)


def add_classifier(build: Builder) -> None:
    """Scores of all tokens, and the choice."""
    model = build.model
    n = len(model.real.layers)
    h = build.measures.reads[n, "classifier"]
    step = build.normalise("norm", model.real.norm, h)
    scores = h @ model.real.classifier.T
    finest = step * float(model.matrices[n, "classifier"].units.max()) / INT8
    unit = max(step_of(np.abs(scores).max(), INT24), finest)
    name = build.vector("scores", model.real.shape.vocabulary, INT24)
    build.apply(n, "classifier", "h", step, np.full(scores.shape[1], unit), name)
    heat = unit / np.log(2) * (1 << ir.FRACTION)
    shift = shift_of(heat)
    build.instructions.append(ops.Choose(name, round(heat * 2**shift), shift))


def _add(build: Builder, n: int, what: str, source: str, step: float) -> None:
    """x = x + the matrix's answer."""
    hidden = build.model.real.shape.hidden
    delta = build.vector("delta", hidden, INT16)
    build.apply(n, what, source, step, np.full(hidden, build.residual), delta)
    build.instructions.append(ops.Add("x", "x", delta))


def _pairs(x: Reals) -> Reals:
    """Lengths of pairs of neighbours: what either becomes at most when they are turned."""
    found: Reals = np.hypot(x[..., 0::2], x[..., 1::2])
    return found


def real_scores(program: ir.LanguageProgram, scores: ir.Ints) -> Reals:
    """Scores of a program as logits, in natural units."""
    last = program.instructions[-1]
    assert isinstance(last, ops.Choose)
    found: Reals = scores * (last.heat * np.log(2) / 2.0 ** (last.shift + ir.FRACTION))
    return found
