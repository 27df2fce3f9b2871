"""Weights as codes of few values: FP4 (E2M1), ternary and 4-bit integers, one scale a neuron.

A neuron's inputs are grouped by weight value, which is exact only where one scale holds for all of
them. MXFP4, with a scale for each 32 weights, is here for comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from flow.frontend.language.llama import Reads, logits
from flow.frontend.language.llama2c import LlamaWeights, Matrix

Code = Literal["fp4", "mxfp4", "ternary", "int4"]
CODES: tuple[Code, ...] = get_args(Code)
VALUES: Mapping[Code, tuple[int, ...]] = {
    "fp4": (-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12),
    "mxfp4": (-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12),
    "ternary": (-1, 0, 1),
    "int4": tuple(range(-8, 8)),
}
"""Integers that a weight may be; those of E2M1 are doubled (OCP Microscaling Formats 1.0)."""
BLOCK = 32
TRIES = 64
"""Scales that are tried for a neuron."""


@dataclass(frozen=True, slots=True)
class Coded:
    """Integers `[outputs, inputs]` of VALUES, and a scale for each output (and block)."""

    code: Code
    integers: NDArray[np.int8]
    scales: NDArray[np.float64]

    @property
    def real(self) -> Matrix:
        """The weights that these stand for."""
        outputs, inputs = self.integers.shape
        spread = np.repeat(self.scales, -(-inputs // self.scales.shape[1]), axis=1)
        if self.code == "mxfp4":
            spread = np.repeat(self.scales, BLOCK, axis=1)
        found: Matrix = (self.integers * spread[:, :inputs]).astype(np.float32)
        return found.reshape(outputs, inputs)


def coded(weights: Matrix, code: Code, power: NDArray[np.float64] | None = None) -> Coded:
    """Weights `[outputs, inputs]` as codes; the scale of least squared error is taken.

    With `power`, the mean square of each input, the error is that of what the neuron answers.
    """
    w = weights.astype(np.float64)
    cost = np.ones(w.shape[1]) if power is None else power
    if code == "mxfp4":
        return _blocks(w)
    values = np.array(VALUES[code], np.float64)
    top = np.abs(w).max(axis=1, keepdims=True)
    best = np.full(len(w), np.inf)
    integers = np.zeros(w.shape, np.int8)
    scales = np.ones((len(w), 1))
    for share in np.linspace(0.3, 1.1, TRIES):
        scale = np.where(top > 0, top * share / values.max(), 1.0)
        nearest = _nearest(w / scale, values)
        error = ((nearest * scale - w) ** 2 * cost).sum(axis=1)
        better = error < best
        best[better] = error[better]
        integers[better] = nearest[better]
        scales[better] = scale[better]
    return Coded(code, integers, scales)


def _blocks(w: NDArray[np.float64]) -> Coded:
    """MXFP4: a power of two for each 32 inputs, so that the largest has the largest exponent."""
    outputs, inputs = w.shape
    count = -(-inputs // BLOCK)
    padded = np.zeros((outputs, count * BLOCK))
    padded[:, :inputs] = w
    parts = padded.reshape(outputs, count, BLOCK)
    top = np.abs(parts).max(axis=2)
    scale = 2.0 ** (np.floor(np.log2(np.where(top > 0, top, 1.0))) - 2) / 2
    values = np.array(VALUES["mxfp4"], np.float64)
    integers = _nearest(parts / scale[:, :, None], values).reshape(outputs, -1)[:, :inputs]
    return Coded("mxfp4", integers, scale)


def _nearest(x: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.int8]:
    """The nearest value of each; the smaller of two that are as near."""
    middle = (values[1:] + values[:-1]) / 2
    found: NDArray[np.int8] = values[np.searchsorted(middle, x)].astype(np.int8)
    return found


MATRICES: Mapping[str, str] = {
    "queries": "queries", "keys": "queries", "values": "queries", "output": "output",
    "gate": "gate", "up": "gate", "down": "down",
}  # fmt: skip
"""Matrices of a layer that become arrays of neurons, and which of them reads the same."""


def coded_model(model: LlamaWeights, code: Code, classifier: bool = True) -> LlamaWeights:
    """The model with every matrix, and with its classifier, as codes; the embedding stays."""
    layers = tuple(
        replace(layer, **{name: coded(getattr(layer, name), code).real for name in MATRICES})
        for layer in model.layers
    )
    last = coded(model.classifier, code).real if classifier else model.classifier
    return replace(model, layers=layers, classifier=last)


def calibrated_model(
    model: LlamaWeights, code: Code, texts: Sequence[Sequence[int]], classifier: bool = True
) -> LlamaWeights:
    """The same, layer by layer, each matrix rounded so that it answers what it did on `texts`.

    What a layer reads is that of the layers before it as codes.
    """
    found = model
    for number in range(len(model.layers)):
        squares = _squares(found, texts, number)
        layers = list(found.layers)
        made = {
            name: compensated(getattr(layers[number], name), code, squares[read]).real
            for name, read in MATRICES.items()
        }
        layers[number] = replace(layers[number], **made)
        found = replace(found, layers=tuple(layers))
    if not classifier:
        return found
    square = _squares(found, texts, len(model.layers))["classifier"]
    return replace(found, classifier=compensated(model.classifier, code, square).real)


def _squares(
    model: LlamaWeights, texts: Sequence[Sequence[int]], number: int
) -> dict[str, NDArray[np.float64]]:
    """The mean product of each two inputs, for what the matrices of a layer read."""
    total: dict[str, NDArray[np.float64]] = {}
    for text in texts:
        reads: Reads = {}
        logits(model, text, reads=reads)
        for (layer, name), x in reads.items():
            if layer == number:
                total[name] = total.get(name, 0.0) + x.T @ x
    count = sum(map(len, texts))
    return {name: square / count for name, square in total.items()}


def compensated(weights: Matrix, code: Code, square: NDArray[np.float64]) -> Coded:
    """Weights as codes, input by input: what is lost at one is made up for at those that follow.

    E. Frantar et al., "GPTQ", 2022, with one scale a neuron; `square` is the mean product of each
    two inputs.
    """
    size = len(square)
    damped = square + 0.01 * np.mean(np.diag(square)) * np.eye(size)
    start = coded(weights, code, np.diag(square).copy())
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    w = weights.astype(np.float64)
    values = np.array(VALUES[code], np.float64)
    scale = start.scales[:, 0]
    integers = np.zeros(w.shape, np.int8)
    for j in range(size):
        integers[:, j] = _nearest(w[:, j] / scale, values)
        lost = (w[:, j] - integers[:, j] * scale) / upper[j, j]
        w[:, j:] -= lost[:, None] * upper[j, j:]
    return Coded(code, integers, start.scales)
