"""What sklearn-onnx writes besides plain operators: scalers, linear models, labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from flow.frontend.onnx.attributes import Args, variable
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.dense import dense
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import Constant, Obstacle, Value, Variable
from flow.frontend.source import SourceActivation, SourceDense

REFUSED = (
    "this operator of ai.onnx.ml is not supported; convert with options={'zipmap': False} and "
    "keep the scores only, or save the estimator with skops"
)


def scaler(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Scaler: (x - offset) * scale."""
    offset, scale = (
        np.asarray(node.attributes.get(k, [d]), dtype=np.float32)
        for k, d in (("offset", 0.0), ("scale", 1.0))
    )
    return build.affine(node, variable(args[0]), scale, -offset * scale)


def linear_regressor(build: Builder, node: OnnxNode, args: Args) -> Value:
    """LinearRegressor: a dense layer."""
    targets = int(node.attributes.get("targets", 1))
    if node.attributes.get("post_transform", "NONE") != "NONE":
        raise Obstacle("its post_transform is not NONE")
    return _linear(build, node, variable(args[0]), targets, node.outputs[0])


def linear_classifier(build: Builder, node: OnnxNode, args: Args) -> tuple[Value, ...]:
    """LinearClassifier: the index of the largest score, and the scores."""
    x = variable(args[0])
    labels = node.attributes.get("classlabels_ints") or node.attributes.get("classlabels_strings")
    classes = tuple(labels or ())
    rows = len(node.attributes.get("coefficients", ())) // max(x.size, 1)
    if rows < 2 or len(classes) != rows:
        raise Obstacle("it has one row of weights for two classes; convert it with skl2onnx")
    transform = node.attributes.get("post_transform", "NONE")
    heads: dict[str, Any] = {"NONE": None, "SOFTMAX": "softmax", "LOGISTIC": "sigmoid"}
    if transform not in heads:
        raise Obstacle(f"the post_transform {str(transform)[:20]!r} is not supported")
    head = heads[transform]
    scores_name = (*node.outputs, "")[1] or build.fresh(f"{node.outputs[0]}_scores")
    inner = build.fresh(f"{scores_name}_linear") if head else scores_name
    scores = _linear(build, node, x, rows, inner)
    label: Value = Constant(np.zeros(0))
    if build.uses[node.outputs[0]]:
        build.add(SourceActivation(node.outputs[0], (scores.layer,), node.place, "argmax"))
        label = Variable(node.outputs[0], (1,), (), integer=True)
        build.classes = classes
    if head:
        scores = build.activation(node, scores, head, name=scores_name)
    return label, scores


def _linear(build: Builder, node: OnnxNode, x: Variable, outputs: int, name: str) -> Variable:
    weights = np.asarray(node.attributes.get("coefficients", ()), dtype=np.float32)
    bias = np.asarray(node.attributes.get("intercepts", ()), dtype=np.float32)
    if len(x.shape) != 1 or weights.size != outputs * x.size or bias.size not in (0, outputs):
        raise Obstacle("its coefficients do not fit its operand")
    renamed = replace(node, outputs=(name,), name=node.name or node.outputs[0])
    kernel = Constant(weights.reshape(outputs, x.size).T)
    return dense(build, renamed, x, kernel, Constant(bias) if bias.size else None)


def normalizer(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Normalizer of probabilities that add up to 1 already; any other is refused."""
    x = variable(args[0])
    last = build.layers[x.layer]
    if node.attributes.get("norm") == "L1" and isinstance(last, SourceActivation):
        below = build.layers[last.sources[0]]
        opposite = (
            last.function == "sigmoid"
            and isinstance(below, SourceDense)
            and below.kernel.values.shape[1] == 2
            and bool((below.kernel.values[:, 0] == -below.kernel.values[:, 1]).all())
            and below.bias is not None
            and below.bias.values[0] == -below.bias.values[1]
        )
        if last.function == "softmax" or opposite:
            return x
    raise Obstacle(REFUSED)


def labels(build: Builder, node: OnnxNode, args: Args) -> Value:
    """ArrayFeatureExtractor of constant labels: the index stands for the label."""
    table, index = args
    if not isinstance(table, Constant) or not isinstance(index, Variable) or not index.integer:
        raise Obstacle(REFUSED)
    build.classes = tuple(table.values.reshape(-1).tolist())
    build.note(f"{node.place}: the circuit gives the index of the class, not its label")
    return index


def zip_map(build: Builder, node: OnnxNode, args: Args) -> Value:
    """ZipMap gives names to scores; the scores are kept."""
    names = node.attributes.get("classlabels_int64s") or node.attributes.get("classlabels_strings")
    build.classes = tuple(names) if names else build.classes
    return variable(args[0])
