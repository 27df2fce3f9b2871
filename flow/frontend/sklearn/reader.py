"""Makes a SourceModel of a fitted scikit-learn estimator: perceptrons, linear models, pipelines."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flow.errors import UsageError
from flow.frontend.sklearn.chain import Chain, filled, kind_of
from flow.frontend.sklearn.skops_file import load_estimator
from flow.frontend.source import (
    SourceAffine,
    SourceDense,
    SourceGather,
    SourceLayer,
    SourceModel,
    Weights,
)

_SEARCHES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV")


def from_estimator(estimator: Any, name: str) -> SourceModel:
    """The layers of a fitted estimator; weights are the float64 values it computes with.

    Raises UnsupportedModel for an estimator that is no dense network, UsageError for one that
    is not fitted or whose arrays do not fit together.
    """
    try:
        return _from_estimator(estimator, name)
    except (AttributeError, TypeError, ValueError, KeyError, IndexError) as error:
        raise UsageError(
            "the estimator is damaged: its attributes do not fit together",
            where=name,
            hint="fit and save it again",
        ) from error


def read_skops(path: Path) -> SourceModel:
    """The layers of an estimator in a skops file.

    Raises what `load_estimator` and `from_estimator` raise; pickles are never loaded.
    """
    estimator, data = load_estimator(path)
    model = from_estimator(estimator, path.stem)
    return replace(model, format="skops", sha256=hashlib.sha256(data).hexdigest())


def _from_estimator(estimator: Any, name: str) -> SourceModel:
    steps, (last, model) = _steps(estimator)
    chain = Chain(name)
    for step, scaler in steps:
        chain.transform(step, scaler)
    chain.end(last, model)
    return SourceModel(
        name=name,
        format="sklearn",
        layers=tuple(chain.layers),
        outputs=(chain.source,),
        sha256=_digest(chain.layers),
        classes=_classes(model, chain.width),
    )


def _steps(estimator: Any) -> tuple[list[tuple[str, Any]], tuple[str, Any]]:
    """The transformers, and the last step, of a pipeline or of a single estimator."""
    if kind_of(estimator) in _SEARCHES:
        return _steps(estimator.best_estimator_)
    if kind_of(estimator) != "Pipeline":
        return [], (kind_of(estimator).lower() or "estimator", estimator)
    steps = filled(estimator.steps)
    if not steps:
        raise UsageError("the pipeline has no steps", hint="end it with a classifier")
    before, last = _steps(steps[-1][1])
    return [*steps[:-1], *before], (steps[-1] if not before else last)


def _classes(model: Any, width: int) -> tuple[Any, ...] | None:
    """The labels, one for each output, or two for one output."""
    classes = getattr(model, "classes_", None)
    outputs = width
    independent = outputs > 1 and getattr(model, "out_activation_", "") == "logistic"
    independent = independent or bool(getattr(model, "multilabel_", False))
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or independent:
        return None
    labels = tuple(classes.tolist())
    if not all(isinstance(label, bool | int | float | str) for label in labels):
        raise UsageError("the class labels are neither numbers nor strings")
    if len(labels) != (2 if outputs == 1 else outputs):
        raise UsageError(
            f"the estimator has {len(labels)} classes and {outputs} outputs",
            hint="fit and save it again",
        )
    return labels


def _digest(layers: list[SourceLayer]) -> str:
    """The sha256 of all weights, in order: the file of an estimator that has no file."""
    digest = hashlib.sha256()
    for layer in layers:
        digest.update(f"{type(layer).__name__} {layer.name}\n".encode())
        match layer:
            case SourceDense(kernel=kernel, bias=Weights(values=bias)):
                arrays = [kernel.values, bias]
            case SourceAffine(multiplier=multiplier, offset=offset):
                arrays = [multiplier, offset]
            case SourceGather(indices=indices):
                arrays = [indices.astype(np.float64)]
            case _:
                arrays = []
        for array in arrays:
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()
