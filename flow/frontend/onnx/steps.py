"""ONNX operators that are quantisers of one step: rounding, signs and comparisons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flow.frontend.onnx.arithmetic import ONE, summed
from flow.frontend.onnx.attributes import Args, variable
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import Constant, Value, Variable, without_batch
from flow.frontend.source import Quantiser, SourceQuantise, step_array
from flow.ir.rounding import Rounding

Rule = Callable[[Builder, OnnxNode, Args], Value]

WIDE = 1 << 31
"""The ends of a quantiser that only rounds."""


def quantised(build: Builder, x: Variable, quantiser: Quantiser, place: str, name: str) -> Variable:
    """x through a quantiser of one step."""
    x = build.settled(x, place)
    build.add(SourceQuantise(name, (x.layer,), place, quantiser))
    return Variable(name, x.built, x.shape, view=x.view)


def rounded(rounding: Rounding) -> Rule:
    """The rule of Floor, Ceil and Round."""

    def rule(build: Builder, node: OnnxNode, args: Args) -> Value:
        whole = Quantiser(step_array(1), -WIDE, WIDE - 1, rounding)
        return quantised(build, variable(args[0]), whole, node.place, node.outputs[0])

    return rule


def sign(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Sign: clip(ceil(x), 0, 1) + clip(floor(x), -1, 0)."""
    x = variable(args[0])
    names = [build.fresh(f"{node.outputs[0]}_{part}") for part in ("above", "below")]
    above = quantised(build, x, Quantiser(step_array(1), 0, 1, "ceil"), node.place, names[0])
    below = quantised(build, x, Quantiser(step_array(1), -1, 0, "floor"), node.place, names[1])
    return summed(build, node, [above, below])


def compared(at_least: bool, turned: bool) -> Rule:
    """The rule of Greater, GreaterOrEqual, Less and LessOrEqual: 0 or 1.

    x >= 0 is 1 + clip(floor(x), -1, 0) and x > 0 is clip(ceil(x), 0, 1) of the difference.
    """

    def rule(build: Builder, node: OnnxNode, args: Args) -> Value:
        a, b = args[::-1] if turned else args
        name = node.outputs[0]
        names = [build.fresh(f"{name}_{part}") for part in ("difference", "step", "minus")]
        if isinstance(a, Variable) and isinstance(b, Constant) and not b.values.any():
            x = build.widened(a, without_batch(b.values, a.shape, build.batch).shape)
        elif isinstance(a, Variable) and isinstance(b, Constant):
            x = build.affine(node, a, np.ones_like(b.values), -b.values, names[0])
        elif isinstance(b, Variable) and isinstance(a, Constant):
            x = build.affine(node, b, -np.ones_like(a.values), a.values, names[0])
        else:
            y = build.affine(node, variable(b), -ONE, 0 * ONE, names[2])
            x = summed(build, node, [variable(a), y], names[0])
        if not at_least:
            above = Quantiser(step_array(1), 0, 1, "ceil")
            result = quantised(build, x, above, node.place, name)
        else:
            below = Quantiser(step_array(1), -1, 0, "floor")
            result = build.affine(node, quantised(build, x, below, node.place, names[1]), ONE, ONE)
        return Variable(result.layer, result.built, result.shape, True, result.view)

    return rule


def negation(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Not of a comparison."""
    result = build.affine(node, variable(args[0]), -ONE, ONE)
    return Variable(result.layer, result.built, result.shape, True, result.view)
