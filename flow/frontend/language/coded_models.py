"""A whole language model with coded weights: by least squares, or layer by layer on texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
EXPERT = ":"
"""Between the name of a matrix and the number of the expert that has it."""
EXPERTS: Code = "mxfp4"
"""The code of experts: they come in it, and keep it exactly."""

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
    name, _, expert = name.partition(EXPERT)
    found: Matrix = getattr(model.layers[number], name)
    return found[int(expert)] if expert else found


def keys(model: LlamaWeights) -> list[tuple[int, str]]:
    """Every matrix by its layer and name, in the order of the model."""
    depth = len(model.layers)
    return [*((n, name) for n in range(depth) for name in _names(model, n)), (depth, "classifier")]


def with_codes(model: LlamaWeights, matrices: Matrices) -> CodedLlama:
    """The model with codes for the matrices that have some."""
    layers = list(model.layers)
    last = model.classifier
    for (number, name), found in matrices.items():
        name, _, expert = name.partition(EXPERT)
        if name == "classifier":
            last = found.real
            continue
        values = found.real
        if expert:
            values = getattr(layers[number], name).copy()
            values[int(expert)] = found.real
        change: dict[str, Any] = {name: values}
        layers[number] = replace(layers[number], **change)
    return CodedLlama(replace(model, layers=tuple(layers), classifier=last), matrices)


def _names(model: LlamaWeights, number: int) -> list[str]:
    """Names of the matrices of a layer; those of its experts stand side by side."""
    router = model.layers[number].router
    if router is None:
        return list(MATRICES)
    feed = ("gate", "up", "down")
    return [
        *(name for name in MATRICES if name not in feed), "router",
        *(f"{name}{EXPERT}{expert}" for name in feed for expert in range(len(router))),
    ]  # fmt: skip


def _code(name: str, code: Code) -> Code:
    return EXPERTS if EXPERT in name else code


def coded_model(model: LlamaWeights, code: Code) -> CodedLlama:
    """The model with every matrix, and with its classifier, as codes; the embedding stays."""
    return with_codes(
        model, {key: coded(matrix(model, key), _code(key[1], code)) for key in keys(model)}
    )


def calibrated_model(model: LlamaWeights, code: Code, texts: Sequence[Sequence[int]]) -> CodedLlama:
    """The same, layer by layer, each matrix rounded so that it answers what it did on `texts`.

    What a layer reads is that of the layers before it as codes.
    """
    matrices: dict[tuple[int, str], Coded] = {}
    found = CodedLlama(model, matrices)
    for number in range(len(model.layers) + 1):
        squares = _squares(found.real, texts, number)
        for key in keys(model):
            if key[0] != number:
                continue
            if EXPERT in key[1]:
                matrices[key] = coded(matrix(model, key), EXPERTS)
                continue
            name = "gate" if key[1] == "router" else key[1]
            square = squares[MATRICES.get(name, name)]
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
