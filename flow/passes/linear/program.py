"""A straight-line program of additions, and its replay on the values of a circuit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flow.errors import PassError
from flow.ir.builder import Builder
from flow.passes.linear.form import Form, add
from flow.passes.linear.matrix import Row


@dataclass(frozen=True, slots=True)
class Ref:
    """A value of a program times 2**shift, negated where `minus`."""

    index: int
    shift: int = 0
    minus: bool = False

    def of(self, form: Form) -> Form:
        """The same multiple of another value."""
        return Form(form.node, form.shift + self.shift, form.minus ^ self.minus)


@dataclass(frozen=True, slots=True)
class Program:
    """Values 0 .. inputs-1 are given; each sum makes the next; None is an output of zero."""

    inputs: int
    sums: tuple[tuple[Ref, Ref], ...]
    outputs: tuple[Ref | None, ...]

    def check(self, rows: Sequence[Row]) -> None:
        """Raise PassError unless output j is exactly the sum of `rows[j][i]` times input i."""
        values = np.zeros((self.inputs + len(self.sums), self.inputs))
        values[: self.inputs] = np.eye(self.inputs)
        for k, (a, b) in enumerate(self.sums, self.inputs):
            values[k] = _weight(a) * values[a.index] + _weight(b) * values[b.index]
        wanted = np.zeros((len(rows), self.inputs))
        for j, row in enumerate(rows):
            for i, c in row.items():
                wanted[j, i] = c
        for j, output in enumerate(self.outputs):
            found = 0.0 * wanted[j] if output is None else _weight(output) * values[output.index]
            if not np.array_equal(found, wanted[j]):
                raise PassError(f"the adder graph of row {j} computes another row")

    def replay(self, inputs: Sequence[Form], intern: Builder) -> list[Form | None]:
        """The outputs for given inputs, one adder for each sum."""
        values = list(inputs)
        for a, b in self.sums:
            values.append(add(a.of(values[a.index]), b.of(values[b.index]), intern))
        return [None if r is None else r.of(values[r.index]) for r in self.outputs]


def _weight(ref: Ref) -> float:
    return (-1.0 if ref.minus else 1.0) * 2.0**ref.shift
