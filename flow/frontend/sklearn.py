"""Makes a SourceModel of a fitted scikit-learn estimator: perceptrons, linear models, scalers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flow.errors import UnsupportedModel, UsageError
from flow.frontend.guards import check_finite
from flow.frontend.skops_file import load_estimator
from flow.frontend.source import (
    FloatArray,
    Function,
    SourceActivation,
    SourceAffine,
    SourceDense,
    SourceInput,
    SourceLayer,
    SourceModel,
    Weights,
)

SUPPORTED = (
    "MLPClassifier and MLPRegressor, linear classifiers and regressors, alone or behind "
    "StandardScaler, MinMaxScaler, MaxAbsScaler or RobustScaler in a Pipeline"
)
_HIDDEN: Mapping[str, Function | None] = {
    "identity": None,
    "relu": "relu",
    "tanh": "tanh",
    "logistic": "sigmoid",
}
_OUT: Mapping[str, Function | None] = {
    "identity": None,
    "logistic": "sigmoid",
    "softmax": "softmax",
}


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
    chain = _Chain(name)
    for step, scaler in steps:
        chain.scaler(step, scaler)
    chain.end(last, model)
    return SourceModel(
        name=name,
        format="sklearn",
        layers=tuple(chain.layers),
        outputs=(chain.layers[-1].name,),
        sha256=_digest(chain.layers),
        classes=_classes(model, chain.layers),
    )


class _Chain:
    """The layers made so far, one after the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.layers: list[SourceLayer] = []
        self.width = 0

    def scaler(self, step: str, scaler: Any) -> None:
        """x * multiplier + offset, as the scaler transforms."""
        kind = _kind(scaler)
        if kind not in _SCALERS:
            raise self._refused(step, scaler)
        self._fitted(step, scaler)
        self._open(step, scaler)
        if getattr(scaler, "clip", False):
            raise UnsupportedModel(
                f"the scaler {step!r} clips its output",
                where=self.name,
                hint="fit it with clip=False",
            )
        with np.errstate(all="ignore"):
            multiplier, offset = _SCALERS[kind](scaler)
        arrays = []
        for part in (multiplier, offset):
            if part.shape not in ((), (self.width,)):
                raise self._misfit(step, f"an array of the shape {list(part.shape)}")
            check_finite(part, f"{self.name}, step {step!r}")
            arrays.append(np.broadcast_to(part, (self.width,)).copy())
        self._add(SourceAffine, step, step, multiplier=arrays[0], offset=arrays[1])

    def end(self, step: str, model: Any) -> None:
        """The dense layers of the last step."""
        kind = _kind(model)
        if kind not in (*_PERCEPTRONS, *_LINEAR):
            raise self._refused(step, model)
        self._fitted(step, model)
        self._open(step, model)
        if kind in _PERCEPTRONS:
            self._perceptron(step, model)
        else:
            self._linear(step, model, kind)

    def _perceptron(self, step: str, model: Any) -> None:
        hidden, out = str(model.activation), str(model.out_activation_)
        if hidden not in _HIDDEN or out not in _OUT:
            raise UnsupportedModel(
                f"the activations {hidden[:20]!r} and {out[:20]!r} are not supported",
                where=f"{self.name}, step {step!r}",
                hint=f"hidden layers: {', '.join(_HIDDEN)}; output: {', '.join(_OUT)}",
            )
        kernels, biases = list(model.coefs_), list(model.intercepts_)
        if not kernels or len(kernels) != len(biases):
            raise self._misfit(step, f"{len(kernels)} weight arrays and {len(biases)} biases")
        for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
            last = i == len(kernels) - 1
            where = f"{step}, layer {i}"
            self._dense(step, where, _real(kernel), _real(bias), f"{step}_{i}")
            function = _OUT[out] if last else _HIDDEN[hidden]
            if function is not None:
                self._add(SourceActivation, f"{step}_{i}_{function}", where, function=function)

    def _linear(self, step: str, model: Any, kind: str) -> None:
        kernel = np.atleast_2d(_real(model.coef_)).T
        intercept = np.atleast_1d(_real(model.intercept_))
        bias = np.broadcast_to(intercept, kernel.shape[1:]) if intercept.size == 1 else intercept
        self._dense(step, step, kernel, bias, step)
        probable = kind.startswith("LogisticRegression")
        one = kernel.shape[1] == 1
        several = not one and getattr(model, "solver", "") != "liblinear"
        several = several and getattr(model, "multi_class", "auto") != "ovr"
        if probable and (one or several):
            function: Function = "sigmoid" if one else "softmax"
            self._add(SourceActivation, f"{step}_{function}", step, function=function)

    def _dense(
        self, step: str, place: str, kernel: FloatArray, bias: FloatArray, name: str
    ) -> None:
        if kernel.ndim != 2 or 0 in kernel.shape or kernel.shape[0] != self.width:
            raise self._misfit(step, f"weights of the shape {list(kernel.shape)}")
        if bias.shape != kernel.shape[1:]:
            raise self._misfit(step, f"a bias of the shape {list(bias.shape)}")
        check_finite(kernel, f"{self.name}, weights of {place}")
        check_finite(bias, f"{self.name}, bias of {place}")
        self._add(SourceDense, name, place, kernel=Weights(kernel), bias=Weights(bias.copy()))
        self.width = kernel.shape[1]

    def _open(self, step: str, estimator: Any) -> None:
        """The input, before the first step."""
        if self.layers:
            return
        width = getattr(estimator, "n_features_in_", None)
        if isinstance(width, bool) or not isinstance(width, int | np.integer) or width < 1:
            raise self._misfit(step, "no number of input features")
        self.width = int(width)
        self.layers.append(SourceInput("x", (), "the input", (self.width,)))

    def _add(self, kind: Callable[..., SourceLayer], name: str, place: str, **parts: Any) -> None:
        names = {layer.name for layer in self.layers}
        unique, count = name, 2
        while unique in names:
            unique, count = f"{name}_{count}", count + 1
        self.layers.append(kind(unique, (self.layers[-1].name,), place, **parts))

    def _fitted(self, step: str, estimator: Any) -> None:
        marks = ("coefs_", "coef_", "scale_")
        if not any(hasattr(estimator, mark) for mark in marks):
            raise UsageError(
                f"{_kind(estimator)} is not fitted",
                where=f"{self.name}, step {step!r}",
                hint="call fit before you save it",
            )

    def _refused(self, step: str, estimator: Any) -> UnsupportedModel:
        return UnsupportedModel(
            f"{_kind(estimator)} is not supported",
            where=f"{self.name}, step {step!r}",
            hint=f"supported: {SUPPORTED}",
        )

    def _misfit(self, step: str, what: str) -> UsageError:
        return UsageError(
            f"the estimator is damaged: {what} where {self.width} values come in",
            where=f"{self.name}, step {step!r}",
            hint="fit and save it again",
        )


def _steps(estimator: Any) -> tuple[list[tuple[str, Any]], tuple[str, Any]]:
    """The scalers, and the last step, of a pipeline or of a single estimator."""
    if _kind(estimator) != "Pipeline":
        return [], (_kind(estimator).lower() or "estimator", estimator)
    steps = [(str(name), step) for name, step in estimator.steps]
    steps = [(name, step) for name, step in steps if step is not None and step != "passthrough"]
    if not steps:
        raise UsageError("the pipeline has no steps", hint="end it with a classifier")
    return steps[:-1], steps[-1]


def _kind(estimator: Any) -> str:
    """The class name of an estimator of scikit-learn itself; others keep their full name."""
    kind = type(estimator)
    if kind.__module__.split(".")[0] == "sklearn":
        return kind.__name__
    return f"{kind.__module__}.{kind.__name__}"


def _real(array: Any) -> FloatArray:
    values = np.asarray(array)
    if values.dtype.kind not in "fiu":
        raise UsageError(
            f"weights of the type {values.dtype} are no numbers", hint="fit and save it again"
        )
    return values.astype(np.float64)


def _or(value: Any, default: float) -> FloatArray:
    return np.asarray(default, dtype=np.float64) if value is None else _real(value)


def _standard(s: Any) -> tuple[FloatArray, FloatArray]:
    mean = _or(s.mean_ if s.with_mean else None, 0)
    scale = _or(s.scale_ if s.with_std else None, 1)
    return 1 / scale, -mean / scale


def _min_max(s: Any) -> tuple[FloatArray, FloatArray]:
    return _real(s.scale_), _real(s.min_)


def _max_abs(s: Any) -> tuple[FloatArray, FloatArray]:
    return 1 / _real(s.scale_), np.zeros(())


def _robust(s: Any) -> tuple[FloatArray, FloatArray]:
    center = _or(s.center_ if s.with_centering else None, 0)
    scale = _or(s.scale_ if s.with_scaling else None, 1)
    return 1 / scale, -center / scale


def _classes(model: Any, layers: list[SourceLayer]) -> tuple[Any, ...] | None:
    """The labels, one for each output, or two for one output."""
    classes = getattr(model, "classes_", None)
    outputs = next(x.kernel.values.shape[1] for x in layers[::-1] if isinstance(x, SourceDense))
    independent = outputs > 1 and getattr(model, "out_activation_", "") == "logistic"
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
            case _:
                arrays = []
        for array in arrays:
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()


_SCALERS: Mapping[str, Callable[[Any], tuple[FloatArray, FloatArray]]] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
    "RobustScaler": _robust,
}
_PERCEPTRONS = ("MLPClassifier", "MLPRegressor")
_LINEAR = (
    "LogisticRegression", "LogisticRegressionCV", "LinearSVC", "LinearSVR", "SGDClassifier",
    "SGDRegressor", "RidgeClassifier", "Ridge", "LinearRegression", "Lasso", "ElasticNet",
    "Perceptron",
)  # fmt: skip
