"""The parts of a language program as they are added: vectors, arrays, tables, their steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UnsupportedModel
from flow.frontend.language.coded_models import EXPERT, CodedLlama
from flow.frontend.language.codes import Coded
from flow.frontend.language.llama import Reads, logits
from flow.frontend.language.steps import INT8, INT16, INT24, Reals, fitted
from flow.ir import language as ir
from flow.ir import language_instructions as ops

HEADROOM = 1.5
"""How much larger than on the measured texts an INT16 may become."""
SIGMOID = 2048
"""Entries of a table of the sigmoid."""
BIASED = 6
"""Fraction bits of what a bias is added to, before it is rounded to INT8."""
MOST_PARTS = 8
"""Tables that a bias may need, each of 16 bits."""
Pick = tuple[str, int]
"""A vector of chosen experts, and a place in it."""
EVERY: Pick = ("", 0)


@dataclass(slots=True)
class Measures:
    """What the vectors of a model hold on some texts, `[tokens, size]`, by layer and name."""

    reads: dict[tuple[int, str], Reals]
    residual: float

    @staticmethod
    def of(model: CodedLlama, texts: Sequence[Sequence[int]]) -> Measures:
        """The float model of the coded weights on texts; UnsupportedModel where it overflows."""
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
        return Measures(reads, top)


@dataclass(slots=True)
class Builder:
    """The parts of a program as they are added."""

    model: CodedLlama
    measures: Measures
    vectors: dict[str, ir.Vector] = field(default_factory=dict)
    caches: list[ir.Cache] = field(default_factory=list)
    arrays: list[ir.Array] = field(default_factory=list)
    tables: dict[str, ir.Ints] = field(default_factory=dict)
    instructions: list[ops.Instruction] = field(default_factory=list)
    residual: float = 0.0

    def __post_init__(self) -> None:
        self.residual = step_of(self.measures.residual, INT16)
        self.instructions.append(ops.Embed(self.vector("x", self.model.real.shape.hidden, INT16)))

    def vector(self, name: str, size: int, top: int) -> str:
        """A vector of -top - 1 .. top; layers share it."""
        self.vectors.setdefault(name, ir.Vector(name, size, -top - 1, top))
        return name

    def curve(self, name: str, reach: float, steepness: float = 1.0) -> str:
        """A table of the sigmoid from -reach to reach."""
        x = np.arange(-SIGMOID // 2, SIGMOID // 2) * (2 * reach / SIGMOID)
        found = rounded((1 << ir.UNIT) / (1 + np.exp(-steepness * x)))
        self.tables.setdefault(name, np.minimum(found, INT16))
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

    def normalise(self, name: str, gain: NDArray[np.float32], found: Reals) -> float:
        """h = normed x as INT8; its step."""
        step = fitted(found)
        factors = gain.astype(np.float64) * len(gain) ** 0.5 / step / (1 << ir.UNIT)
        table, shift = self.table(name, factors)
        epsilon = max(1, round(self.model.real.epsilon * len(gain) / self.residual**2))
        h = self.vector("h", len(gain), INT8)
        self.instructions.append(ops.Normalise(h, "x", table, shift, epsilon))
        return step

    def apply(
        self, n: int, what: str, source: str, step: float, steps: Reals, to: str, pick: Pick = EVERY
    ) -> None:
        """to = the matrix's answer to a source of a step, each element in a step of its own.

        With `pick`, the matrix is that of the expert that was picked there.
        """
        name = what if what == "classifier" else f"layer{n}_{what}"
        coded = self._coded(n, what, name)
        wide = f"wide{len(steps)}"
        first = self.arrays[self._places(name)].name
        self.instructions.append(ops.Apply(wide, source, first, *pick))
        units = np.concatenate([one.units * step / steps for one in coded])
        bias = self.model.real.layers[n].biases.get(what) if n < self._depth else None
        if bias is None:
            self.scale(f"{name}_scale", wide, units, to, pick)
            return
        # What comes before the bias may be larger than what comes after it.
        fine = BIASED if self.vectors[to].high == INT8 else 0
        held = self.vector(f"{to}_fine", len(steps), INT24)
        self.scale(f"{name}_scale", wide, units * (1 << fine), held, pick)
        self.offset(f"{name}_bias", held, bias * (1 << fine) / steps, to, fine, pick)

    @property
    def _depth(self) -> int:
        return len(self.model.real.layers)

    def _coded(self, n: int, what: str, name: str) -> list[Coded]:
        """The codes of a matrix, or of that of each expert; their arrays are added once."""
        matrices = self.model.matrices
        found = {name: matrices[n, what]} if (n, what) in matrices else {}
        for expert in range(self.model.real.shape.experts if not found else 0):
            found[f"layer{n}x{expert}_{what}"] = matrices[n, f"{what}{EXPERT}{expert}"]
        if not any(array.name in found for array in self.arrays):
            for title, coded in found.items():
                self.arrays.append(ir.Array(title, coded.code, coded.integers, coded.shifts))
                self.wide(self.arrays[-1])
        return list(found.values())

    def _places(self, name: str) -> int:
        """The place of an array, or of the first expert's."""
        layer, _, what = name.partition("_")
        names = [array.name for array in self.arrays]
        return names.index(name if name in names else f"{layer}x0_{what}")

    def scale(self, name: str, source: str, factors: Reals, to: str, pick: Pick = EVERY) -> None:
        """to = source * factors"""
        table, shift = self.table(name, factors)
        self.instructions.append(ops.Scale(to, source, table, shift, *pick))

    def offset(
        self, name: str, source: str, more: Reals, to: str, shift: int, pick: Pick = EVERY
    ) -> None:
        """to = (source + more) / 2**shift, in as many tables of 16 bits as that takes."""
        left = rounded(more.ravel())
        count = -(-int(np.abs(left).max()) // INT16) or 1
        if count > MOST_PARTS:
            raise UnsupportedModel(
                f"{name} is {count} times larger than what it is added to",
                hint="biases of the model are too large",
            )
        for number in range(count):
            part = np.clip(left, -INT16, INT16)
            left = left - part
            title = f"{name}{number or ''}"
            last = number == count - 1
            self.tables.setdefault(title, part)
            self.instructions.append(
                ops.Offset(to if last else source, source, title, shift if last else 0, *pick)
            )

    def table(self, name: str, factors: Reals) -> tuple[str, int]:
        """Factors as INT16 and the shift that goes with them."""
        shift = shift_of(float(np.abs(factors).max()))
        self.tables[name] = rounded(factors * 2.0**shift)
        return name, shift

    def risen(self, name: str, values: Reals) -> int:
        """A table of values divided by a power of two, whose exponent is returned."""
        most = ir.WORD - 17
        top = float(np.abs(values).max())
        rise = min(most, max(0, int(np.ceil(np.log2(max(top, 1.0) / INT16)))))
        self.tables[name] = np.clip(rounded(values / 2.0**rise), -INT16, INT16)
        return rise


def step_of(top: float, limit: int) -> float:
    """The step with which HEADROOM times a magnitude is a limit; 1 where it is zero."""
    return float(top) * HEADROOM / limit or 1.0


def shift_of(top: float) -> int:
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


def rounded(x: NDArray[np.floating[Any]]) -> ir.Ints:
    """The nearest integers."""
    found: ir.Ints = np.rint(x).astype(np.int64)
    return found
