"""The class that a model decides on for each sample, and how often it is the right one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.quantisation.rewire import named
from flow.frontend.source import FloatArray, SourceActivation, SourceModel


def decided(model: SourceModel, values: Mapping[str, FloatArray]) -> NDArray[Any]:
    """The classes of the first output, (samples, 1), or (samples, labels) of several axes.

    Of several outputs the largest, the first on a tie; one output, or sigmoids, by their side.
    """
    last = named(model, model.outputs[0])
    answer = values[last.name]
    head = last.function if isinstance(last, SourceActivation) else None
    if head == "argmax":
        return answer.reshape(len(answer), -1)
    if head == "sigmoid" or answer.shape[-1] == 1:
        sides = (answer >= (0.5 if head == "sigmoid" else 0.0)).astype(np.int64)
        return sides.reshape(len(answer), -1)
    index: NDArray[Any] = np.argmax(answer, axis=-1)
    return index.reshape(len(answer), -1)


def share(answer: NDArray[Any], wanted: NDArray[Any]) -> float:
    """The share of samples all of whose classes are right."""
    return float((answer == wanted.reshape(len(answer), -1)).all(axis=1).mean())
