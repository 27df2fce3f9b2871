"""Transformers of scikit-learn that are projections or choose columns, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flow.errors import UsageError
from flow.frontend.source import FloatArray, Quantiser, step_array

ABOVE_ZERO = Quantiser(step_array(1), 0, 1, "ceil")
"""1 where x > 0, else 0."""

_TREES = "train a perceptron (MLPClassifier) or a linear model on the same data"
_CODE = "it runs code of its own; do its work on the host, before the circuit"

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        ("DecisionTreeClassifier", "DecisionTreeRegressor", "RandomForestClassifier",
         "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor",
         "GradientBoostingClassifier", "GradientBoostingRegressor", "AdaBoostClassifier",
         "HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "IsolationForest"),
        f"trees are no network; {_TREES}"),
    **dict.fromkeys(
        ("KNeighborsClassifier", "KNeighborsRegressor", "GaussianProcessClassifier",
         "GaussianProcessRegressor"),
        f"it keeps its samples; {_TREES}"),
    **dict.fromkeys(
        ("GaussianNB", "QuadraticDiscriminantAnalysis"),
        "its scores are quadratic; train LogisticRegression or LinearDiscriminantAnalysis"),
    "Normalizer": "it divides by the length of each sample; scale each column instead",
    "PolynomialFeatures": "train a perceptron instead, which needs no products of columns",
    "FunctionTransformer": _CODE,
    "PowerTransformer": "scale with StandardScaler instead",
    "QuantileTransformer": "scale with RobustScaler instead",
    "OneHotEncoder": "feed the network numbers; encode categories on the host",
    "OrdinalEncoder": "feed the network numbers; encode categories on the host",
    "SimpleImputer": "fill missing values on the host: a circuit has no NaN",
}  # fmt: skip
"""What is refused by name, and what to do instead."""


def _real(array: Any) -> FloatArray:
    return np.asarray(array, dtype=np.float64)


def _pca(t: Any) -> tuple[FloatArray, FloatArray]:
    kernel = _real(t.components_).T
    if getattr(t, "whiten", False):
        kernel = kernel / np.sqrt(_real(t.explained_variance_))
    return kernel, -(_real(t.mean_) @ kernel)


def _projection(t: Any) -> tuple[FloatArray, FloatArray]:
    components = t.components_
    kernel = _real(components.toarray() if hasattr(components, "toarray") else components).T
    return kernel, np.zeros(kernel.shape[1])


def _centred(t: Any) -> tuple[FloatArray, FloatArray]:
    kernel = _real(t.components_).T
    mean = getattr(t, "mean_", None)
    return kernel, np.zeros(kernel.shape[1]) if mean is None else -(_real(mean) @ kernel)


PROJECTIONS: Mapping[str, Callable[[Any], tuple[FloatArray, FloatArray]]] = {
    "PCA": _pca,
    "IncrementalPCA": _pca,
    "TruncatedSVD": _projection,
    "GaussianRandomProjection": _projection,
    "SparseRandomProjection": _projection,
    "FastICA": _centred,
}
"""Kernel and bias of the transformers that are one dense layer."""

SELECTIONS = (
    "SelectKBest", "SelectPercentile", "SelectFpr", "SelectFdr", "SelectFwe",
    "GenericUnivariateSelect", "VarianceThreshold", "RFE", "RFECV", "SelectFromModel",
    "SequentialFeatureSelector",
)  # fmt: skip
"""Transformers that choose columns."""


def column_parts(transformer: Any, width: int) -> list[tuple[str, Any, Any]]:
    """(name, transformer or None, columns) of each part of ColumnTransformer or FeatureUnion."""
    everything = np.arange(width)
    if not hasattr(transformer, "transformers_"):
        parts = [(str(n), t, everything) for n, t in transformer.transformer_list]
    else:
        names = getattr(transformer, "feature_names_in_", None)
        parts = [
            (str(n), t, _columns(c, everything, names)) for n, t, c in transformer.transformers_
        ]
    kept = []
    for name, part, columns in parts:
        if isinstance(part, str) and part not in ("drop", "passthrough"):
            raise UsageError(f"the part {name!r} is {part!r}", hint="fit and save it again")
        dropped = part is None or (isinstance(part, str) and part == "drop")
        if not dropped and len(columns):
            kept.append((name, None if isinstance(part, str) else part, columns))
    return kept


def _columns(given: Any, everything: Any, names: Any) -> Any:
    """Numbers of columns that are given by numbers, a slice, a mask, or names."""
    if isinstance(given, slice) and not isinstance(given.start, str):
        return everything[given]
    if isinstance(given, str | int | np.integer):
        given = [given]
    chosen = list(given)
    if chosen and all(isinstance(c, str) for c in chosen):
        order = {str(name): i for i, name in enumerate(() if names is None else names)}
        return np.array([order[c] for c in chosen])
    array = np.asarray(chosen)
    if array.dtype == bool:
        return np.flatnonzero(array)
    return np.where(array < 0, array + len(everything), array).astype(np.int64)
