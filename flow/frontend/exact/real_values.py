"""The real value of a layer of the file, from the integers of the network's layer behind it."""

from __future__ import annotations

from typing import Any

import numpy as np

from flow.frontend.exact.pending import Call, Clip, Scale, Step
from flow.frontend.exact.workbench import Value
from flow.frontend.functions import apply_function
from flow.frontend.source import FloatArray
from flow.ir.tensor import FractionArray, IntArray


def real_value(value: Value, integers: IntArray) -> FloatArray:
    """steps(integers * m + b) of a batch (samples, *shape), in float64."""
    x: FloatArray = integers.astype(np.float64) * _floats(value.m) + _floats(value.b)
    for step in value.steps:
        x = _applied(step, x)
    return x


def _applied(step: Step, x: FloatArray) -> FloatArray:
    match step:
        case Clip(low=low, high=high):
            x = x if low is None else np.maximum(x, _floats(low))
            return x if high is None else np.minimum(x, _floats(high))
        case Scale(m=m, b=b):
            scaled: FloatArray = x * _floats(m) + _floats(b)
            return scaled
        case Call(function=function, parameters=parameters):
            return apply_function(function, x, *parameters)


def _floats(numbers: FractionArray) -> Any:
    return np.vectorize(float, otypes=[np.float64])(numbers)
