"""A whole Llama with coded weights: by least squares, or layer by layer on texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flow.frontend.language.codes import Code, Coded, coded, compensated
from flow.frontend.language.llama import Reads, logits
from flow.frontend.language.llama2c import LlamaWeights, Matrix

MATRICES: Mapping[str, str] = {
    "queries": "queries", "keys": "queries", "values": "queries", "output": "output",
    "gate": "gate", "up": "gate", "down": "down",
}  # fmt: skip
"""Matrices of a layer that become arrays of neurons, and which of them reads the same."""

Matrices = Mapping[tuple[int, str], Coded]
"""Coded matrices by layer and name; the classifier has the number after the last layer."""


@dataclass(frozen=True, slots=True)
class CodedLlama:
    """A model with coded matrices, and the model of the weights that they mean."""

    real: LlamaWeights
    matrices: Matrices


def matrix(model: LlamaWeights, key: tuple[int, str]) -> Matrix:
    """A matrix by its layer and name."""
    number, name = key
    if name == "classifier":
        return model.classifier
    found: Matrix = getattr(model.layers[number], name)
    return found


def keys(model: LlamaWeights) -> list[tuple[int, str]]:
    """Every matrix by its layer and name, in the order of the model."""
    depth = len(model.layers)
    return [*((n, name) for n in range(depth) for name in MATRICES), (depth, "classifier")]


def with_codes(model: LlamaWeights, matrices: Matrices) -> CodedLlama:
    """The model with codes for the matrices that have some."""
    layers = list(model.layers)
    last = model.classifier
    for (number, name), found in matrices.items():
        if name == "classifier":
            last = found.real
        else:
            layers[number] = replace(layers[number], **{name: found.real})
    return CodedLlama(replace(model, layers=tuple(layers), classifier=last), matrices)


def coded_model(model: LlamaWeights, code: Code) -> CodedLlama:
    """The model with every matrix, and with its classifier, as codes; the embedding stays."""
    return with_codes(model, {key: coded(matrix(model, key), code) for key in keys(model)})


def calibrated_model(model: LlamaWeights, code: Code, texts: Sequence[Sequence[int]]) -> CodedLlama:
    """The same, layer by layer, each matrix rounded so that it answers what it did on `texts`.

    What a layer reads is that of the layers before it as codes.
    """
    matrices: dict[tuple[int, str], Coded] = {}
    found = CodedLlama(model, matrices)
    for number in range(len(model.layers) + 1):
        squares = _squares(found.real, texts, number)
        for key in keys(model):
            if key[0] == number:
                square = squares[MATRICES.get(key[1], key[1])]
                matrices[key] = compensated(matrix(model, key), code, square)
        found = with_codes(model, matrices)
    return found


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
