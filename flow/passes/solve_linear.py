"""The pass `solve-linear`: shared adder graphs for constant matrix-vector products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from flow.errors import UsageError
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit
from flow.ir.interval import IntRange
from flow.ir.nodes import Linear, Node
from flow.passes.linear.csd import csd
from flow.passes.linear.extract import extract
from flow.passes.linear.form import Form, add_all, finish, placed
from flow.passes.linear.group import group_rows
from flow.passes.linear.layered import rebuild_linear
from flow.passes.linear.matrix import Row, transposed, unit
from flow.passes.linear.program import Program, Ref
from flow.passes.linear.solver import COEFFICIENT_BITS, Options, solve
from flow.passes.linear.starts import JOINTS
from flow.passes.linear.tiles import tiles, work

SEARCH_DIGITS = 2000
"""A matrix of more signed digits is solved with one bound on differences, not with each."""

TRIES = ((1000, len(JOINTS)), (SEARCH_DIGITS, 3))
"""Attempts of the method `bits` for matrices of so many signed digits; one for larger ones."""

MOVES = 160_000
"""Moves of the search at high effort, times signed digits of the matrix; at most one a digit."""

METHODS = ("wmc", "mc", "wmc-dc", "mc-dc", "wmc-pdc", "mc-pdc", "dummy", "bits")
"""The choices of subexpression: those that the solver knows, and our own."""


@dataclass(frozen=True)
class SolveLinear:
    """Replace linear rows by adders that share subexpressions across rows.

    `method` is the solver's choice of subexpression (mc: most common; wmc: most common, weighted
    by overlap), or `bits`: our own, which counts the full adders that are saved. `hard-dc` bounds
    the depth above the least possible (-1: no bound); `decompose-dc` bounds the depth of
    differences between rows (-1: no differences; -2: try all on small matrices, 0 on large ones).
    With `effort=high`, `bits` tries as much on large matrices as on small ones, and searches on
    from the best by chance.
    """

    name: ClassVar[str] = "solve-linear"
    exact: ClassVar[bool] = True

    method: str = "mc"
    hard_dc: int = -1
    decompose_dc: int = -2
    effort: str = "normal"

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit without Linear nodes."""
        if self.method not in METHODS:
            raise UsageError(
                f"solve-linear: there is no method {self.method!r}",
                hint=f"the methods are {', '.join(METHODS)}",
            )
        if self.effort not in ("normal", "high"):
            raise UsageError(f"solve-linear: effort is {self.effort!r}, not normal or high")
        options = Options(self.method, self.hard_dc, self.decompose_dc)
        return rebuild_linear(circuit, _Solver(options, self.effort))


@dataclass(slots=True)
class _Solver:
    """Solves rows; a matrix met before over equal intervals is not solved again."""

    options: Options
    effort: str
    known: dict[tuple[object, ...], Program] = field(default_factory=dict)

    def __call__(self, rows: Sequence[Linear], intern: Builder) -> dict[Linear, Node]:
        """The replacement of each row."""
        done: dict[Linear, Node] = {}
        for group in group_rows(rows):
            columns = [Form(x) for x in group.columns]
            matrix = [
                {group.columns[x]: c for x, c in zip(row.terms, row.coefficients, strict=True)}
                for row in group.rows
            ]
            sums = self._distinct(matrix, columns, intern)
            for row, total in zip(group.rows, sums, strict=True):
                done[row] = finish(total, row.bias, intern)
        return done

    def _distinct(
        self, matrix: list[Row], columns: list[Form], intern: Builder
    ) -> list[Form | None]:
        """The rows; those that are multiples of one another by +-2**k are computed once."""
        found: dict[tuple[tuple[int, int], ...], int] = {}
        units: list[Row] = []
        refs: list[Ref | None] = []
        for row in matrix:
            if not row:
                refs.append(None)
                continue
            least = unit(dict(sorted(row.items())))
            key = tuple(least.row.items())
            if key not in found:
                found[key] = len(units)
                units.append(least.row)
            refs.append(Ref(found[key], least.shift, least.minus))
        values = self._merged(units, columns, intern)
        return [None if ref is None else ref.of(values[ref.index]) for ref in refs]

    def _merged(self, rows: list[Row], columns: list[Form], intern: Builder) -> list[Form]:
        """The rows; columns that are multiples of one another by +-2**k are added up first."""
        alike: dict[tuple[tuple[int, int], ...], list[Form]] = {}
        for i, column in transposed(rows).items():
            least = unit(column)
            scaled = Ref(i, least.shift, least.minus).of(columns[i])
            alike.setdefault(tuple(least.row.items()), []).append(scaled)
        inputs: list[Form] = []
        merged: list[Row] = [{} for _ in rows]
        for i, (key, forms) in enumerate(alike.items()):
            total = add_all(forms, intern)
            assert total is not None
            inputs.append(total)
            for j, c in key:
                merged[j][i] = c
        return self._cut(merged, inputs, intern)

    def _cut(self, rows: list[Row], inputs: list[Form], intern: Builder) -> list[Form]:
        """The rows; a single power of two is wiring, the others are solved tile by tile."""
        parts: list[list[Form]] = [[] for _ in rows]
        hard: list[int] = []
        for j, row in enumerate(rows):
            match list(row.items()):
                case [(i, 1)]:
                    parts[j].append(inputs[i])
                case [(i, -1)]:
                    parts[j].append(inputs[i].negated())
                case items if any(abs(c).bit_length() > COEFFICIENT_BITS for _, c in items):
                    parts[j] = [
                        Ref(0, k, sign < 0).of(inputs[i]) for i, c in items for k, sign in csd(c)
                    ]
                case _:
                    hard.append(j)
        matrix = [rows[j] for j in hard]
        if matrix:
            for row_part, column_part in tiles(matrix, len(inputs)):
                tile = [{i: c for i, c in matrix[j].items() if i in column_part} for j in row_part]
                for j, value in zip(row_part, self._tile(tile, inputs, intern), strict=True):
                    if value is not None:
                        parts[hard[j]].append(value)
        sums = [add_all(part, intern) for part in parts]
        return [total for total in sums if total is not None]

    def _tile(self, rows: list[Row], inputs: list[Form], intern: Builder) -> list[Form | None]:
        """The rows over those inputs that they read, by the solver or from memory."""
        used = sorted({i for row in rows for i in row})
        number = {i: k for k, i in enumerate(used)}
        dense = [{number[i]: c for i, c in row.items()} for row in rows]
        values = [inputs[i] for i in used]
        ranges = [_range(form, intern) for form in values]
        key = (tuple(tuple(row.items()) for row in dense), tuple(ranges))
        if key not in self.known:
            options = self.options
            if options.decompose_dc == -2 and work(dense) > SEARCH_DIGITS:
                # The search would choose 0 as well, in a quarter of the time that it takes.
                options = replace(options, decompose_dc=0)
            if options.method == "bits":
                digits = work(dense)
                moves = min(digits, MOVES // digits) if self.effort == "high" else 0
                self.known[key] = extract(dense, ranges, self._tries(digits), moves)
            else:
                self.known[key] = solve(dense, ranges, options)
        return self.known[key].replay(values, intern)

    def _tries(self, digits: int) -> int:
        if self.effort == "high":
            return len(JOINTS)
        return next((tries for most, tries in TRIES if digits <= most), 1)


def _range(form: Form, intern: Builder) -> IntRange:
    r = placed(form, 0, intern).range
    return IntRange(-r.hi, -r.lo) if form.minus else r
