"""The small networks of HGQ-LUT layers, one for each element, and the tables that they are."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from flow.frontend.functions import apply_function
from flow.frontend.hgq import quantiser as hgq_quantiser
from flow.frontend.hgq.quantiser import Config, Grid
from flow.frontend.hgq.weights import FloatArray32
from flow.frontend.keras.steps import Obstacle
from flow.frontend.source import FloatArray, SourceActivation
from flow.ir.tensor import FractionArray, IntArray

DEEPEST = 14
"""The most bits of an input of a table."""
ENTRIES = 1 << 20
"""Values that are computed at once."""
PAIRS = 1 << 22
"""The most pairs of an element and an output."""


@dataclass(frozen=True, slots=True, eq=False)
class Subnet:
    """Networks of one input and one output: kernels (networks, d, e), biases (networks, e) or
    None, and what multiplies and moves the results (networks,)."""

    kernels: tuple[FloatArray32, ...]
    biases: tuple[FloatArray32 | None, ...]
    activation: SourceActivation | None
    scale: FloatArray32 | None
    shift: FloatArray32 | None
    divisor: np.float32

    def evaluate(self, chosen: IntArray, x: FloatArray32) -> FloatArray32:
        """The results of the chosen networks for x (samples, chosen), in float32."""
        y = x[..., np.newaxis]
        last = len(self.kernels) - 1
        for at, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            y = np.einsum("nmd,mde->nme", y, kernel[chosen])
            y = y if bias is None else y + bias[chosen]
            if at < last and self.activation is not None:
                f = self.activation
                real = apply_function(f.function, y.astype(np.float64), *f.parameters)
                y = real.astype(np.float32)
        y = y[..., 0]
        if self.scale is not None and self.shift is not None:
            y = (y * self.scale[chosen] + self.shift[chosen]) / self.divisor
        return y


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What a SourceTableSum holds."""

    domain: tuple[tuple[Fraction, int, int], ...]
    tables: tuple[tuple[FloatArray | None, ...], ...]
    step: FractionArray


def tabulate(
    subnet: Subnet,
    inputs: Config,
    before: Grid,
    results: Config,
    behind: Grid,
    networks: IntArray,
    columns: IntArray,
) -> Tables:
    """A table for each element: quantised by `before`, through its network, quantised by `behind`.

    Element e has the network networks[e] and adds to the output columns[e]; both grids are flat.
    """
    count, outputs = len(networks), int(columns.max()) + 1
    if count * outputs > PAIRS:
        raise Obstacle(f"{count} tables of {outputs} sums; quantise alike along the positions")
    low, high = before.ends(inputs.overflow == "SAT_SYM")
    longest = int((high - low).max()) + 1
    if longest > 1 << DEEPEST:
        raise Obstacle(
            f"a table of {longest} entries; at most {1 << DEEPEST} are built: quantise its input "
            "to fewer bits"
        )
    unit = before.step
    steps: FractionArray = np.empty((count, outputs), dtype=object)
    steps[...] = Fraction(1)
    rows: list[tuple[FloatArray | None, ...]] = []
    for start in range(0, count, max(1, ENTRIES // longest)):
        part = slice(start, min(count, start + max(1, ENTRIES // longest)))
        many = int((high[part] - low[part]).max()) + 1
        codes = low[part] + np.arange(many, dtype=np.int64)[:, np.newaxis]
        real = np.minimum(codes, high[part]).astype(np.float64) * unit[part].astype(np.float64)
        values = subnet.evaluate(networks[part], real.astype(np.float32))
        target = Grid(behind.k[part], behind.i[part], behind.f[part])
        quantised, size = hgq_quantiser.fixed_point(results, target, values)
        for at in range(part.stop - part.start):
            e = start + at
            entries = quantised[: int(high[e] - low[e]) + 1, at]
            row: list[FloatArray | None] = [None] * outputs
            row[columns[e]] = entries if entries.any() else None
            steps[e, columns[e]] = size[at]
            rows.append(tuple(row))
    ends = zip(unit.tolist(), low.tolist(), high.tolist(), strict=True)
    return Tables(tuple((s, int(lo), int(hi)) for s, lo, hi in ends), tuple(rows), steps)
