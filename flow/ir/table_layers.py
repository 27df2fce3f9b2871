"""The layers of a Network that are functions given by their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from flow.errors import IRError
from flow.ir.layer import Layer
from flow.ir.tensor import FractionArray, IntArray, TensorType, exact, fractions

Table = tuple[int, ...]
"""The values at base, base + 1, ..."""


@dataclass(frozen=True, slots=True, eq=False)
class Lookup(Layer):
    """y = table[x - base]: a function of every element, given by its values.

    Element e uses table `choice[e]` with its base; `choice` broadcasts from the last axis.
    """

    kind: ClassVar[str] = "lookup"

    bases: tuple[int, ...]
    tables: tuple[Table, ...]
    choice: IntArray
    scale: FractionArray

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The hull of the entries that each element reaches."""
        (x,) = sources
        choice = exact(self.choice, x.shape).ravel().tolist()
        if len(self.bases) != len(self.tables) or not 0 <= min(choice) <= max(choice) < len(
            self.tables
        ):
            raise IRError(f"{self.name}: {len(self.tables)} tables do not fit its choice")
        keys = list(zip(choice, x.lo.ravel().tolist(), x.hi.ravel().tolist(), strict=True))
        ends: dict[tuple[int, int, int], tuple[int, int]] = {}
        for key in keys:
            if key not in ends:
                k, lo, hi = key
                ends[key] = _reach(self.name, self.bases[k], self.tables[k], lo, hi)
        low, high = np.empty(x.size, dtype=object), np.empty(x.size, dtype=object)
        low[:] = [ends[key][0] for key in keys]
        high[:] = [ends[key][1] for key in keys]
        scale = fractions(self.scale, x.shape)
        return TensorType(x.shape, low.reshape(x.shape), high.reshape(x.shape), scale)

    def evaluate(self, *sources: IntArray) -> IntArray:
        """table[x - base]"""
        (x,) = sources
        starts = np.cumsum([0, *(len(t) for t in self.tables[:-1])])
        shift = (starts - np.array(self.bases))[self.choice.astype(np.int64)]
        flat = np.array([v for table in self.tables for v in table], dtype=x.dtype)
        values: IntArray = flat[x.astype(np.int64) + shift]
        return values


@dataclass(frozen=True, slots=True, eq=False)
class TableSum(Layer):
    """`y[..., j] = bias[j] + sum over i of tables[i][j][x[..., i] - bases[i]]`

    A dense layer whose products are functions given by their values; None is a pair without one.
    """

    kind: ClassVar[str] = "table_sum"

    bases: tuple[int, ...]
    tables: tuple[tuple[Table | None, ...], ...]
    bias: IntArray
    scale: FractionArray

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The sum of the hulls of the entries that are reached."""
        (x,) = sources
        inputs, outputs = len(self.tables), len(self.bias)
        if x.shape[-1:] != (inputs,) or len(self.bases) != inputs:
            raise IRError(f"{self.name}: tables of {inputs} inputs meet a tensor {x.shape}")
        if any(len(row) != outputs for row in self.tables):
            raise IRError(f"{self.name}: an input has not a table for each of {outputs} outputs")
        shape = (*x.shape[:-1], outputs)
        lows, highs = x.lo.reshape(-1, inputs).tolist(), x.hi.reshape(-1, inputs).tolist()
        bias = exact(self.bias, (outputs,))
        low, high = (np.tile(bias, (len(lows), 1)) for _ in range(2))
        for p, (lo, hi) in enumerate(zip(lows, highs, strict=True)):
            for i, row in enumerate(self.tables):
                for j, table in enumerate(row):
                    if table is not None:
                        ends = _reach(self.name, self.bases[i], table, lo[i], hi[i])
                        low[p, j], high[p, j] = low[p, j] + ends[0], high[p, j] + ends[1]
        scale = fractions(self.scale, shape)
        return TensorType(shape, low.reshape(shape), high.reshape(shape), scale)

    def evaluate(self, *sources: IntArray) -> IntArray:
        """bias[j] + sum of the entries"""
        (x,) = sources
        outputs = len(self.bias)
        total: IntArray = np.empty((*x.shape[:-1], outputs), dtype=x.dtype)
        total[...] = self.bias.astype(x.dtype)
        for i, row in enumerate(self.tables):
            length = max((len(t) for t in row if t is not None), default=0)
            if length:
                columns = np.zeros((length, outputs), dtype=x.dtype)
                for j, table in enumerate(row):
                    if table is not None:
                        columns[: len(table), j] = table
                total = total + columns[(x[..., i] - self.bases[i]).astype(np.int64)]
        return total

    def peak(self, *sources: TensorType) -> int:
        """The sum of the largest magnitudes."""
        biggest = sum(
            max((max(abs(min(t)), abs(max(t))) for t in row if t is not None), default=0)
            for row in self.tables
        )
        return biggest + int(abs(exact(self.bias, self.bias.shape)).max())


def _reach(name: str, base: int, table: Sequence[int], lo: int, hi: int) -> tuple[int, int]:
    """The least and the largest entry between two operands."""
    if lo < base or hi >= base + len(table):
        raise IRError(f"{name}: a table of {len(table)} entries meets [{lo}, {hi}]")
    entries = table[lo - base : hi - base + 1]
    return min(entries), max(entries)
