"""How far a quantised model's answers are from the float model's: what ranges may be judged by.

For the sums before a softmax Nagel et al., "A White Paper on Neural Network Quantization", arXiv
2106.08295, section 3.1, take the cross entropy between both answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.rewire import named
from flow.frontend.source import HEADS, FloatArray, SourceActivation, SourceModel

Judge = Callable[[SourceModel], float]

LOOKED_AT = 256
"""Samples that are answered for one judgement."""
LEAST = 1e-12


def change_of_answers(plain: SourceModel, data: Mapping[str, FloatArray], classes: bool) -> Judge:
    """The mean cross entropy between the answers of `plain` and of another model with its layers.

    Where the outputs are no classes it is their mean squared difference.
    """
    some = {name: x[:LOOKED_AT] for name, x in data.items()}
    ends = [_end(plain, name) for name in plain.outputs]
    known = evaluate_source(plain, some)
    wanted = [known[name] for name, _ in ends]

    def judge(model: SourceModel) -> float:
        values = evaluate_source(model, some)
        total = 0.0
        for (name, head), float_sums in zip(ends, wanted, strict=True):
            sums = values[name]
            if head == "sigmoid" or (classes and sums.shape[-1] == 1):
                share = 0.5 * (1 + np.tanh(float_sums / 2))
                total += float((np.logaddexp(0, sums) - share * sums).mean())
            elif head or classes:
                share = _softmax(float_sums)
                total -= float((share * np.log(_softmax(sums) + LEAST)).sum(axis=-1).mean())
            else:
                total += float(np.square(sums - float_sums).mean())
        return total

    return judge


def _end(model: SourceModel, name: str) -> tuple[str, str]:
    """The tensor before the heads of an output, and the first of them."""
    layer, head = named(model, name), ""
    while isinstance(layer, SourceActivation) and layer.function in (*HEADS, "sigmoid"):
        head = layer.function
        layer = named(model, layer.sources[0])
    return layer.name, head


def _softmax(sums: FloatArray) -> FloatArray:
    e = np.exp(sums - sums.max(axis=-1, keepdims=True))
    result: FloatArray = e / e.sum(axis=-1, keepdims=True)
    return result
