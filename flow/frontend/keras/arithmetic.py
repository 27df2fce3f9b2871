"""Operations of TensorFlow and Keras 3 that calculate with two operands, or compare them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from flow.frontend.einsum import lay_einsum
from flow.frontend.keras.arrays import Arguments, constant, numbers
from flow.frontend.keras.calls import Ref
from flow.frontend.keras.merge import COMBINE, broadcast, merged
from flow.frontend.keras.site import Built, Site, laid, misfit
from flow.frontend.keras.steps import (
    Chain,
    Obstacle,
    Step,
    affine,
    at_least,
    at_most,
    exceeds,
    function,
    join,
    reaches,
    total,
)
from flow.frontend.source import SourceDense, Weights

Operation = Callable[[Site, Arguments], Built]


def _binary(kind: str) -> Operation:
    """Add, Subtract, Multiply, Maximum or Minimum of two operands, one of which may be constant."""

    def operation(site: Site, given: Arguments) -> Built:
        a, b = given.take("x", "x1", "value"), given.take("y", "x2", "bias")
        if given.operation == "bias_add" and given.take("data_format", default=None) == "NCHW":
            raise Obstacle("a bias on the first axis; use channels_last")
        given.done()
        if isinstance(a, Ref) and isinstance(b, Ref):
            return merged(kind, _of(site, a, b))
        fixed, left = (b, True) if isinstance(a, Ref) else (a, False)
        if len(site.sources) > 1:
            raise misfit(f"{given.operation} reads {len(site.sources)} tensors", site)
        shape = site.shapes[0]
        value = constant(fixed, shape)
        steps = _with_constant(kind, value, left)
        return laid(site, steps, shape)

    return operation


def _with_constant(kind: str, value: Any, left: bool) -> tuple[Step, ...]:
    """The tensor, on the left or the right, with a constant."""
    match kind:
        case "Add":
            return (affine(1.0, value),)
        case "Subtract":
            return (affine(1.0, -value),) if left else (affine(-1.0, value),)
        case "Multiply":
            return (affine(value, 0.0),)
        case _:
            if np.ndim(value):
                raise Obstacle("a maximum or minimum with an array; use one number")
            number = float(value)
            return at_least(number) if kind == "Maximum" else at_most(number)


def _divide(site: Site, given: Arguments) -> Built:
    a, b = given.take("x", "x1"), given.take("y", "x2")
    given.done()
    if isinstance(b, Ref):
        raise Obstacle("a division by a tensor; multiply by a constant")
    value = constant(b, site.shapes[0])
    if not np.all(value):
        raise Obstacle("a division by zero; divide by another number")
    del a
    return laid(site, (affine(1.0 / value, 0.0),), site.shapes[0])


SIGN = (*exceeds(0.0, (-1,)), *reaches(0.0, (-1,)), total(1, 4), affine(1.0, -1.0))
"""sign(x) = (x > 0) + (x >= 0) - 1"""


def _compare(greater: bool, equal: bool) -> Operation:
    """1 where a comparison of a tensor with a number or a tensor holds, else 0."""

    def operation(site: Site, given: Arguments) -> Built:
        a, b = given.take("x", "x1"), given.take("y", "x2")
        given.done()
        if isinstance(a, Ref) and isinstance(b, Ref):
            pair = _of(site, *((a, b) if greater else (b, a)))
            chain = Chain()
            inputs, shape = broadcast(chain, pair)
            COMBINE["Subtract"](chain, inputs, shape)
            return laid(pair, join(chain.steps, reaches(0.0) if equal else exceeds(0.0)), shape)
        if len(site.sources) > 1:
            raise misfit(f"{given.operation} reads {len(site.sources)} tensors", site)
        shape = site.shapes[0]
        border = constant(b if isinstance(a, Ref) else a, shape)
        up = greater == isinstance(a, Ref)
        difference = affine(1.0, -border) if up else affine(-1.0, border)
        return laid(site, join((difference,), reaches(0.0) if equal else exceeds(0.0)), shape)

    return operation


def _power(site: Site, given: Arguments) -> Built:
    given.take("x", "x1")
    exponent = given.number("y", "x2")
    given.done()
    if exponent not in POWERS:
        raise Obstacle(f"the power {exponent:g}; use 2, 1, 0.5 or -1")
    return laid(site, POWERS[exponent], site.shapes[0])


POWERS: Mapping[float, tuple[Step, ...]] = {
    2.0: (function("square"),), 1.0: (), 0.5: (function("sqrt"),), -1.0: (function("reciprocal"),),
}  # fmt: skip
"""Powers that are functions."""


def _matmul(site: Site, given: Arguments) -> Built:
    a, b = given.take("x1", "a"), given.take("x2", "b")
    given.drop("transpose_a", "transpose_b", "a_is_sparse", "b_is_sparse", "adjoint_a", "adjoint_b")
    given.done()
    if not isinstance(a, Ref) or isinstance(b, Ref):
        raise Obstacle("a product of two tensors; use Dense, or Multiply")
    kernel = np.asarray(numbers(b), np.float64)
    shape = site.shapes[0]
    if kernel.ndim != 2 or kernel.shape[0] != shape[-1]:
        raise Obstacle(f"a matrix of shape {list(kernel.shape)} on a tensor of {list(shape)}")
    dense = Step(lambda n, sources, place: SourceDense(n, sources, place, Weights(kernel), None))
    return laid(site, (dense,), (*shape[:-1], kernel.shape[1]))


def _einsum(site: Site, given: Arguments) -> Built:
    equation = given.named.pop("subscripts", None) or given.named.pop("equation", None)
    if not isinstance(equation, str):
        equation = given.take("equation")
    operands = given.rest()
    given.done()
    constants = [x for x in operands if not isinstance(x, Ref)]
    if len(operands) != 2 or len(constants) != 1 or not isinstance(operands[0], Ref):
        raise Obstacle(f"the equation {equation!r}; use one tensor and one constant")
    kernel = Weights(np.asarray(numbers(constants[0]), np.float64))
    return lay_einsum(
        str(equation), site.shapes[0], kernel, None, site.name, site.sources, site.place
    )


def _of(site: Site, *refs: Ref) -> Site:
    """The site with the tensors in the order of the operands."""
    return replace(
        site,
        sources=tuple(site.sources[r.index] for r in refs),
        shapes=tuple(site.shapes[r.index] for r in refs),
    )


OPERATIONS: Mapping[str, Operation] = {
    "add": _binary("Add"), "bias_add": _binary("Add"), "subtract": _binary("Subtract"),
    "multiply": _binary("Multiply"),
    "maximum": _binary("Maximum"), "minimum": _binary("Minimum"), "divide": _divide,
    "greater": _compare(True, False), "greater_equal": _compare(True, True),
    "less": _compare(False, False), "less_equal": _compare(False, True),
    "power": _power, "matmul": _matmul, "dot": _matmul, "einsum": _einsum,
}  # fmt: skip
"""By name; each says itself how many tensors it takes."""
