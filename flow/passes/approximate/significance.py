"""The approximation `skip-insignificant`: small products keep their highest bits alone.

AxSum: G. Armeniakos, G. Zervakis, D. Soudris, M. B. Tahoori and J. Henkel, "Co-Design of
Approximate Multilayer Perceptron for Ultra-Resource Constrained Printed Circuits", IEEE Trans.
Computers 72 (2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from flow.errors import UsageError
from flow.ir.layers import MaskedDense
from flow.ir.network import Network
from flow.ir.tensor import IntArray, TensorType
from flow.passes.approximate.base import Facts, approximate, cut, product_widths


@dataclass(frozen=True)
class SkipInsignificant:
    """Keep the `kept` highest bits of products whose share of their sum is below `threshold`.

    The share is mean |x w| over the training data by the sum of these means over the products of
    the neuron. `layer` names one layer, or all are meant. The bias takes over the mean of what is
    lost.
    """

    name: ClassVar[str] = "skip-insignificant"
    exact: ClassVar[bool] = False

    threshold: float = 0.05
    kept: int = 2
    layer: str = ""

    def run_with(self, network: Network, facts: Facts) -> Network:
        """The network with shorter products."""
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"skip-insignificant: threshold is {self.threshold}, not 0 to 1")
        if self.kept < 0:
            raise UsageError(f"skip-insignificant: kept is {self.kept}, a negative number")
        limit = Fraction(str(self.threshold))

        def change(layer: MaskedDense, x: TensorType, values: IntArray) -> MaskedDense:
            means = mean_products(layer, values)
            small = means * limit.denominator < means.sum(axis=0) * limit.numerator
            width = product_widths(layer, x)
            low = np.maximum(width - self.kept, 0)
            top = ((np.int64(1) << width) - 1) >> low << low
            kept = np.where(layer.keep == -1, top, layer.keep & top)
            return cut(layer, np.where(small & (low > 0), kept, layer.keep), values)

        return approximate(network, change, facts, self.name, self.layer)


def mean_products(layer: MaskedDense, values: IntArray) -> IntArray:
    """The sum over the samples of |x w| for each connection (inputs, outputs)."""
    sums = [
        (values.astype(np.int64)[:, i : i + 1] & mask).sum(axis=0) * abs(weight)
        for i, (mask, weight) in enumerate(zip(layer.masks, layer.weights, strict=True))
    ]
    return np.array(sums, dtype=object)
