"""The layers of a fitted scikit-learn pipeline, made one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flow.errors import UnsupportedModel, UsageError
from flow.frontend.files.guards import check_finite
from flow.frontend.sklearn.steps import (
    ABOVE_ZERO,
    PROJECTIONS,
    REFUSED,
    SELECTIONS,
    column_parts,
)
from flow.frontend.source import (
    FloatArray,
    Function,
    SourceActivation,
    SourceAffine,
    SourceConcat,
    SourceDense,
    SourceGather,
    SourceInput,
    SourceLayer,
    SourceQuantise,
    Weights,
)

SUPPORTED = (
    "MLPClassifier and MLPRegressor, linear classifiers and regressors, OneVsRest and MultiOutput "
    "of these, alone or in a Pipeline behind scalers, PCA, feature selection and ColumnTransformer"
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


class Chain:
    """The layers made so far, and the one that the next step reads, of `width` values."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.layers: list[SourceLayer] = []
        self.source = ""
        self.width = 0

    def transform(self, step: str, transformer: Any) -> None:
        """The layers of a transformer: a scaler, a projection, a selection, or several of these."""
        kind = kind_of(transformer)
        if kind == "FunctionTransformer" and transformer.func is None:
            return  # what ColumnTransformer makes of "passthrough"
        if kind in REFUSED:
            raise self._refused(step, transformer)
        if kind == "Pipeline":
            for name, inner in filled(transformer.steps):
                self.transform(f"{step}_{name}", inner)
            return
        if kind != "FeatureUnion":  # it has nothing of its own to fit
            self._fitted(step, transformer)
        self._open(step, transformer)
        if kind in _SCALERS:
            self._scaler(step, transformer, kind)
        elif kind in PROJECTIONS:
            kernel, bias = PROJECTIONS[kind](transformer)
            self._dense(step, step, kernel, bias, step)
        elif kind in SELECTIONS:
            self._gather(step, np.flatnonzero(transformer.get_support()))
        elif kind == "Binarizer":
            self._affine(step, np.ones(()), -np.asarray(float(transformer.threshold)))
            self._add(SourceQuantise, f"{step}_bits", step, quantiser=ABOVE_ZERO)
        elif kind in ("ColumnTransformer", "FeatureUnion"):
            self._side_by_side(step, column_parts(transformer, self.width))
        else:
            raise self._refused(step, transformer)

    def _scaler(self, step: str, scaler: Any, kind: str) -> None:
        """x * multiplier + offset, as the scaler transforms."""
        with np.errstate(all="ignore"):
            multiplier, offset = _SCALERS[kind](scaler)
        self._affine(step, multiplier, offset)
        if getattr(scaler, "clip", False):
            low, high = (float(v) for v in scaler.feature_range)
            self._add(
                SourceActivation, f"{step}_clip", step, function="hard_tanh", parameters=(low, high)
            )

    def _affine(self, step: str, multiplier: FloatArray, offset: FloatArray) -> None:
        arrays = []
        for part in (multiplier, offset):
            if part.shape not in ((), (self.width,)):
                raise self._misfit(step, f"an array of the shape {list(part.shape)}")
            check_finite(part, f"{self.name}, step {step!r}")
            arrays.append(np.broadcast_to(part, (self.width,)).copy())
        self._add(SourceAffine, step, step, multiplier=arrays[0], offset=arrays[1])

    def _gather(self, step: str, columns: Any) -> None:
        """Some of the values; all of them, in order, need no layer."""
        indices = np.asarray(columns, dtype=np.int64)
        if indices.ndim != 1 or not indices.size or indices.min() < 0:
            raise self._misfit(step, "a choice of nothing")
        if indices.max() >= self.width:
            raise self._misfit(step, f"a choice of column {int(indices.max())}")
        if not np.array_equal(indices, np.arange(self.width)):
            self._add(SourceGather, f"{step}_columns", step, indices=indices)
            self.width = len(indices)

    def _side_by_side(self, step: str, parts: list[tuple[str, Any, Any]]) -> None:
        """Each part reads its columns; the results stand side by side."""
        source, width = self.source, self.width
        ends, total = [], 0
        for name, inner, columns in parts:
            self.source, self.width = source, width
            self._gather(f"{step}_{name}", columns)
            if inner is not None:
                self.transform(f"{step}_{name}", inner)
            ends.append(self.source)
            total += self.width
        self._join(step, ends, total)

    def _join(self, step: str, ends: list[str], total: int) -> None:
        if not ends:
            raise self._misfit(step, "no columns")
        if len(ends) > 1:
            self._add(SourceConcat, f"{step}_joined", step, sources=tuple(ends))
        self.width = total

    def end(self, step: str, model: Any) -> None:
        """The dense layers of the last step."""
        kind = kind_of(model)
        if kind in REFUSED or kind not in (*_PERCEPTRONS, *_LINEAR, *_SEVERAL, *_MACHINES):
            raise self._refused(step, model)
        self._fitted(step, model)
        self._open(step, model)
        if kind in _PERCEPTRONS:
            self._perceptron(step, model)
        elif kind in _SEVERAL:
            self._several(step, model)
        else:
            self._linear(step, model, kind)

    def _several(self, step: str, model: Any) -> None:
        """One estimator for each class or output: one dense layer, or perceptrons side by side."""
        source, width = self.source, self.width
        parts = list(model.estimators_)
        if not parts:
            raise self._misfit(step, "no estimators")
        kinds = [kind_of(part) for part in parts]
        if all(kind in _LINEAR for kind in kinds):
            rows = [np.atleast_2d(_real(part.coef_)) for part in parts]
            biases = [np.atleast_1d(_real(part.intercept_)) for part in parts]
            if any(len(r) != 1 or b.shape != (1,) for r, b in zip(rows, biases, strict=True)):
                raise self._refused(step, model)
            self._dense(step, step, np.vstack(rows).T, np.concatenate(biases), step)
            return
        ends, total = [], 0
        for i, part in enumerate(parts):
            self.source, self.width = source, width
            self.end(f"{step}_{i}", part)
            ends.append(self.source)
            total += self.width
        self._join(step, ends, total)

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
        if kind in _MACHINES and model.kernel != "linear":
            raise self._refused(step, model)
        if kind in _MACHINES and len(getattr(model, "classes_", ())) > 2:
            raise UnsupportedModel(
                f"{kind} of {len(model.classes_)} classes votes between pairs of them",
                where=f"{self.name}, step {step!r}",
                hint="train a LinearSVC, which has one score for each class",
            )
        kernel = np.atleast_2d(_real(model.coef_)).T
        intercept = np.atleast_1d(_real(model.intercept_))
        bias = np.broadcast_to(intercept, kernel.shape[1:]) if intercept.size == 1 else intercept
        self._dense(step, step, kernel, bias, step)
        probable = kind.startswith(("LogisticRegression", "LinearDiscriminantAnalysis"))
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
        self._add(
            SourceDense, name, place, kernel=Weights(kernel.copy()), bias=Weights(bias.copy())
        )
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
        self.source = "x"

    def _add(self, kind: Callable[..., SourceLayer], name: str, place: str, **parts: Any) -> None:
        names = {layer.name for layer in self.layers}
        unique, count = name, 2
        while unique in names:
            unique, count = f"{name}_{count}", count + 1
        sources = parts.pop("sources", (self.source,))
        self.layers.append(kind(unique, sources, place, **parts))
        self.source = unique

    def _fitted(self, step: str, estimator: Any) -> None:
        if not any(name.endswith("_") and not name.startswith("_") for name in vars(estimator)):
            raise UsageError(
                f"{kind_of(estimator)} is not fitted",
                where=f"{self.name}, step {step!r}",
                hint="call fit before you save it",
            )

    def _refused(self, step: str, estimator: Any) -> UnsupportedModel:
        return UnsupportedModel(
            f"{kind_of(estimator)} is not supported",
            where=f"{self.name}, step {step!r}",
            hint=REFUSED.get(kind_of(estimator)) or f"supported: {SUPPORTED}",
        )

    def _misfit(self, step: str, what: str) -> UsageError:
        return UsageError(
            f"the estimator is damaged: {what} where {self.width} values come in",
            where=f"{self.name}, step {step!r}",
            hint="fit and save it again",
        )


def filled(steps: Any) -> list[tuple[str, Any]]:
    """The steps of a pipeline that do something."""
    named = [(str(name), step) for name, step in steps]
    return [(name, step) for name, step in named if step is not None and step != "passthrough"]


def kind_of(estimator: Any) -> str:
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


_SCALERS: Mapping[str, Callable[[Any], tuple[FloatArray, FloatArray]]] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
    "RobustScaler": _robust,
}
_PERCEPTRONS = ("MLPClassifier", "MLPRegressor")
_LINEAR = (
    "LogisticRegression", "LogisticRegressionCV", "LinearSVC", "LinearSVR", "SGDClassifier",
    "SGDRegressor", "RidgeClassifier", "RidgeClassifierCV", "Ridge", "RidgeCV", "LinearRegression",
    "Lasso", "LassoCV", "LassoLars", "Lars", "ElasticNet", "ElasticNetCV", "MultiTaskLasso",
    "MultiTaskElasticNet", "BayesianRidge", "ARDRegression", "HuberRegressor", "TheilSenRegressor",
    "QuantileRegressor", "Perceptron", "PassiveAggressiveClassifier", "PassiveAggressiveRegressor",
    "LinearDiscriminantAnalysis",
)  # fmt: skip
_MACHINES = ("SVC", "NuSVC", "SVR", "NuSVR")
_SEVERAL = ("OneVsRestClassifier", "MultiOutputRegressor", "MultiOutputClassifier")
