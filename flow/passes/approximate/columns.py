"""The approximation `truncate-columns`: the lowest columns of every sum are left away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from flow.errors import UsageError
from flow.ir.layers import MaskedDense
from flow.ir.network import Network
from flow.ir.tensor import IntArray, TensorType
from flow.passes.approximate.base import Facts, approximate, cut, product_widths


@dataclass(frozen=True)
class TruncateColumns:
    """Clear so many low columns of every product and bias of one layer, or of all.

    The bias takes over the mean of what is lost on the training data, rounded to the columns
    that stay.
    """

    name: ClassVar[str] = "truncate-columns"
    exact: ClassVar[bool] = False

    columns: int = 1
    layer: str = ""

    def run_with(self, network: Network, facts: Facts) -> Network:
        """The network with shorter sums."""
        if self.columns < 0:
            raise UsageError(f"truncate-columns: columns is {self.columns}, a negative number")

        def change(layer: MaskedDense, x: TensorType, values: IntArray) -> MaskedDense:
            full = (np.int64(1) << product_widths(layer, x)) - 1
            kept = np.where(layer.keep == -1, full, layer.keep) >> self.columns << self.columns
            untouched = (layer.weights == 0) | (self.columns == 0)
            keep = np.where(untouched, layer.keep, kept)
            return cut(layer, keep, values, 1 << self.columns)

        return approximate(network, change, facts, self.name, self.layer)
