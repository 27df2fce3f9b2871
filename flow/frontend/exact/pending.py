"""What happens to the elements of a tensor, in order, before a quantiser takes them up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from flow.frontend.exact.rational import arranged
from flow.frontend.functions import alpha, apply_function
from flow.frontend.source import FloatArray, Function
from flow.ir.tensor import FractionArray


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """max(x, low), then min(x, high); None: no such end. Arrays broadcast from the last axis."""

    low: FractionArray | None
    high: FractionArray | None


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """x * m + b, broadcast from the last axis."""

    m: FractionArray
    b: FractionArray


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """function(x, *parameters)"""

    function: Function
    parameters: tuple[float, ...] = ()


Step = Clip | Scale | Call

_RISING = (
    "sigmoid", "tanh", "softplus", "softsign", "exponential", "log_sigmoid", "arctan", "erf",
    "selu",
)  # fmt: skip


def arrays(step: Step) -> tuple[FractionArray | None, ...]:
    """The numbers of a step that may differ between elements."""
    match step:
        case Clip(low=low, high=high):
            return low, high
        case Scale(m=m, b=b):
            return m, b
        case _:
            return ()


def mapped(step: Step, change: Callable[[FractionArray], FractionArray]) -> Step:
    """The step with another arrangement of its numbers."""
    match step:
        case Clip(low=low, high=high):
            return Clip(*(None if x is None else change(x) for x in (low, high)))
        case Scale(m=m, b=b):
            return Scale(change(m), change(b))
        case _:
            return step


def moved(clip: Clip, m: FractionArray, b: FractionArray) -> Clip | None:
    """The clip behind x * m + b instead of before it; None where signs of m differ or are 0."""
    signs = {int(v > 0) - int(v < 0) for v in m.ravel().tolist()}
    if signs not in ({1}, {-1}):
        return None
    ends = [None if end is None else arranged(end * m + b) for end in (clip.low, clip.high)]
    low, high = ends if signs == {1} else reversed(ends)
    return Clip(low, high)


def met(first: Clip, second: Clip) -> Clip:
    """One clip for two."""
    lift, cut = np.frompyfunc(max, 2, 1), np.frompyfunc(min, 2, 1)

    def into(end: FractionArray | None) -> FractionArray | None:
        if end is None:
            return None
        if second.low is not None:
            end = arranged(lift(end, second.low))
        return end if second.high is None else arranged(cut(end, second.high))

    low, high = into(first.low), into(first.high)
    return replace(
        second,
        low=second.low if low is None else low,
        high=second.high if high is None else high,
    )


def rising(step: Step) -> bool:
    """Whether a larger operand never gives a smaller result, so that a maximum may come first."""
    match step:
        case Clip():
            return True
        case Scale(m=m):
            return all(v >= 0 for v in m.ravel().tolist())
        case Call(function="elu" | "celu", parameters=parameters):
            return not parameters or parameters[0] > 0
        case Call(function=function):
            return function in _RISING


def real(steps: tuple[tuple[Step, tuple[Fraction | None, ...]], ...], x: FloatArray) -> FloatArray:
    """What the steps make of x in float64; each comes with its numbers for these elements.

    A slope below 0 multiplies in float32, as the frameworks do, so that ties fall as theirs.
    """
    for step, numbers in steps:
        first, second = (*(None if v is None else float(v) for v in numbers), None, None)[:2]
        match step:
            case Clip():
                x = np.clip(x, first, second) if numbers != (None, None) else x
            case Scale():
                assert first is not None
                assert second is not None
                x = x * first + second
            case Call(function="leaky_relu", parameters=parameters):
                below = np.float32(alpha(parameters)) * x.astype(np.float32)
                x = np.where(x >= 0, x, below.astype(np.float64))
            case Call(function=function, parameters=parameters):
                x = apply_function(function, x, *parameters)
    return x
