"""A Llama with coded weights to a language program: steps of every vector, tables, instructions.

A step is the real value of an integer's 1. Activations that arrays read are INT8, one step for each
vector, which is measured on texts; what stays in the vector engine is INT16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UnsupportedModel
from flow.frontend.language.coded_models import CodedLlama
from flow.frontend.language.llama import Reads, logits, turns
from flow.frontend.language.steps import INT8, INT16, INT24, Reals, fitted
from flow.ir import language as ir

HEADROOM = 1.5
"""How much larger than on the measured texts an INT16 may become."""
SIGMOID = 2048
"""Entries of the table of the sigmoid, from -8 to 8."""
KEYS = 7
"""Fraction bits of keys before they are rotated and rounded to INT8."""


def language_program(
    model: CodedLlama, texts: Sequence[Sequence[int]], name: str
) -> ir.LanguageProgram:
    """The program of a model; steps of vectors are those that `texts` need.

    UnsupportedModel where a sum does not fit 32 bits.
    """
    build = _Builder(model, _Measures.of(model, texts))
    for number in range(len(model.real.layers)):
        build.attention(number)
        build.feed(number)
    build.classifier()
    shape = model.real.shape
    size = shape.head_dim
    turn = turns(model.real, np.arange(shape.positions))
    halves = np.arange(1 << ir.FRACTION) / (1 << ir.FRACTION)
    return ir.LanguageProgram(
        name=name, heads=shape.heads, kv_heads=shape.kv_heads, head_size=size,
        positions=shape.positions, vectors=tuple(build.vectors.values()),
        caches=tuple(build.caches), arrays=tuple(build.arrays), tables=build.tables,
        embedding=np.clip(_rounded(model.real.embedding / build.residual), -INT16, INT16),
        cosines=_rounded(turn.real * (1 << ir.TURN)),
        sines=_rounded(turn.imag * (1 << ir.TURN)),
        exponentials=_rounded(2.0 ** (ir.UNIT - halves)), instructions=tuple(build.instructions),
    )  # fmt: skip


@dataclass(slots=True)
class _Measures:
    """What the vectors of a model hold on some texts, `[tokens, size]`, by layer and name."""

    reads: dict[tuple[int, str], Reals]
    residual: float

    @staticmethod
    def of(model: CodedLlama, texts: Sequence[Sequence[int]]) -> _Measures:
        parts: list[Reads] = []
        for text in texts:
            parts.append({})
            logits(model.real, text, reads=parts[-1])
        reads = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        if not all(np.isfinite(read).all() for read in reads.values()):
            raise UnsupportedModel(
                "activations of the float model are not finite", hint="its weights are too large"
            )
        top = max(float(np.abs(v).max()) for (_, what), v in reads.items() if what == "residual")
        return _Measures(reads, top)


@dataclass(slots=True)
class _Builder:
    """The parts of a program as they are added."""

    model: CodedLlama
    measures: _Measures
    vectors: dict[str, ir.Vector] = field(default_factory=dict)
    caches: list[ir.Cache] = field(default_factory=list)
    arrays: list[ir.Array] = field(default_factory=list)
    tables: dict[str, ir.Ints] = field(default_factory=dict)
    instructions: list[ir.Instruction] = field(default_factory=list)
    residual: float = 0.0

    def __post_init__(self) -> None:
        self.residual = _step(self.measures.residual, INT16)
        self.instructions.append(ir.Embed(self.vector("x", self.model.real.shape.hidden, INT16)))
        size = 16 / SIGMOID
        reach = np.arange(-SIGMOID // 2, SIGMOID // 2) * size
        self.tables["sigmoid"] = np.minimum(_rounded((1 << ir.UNIT) / (1 + np.exp(-reach))), INT16)

    def vector(self, name: str, size: int, top: int) -> str:
        """A vector of -top - 1 .. top; layers share it."""
        self.vectors.setdefault(name, ir.Vector(name, size, -top - 1, top))
        return name

    def wide(self, array: ir.Array) -> str:
        """A vector for the answers of an array, as wide as the widest that share it."""
        name = f"wide{array.outputs}"
        top = (1 << array.bound.bit_length()) - 1
        if name in self.vectors:
            top = max(top, self.vectors[name].high)
        if top >= 1 << ir.WORD - 1:
            raise UnsupportedModel(
                f"a sum of {array.name} does not fit {ir.WORD} bits",
                hint="take another code than mxfp4, or a smaller model",
            )
        self.vectors[name] = ir.Vector(name, array.outputs, -top - 1, top)
        return name

    def attention(self, n: int) -> None:
        """x = x + output(attention(normed x))"""
        shape, layer = self.model.real.shape, self.model.real.layers[n]
        size, group = shape.head_dim, shape.heads // shape.kv_heads
        h = self.measures.reads[n, "queries"]
        step = self.normalise(f"layer{n}_attention_norm", layer.attention_norm, h)
        queries, keys, values = (h @ w.T for w in (layer.queries, layer.keys, layer.values))
        q_step = _step(_pairs(queries).max(), INT16)
        k_steps = np.array([fitted(_pairs(k)) for k in np.split(keys, shape.kv_heads, axis=1)])
        v_steps = np.array([fitted(column) for column in values.T])
        wide_keys = np.repeat(k_steps, size) / (1 << KEYS)
        for what, steps in (
            ("queries", np.full(shape.heads * size, q_step)),
            ("keys", wide_keys),
        ):
            name = self.vector(what, len(steps), INT16)
            self.apply(n, what, "h", step, steps, name)
        self.apply(n, "values", "h", step, v_steps, self.vector("values", len(v_steps), INT8))
        turned = self.vector("turned_queries", shape.heads * size, INT16)
        stored = self.vector("turned_keys", shape.kv_heads * size, INT8)
        caches = [ir.Cache(f"layer{n}_{what}_cache", len(v_steps)) for what in ("keys", "values")]
        self.caches += caches
        slope = np.repeat(k_steps, group) * q_step / size**0.5 / np.log(2) * (1 << ir.FRACTION)
        table, shift = self.table(f"layer{n}_slopes", slope)
        mixed = self.vector("mixed", shape.heads * size, INT16)
        o_step = fitted(self.measures.reads[n, "output"])
        finer = np.repeat(v_steps.reshape(-1, 1, size), group, axis=1).ravel() / (1 << ir.FINER)
        self.instructions += [
            ir.Rotate(turned, "queries", ir.TURN),
            ir.Rotate(stored, "keys", ir.TURN + KEYS),
            ir.Store(caches[0].name, stored),
            ir.Store(caches[1].name, "values"),
            ir.Attend(mixed, turned, caches[0].name, caches[1].name, table, shift),
        ]
        self.scale(
            f"layer{n}_mixed_scale",
            "mixed",
            finer / o_step,
            self.vector("mixed8", shape.heads * size, INT8),
        )
        self.add(n, "output", "mixed8", o_step)

    def feed(self, n: int) -> None:
        """x = x + down(silu(gate(normed x)) * up(normed x))"""
        shape, layer = self.model.real.shape, self.model.real.layers[n]
        h = self.measures.reads[n, "gate"]
        step = self.normalise(f"layer{n}_feed_norm", layer.feed_norm, h)
        gates, ups = h @ layer.gate.T, h @ layer.up.T
        entries = int(np.log2(SIGMOID // 16))
        largest = max(8.0, float(np.abs(gates).max()) * HEADROOM)
        below = max(entries, int(np.floor(np.log2(INT16 / largest))))
        inner = fitted(self.measures.reads[n, "down"])
        finest = _step(np.abs(ups).max(), INT16)
        shift = min(40, max(0, int(np.floor(np.log2(inner * 2.0**below / finest)))))
        gate, up, sigmoid = (self.vector(v, shape.inner, INT16) for v in ("gate", "up", "sigmoid8"))
        self.apply(n, "gate", "h", step, np.full(shape.inner, 2.0**-below), gate)
        self.apply(n, "up", "h", step, np.full(shape.inner, inner * 2.0 ** (below - shift)), up)
        held = self.vector("inner", shape.inner, INT8)
        self.instructions += [
            ir.Lookup(sigmoid, gate, "sigmoid", below - entries),
            ir.Multiply(gate, gate, sigmoid, ir.UNIT),
            ir.Multiply(held, gate, up, shift),
        ]
        self.add(n, "down", held, inner)

    def classifier(self) -> None:
        """Scores of all tokens, and the choice."""
        n = len(self.model.real.layers)
        h = self.measures.reads[n, "classifier"]
        step = self.normalise("norm", self.model.real.norm, h)
        scores = h @ self.model.real.classifier.T
        finest = step * float(self.model.matrices[n, "classifier"].units.max()) / INT8
        unit = max(_step(np.abs(scores).max(), INT24), finest)
        name = self.vector("scores", self.model.real.shape.vocabulary, INT24)
        self.apply(n, "classifier", "h", step, np.full(scores.shape[1], unit), name)
        heat = unit / np.log(2) * (1 << ir.FRACTION)
        shift = _shift(heat)
        self.instructions.append(ir.Choose(name, round(heat * 2**shift), shift))

    def normalise(self, name: str, gain: NDArray[np.float32], found: Reals) -> float:
        """h = normed x as INT8; its step."""
        step = fitted(found)
        factors = gain.astype(np.float64) * len(gain) ** 0.5 / step / (1 << ir.UNIT)
        table, shift = self.table(name, factors)
        epsilon = max(1, round(self.model.real.epsilon * len(gain) / self.residual**2))
        h = self.vector("h", len(gain), INT8)
        self.instructions.append(ir.Normalise(h, "x", table, shift, epsilon))
        return step

    def apply(self, n: int, what: str, source: str, step: float, steps: Reals, to: str) -> None:
        """to = the matrix's answer to a source of a step, each element in a step of its own."""
        coded = self.model.matrices[n, what]
        name = what if what == "classifier" else f"layer{n}_{what}"
        array = ir.Array(name, coded.code, coded.integers, coded.shifts)
        self.arrays.append(array)
        wide = self.wide(array)
        self.instructions.append(ir.Apply(wide, source, name))
        self.scale(f"{name}_scale", wide, coded.units * step / steps, to)

    def add(self, n: int, what: str, source: str, step: float) -> None:
        """x = x + the matrix's answer."""
        hidden = self.model.real.shape.hidden
        delta = self.vector("delta", hidden, INT16)
        self.apply(n, what, source, step, np.full(hidden, self.residual), delta)
        self.instructions.append(ir.Add("x", "x", delta))

    def scale(self, name: str, source: str, factors: Reals, to: str) -> None:
        """to = source * factors"""
        table, shift = self.table(name, factors)
        self.instructions.append(ir.Scale(to, source, table, shift))

    def table(self, name: str, factors: Reals) -> tuple[str, int]:
        """Factors as INT16 and the shift that goes with them."""
        shift = _shift(float(np.abs(factors).max()))
        self.tables[name] = _rounded(factors * 2.0**shift)
        return name, shift


def _step(top: float, limit: int) -> float:
    """The step with which HEADROOM times a magnitude is a limit; 1 where it is zero."""
    return float(top) * HEADROOM / limit or 1.0


def _shift(top: float) -> int:
    """The largest shift with which a factor of that magnitude is an INT16; at most 40.

    UnsupportedModel where there is none.
    """
    if top == 0:
        return 0
    shift = int(np.floor(np.log2(INT16 / top)))
    if shift < 0:
        raise UnsupportedModel(
            "a factor between two vectors does not fit 16 bits",
            hint="weights or norms of the model differ by too much",
        )
    return min(40, shift)


def _rounded(x: NDArray[np.floating[Any]]) -> ir.Ints:
    """The nearest integers."""
    found: ir.Ints = np.rint(x).astype(np.int64)
    return found


def _pairs(x: Reals) -> Reals:
    """Lengths of pairs of neighbours: what either becomes at most when they are turned."""
    found: Reals = np.hypot(x[..., 0::2], x[..., 1::2])
    return found


def real_scores(program: ir.LanguageProgram, scores: ir.Ints) -> Reals:
    """Scores of a program as logits, in natural units."""
    last = program.instructions[-1]
    assert isinstance(last, ir.Choose)
    found: Reals = scores * (last.heat * np.log(2) / 2.0 ** (last.shift + ir.FRACTION))
    return found
