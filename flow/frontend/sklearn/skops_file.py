"""The estimator inside a skops file: its archive and its types are checked before skops sees it.

skops imports the modules that a file names and trusts every estimator of scikit-learn; here a
file may name only the types in ALLOWED, so that nothing else is imported or built (compare
CVE-2024-37065, CVE-2025-54412, CVE-2025-54413 and CVE-2025-54886 of earlier versions of skops).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flow.errors import FlowError, UnsupportedModel, UsageError, printable
from flow.frontend.files.guards import FILE_BYTES, open_zip, parse_json, read_bytes, read_member
from flow.frontend.files.npy import parse_npy

SCHEMA = "schema.json"
MAX_BYTES = 64 << 20

_LOADERS: Mapping[str, tuple[str, ...]] = {
    "builtins": ("dict", "list", "tuple", "str", "int", "float", "bool", "slice"),
    "numpy": (
        "ndarray", "dtype", "str_", "bool", "bool_", "float16", "float32", "float64",
        "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    ),
    "numpy.random.mtrand": ("RandomState",),
    "sklearn.compose._column_transformer": ("ColumnTransformer",),
    "sklearn.decomposition._fastica": ("FastICA",),
    "sklearn.decomposition._incremental_pca": ("IncrementalPCA",),
    "sklearn.decomposition._pca": ("PCA",),
    "sklearn.decomposition._truncated_svd": ("TruncatedSVD",),
    "sklearn.discriminant_analysis": ("LinearDiscriminantAnalysis",),
    "sklearn.feature_selection._from_model": ("SelectFromModel",),
    "sklearn.feature_selection._rfe": ("RFE",),
    "sklearn.feature_selection._univariate_selection": (
        "SelectKBest", "SelectPercentile", "f_classif", "f_regression", "chi2",
    ),
    "sklearn.feature_selection._variance_threshold": ("VarianceThreshold",),
    "sklearn.linear_model._base": ("LinearRegression",),
    "sklearn.linear_model._bayes": ("BayesianRidge", "ARDRegression"),
    "sklearn.linear_model._coordinate_descent": (
        "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "MultiTaskLasso", "MultiTaskElasticNet",
    ),
    "sklearn.linear_model._huber": ("HuberRegressor",),
    "sklearn.linear_model._passive_aggressive": (
        "PassiveAggressiveClassifier", "PassiveAggressiveRegressor",
    ),
    "sklearn.linear_model._logistic": ("LogisticRegression", "LogisticRegressionCV"),
    "sklearn.linear_model._perceptron": ("Perceptron",),
    "sklearn.linear_model._ridge": ("Ridge", "RidgeCV", "RidgeClassifier", "RidgeClassifierCV"),
    "sklearn.linear_model._sgd_fast": (
        "Hinge", "SquaredHinge", "ModifiedHuber", "Log", "SquaredLoss", "Huber",
        "EpsilonInsensitive", "SquaredEpsilonInsensitive",
    ),
    "sklearn._loss._loss": ("CyHalfBinomialLoss", "CyHalfSquaredError", "CyHuberLoss"),
    "sklearn.linear_model._stochastic_gradient": ("SGDClassifier", "SGDRegressor"),
    "sklearn.neural_network._multilayer_perceptron": ("MLPClassifier", "MLPRegressor"),
    "sklearn.neural_network._stochastic_optimizers": ("AdamOptimizer", "SGDOptimizer"),
    "sklearn.multiclass": ("OneVsRestClassifier",),
    "sklearn.multioutput": ("MultiOutputClassifier", "MultiOutputRegressor"),
    "sklearn.pipeline": ("Pipeline", "FeatureUnion"),
    "sklearn.preprocessing._data": (
        "Binarizer", "MaxAbsScaler", "MinMaxScaler", "RobustScaler", "StandardScaler",
    ),
    "sklearn.preprocessing._function_transformer": ("FunctionTransformer",),
    "sklearn.preprocessing._label": ("LabelBinarizer",),
    "sklearn.random_projection": ("GaussianRandomProjection",),
    "sklearn.svm._classes": ("LinearSVC", "LinearSVR", "NuSVC", "NuSVR", "SVC", "SVR"),
}  # fmt: skip

ALLOWED = frozenset(f"{module}.{name}" for module, names in _LOADERS.items() for name in names)
"""Every type that a file may name."""

TRUSTED = tuple(sorted(ALLOWED))
"""What skops is told to trust: a fixed list, never what the file says of itself."""

NODES = frozenset(
    ("DictNode", "ListNode", "TupleNode", "JsonNode", "TypeNode", "SliceNode", "NdArrayNode",
     "DTypeNode", "RandomStateNode", "ObjectNode", "LossNode", "SGDNode", "CachedNode")
)  # fmt: skip
"""The loaders of skops that a file may use: none of them calls a function that the file names."""

FUNCTIONS = frozenset(
    f"sklearn.feature_selection._univariate_selection.{name}"
    for name in ("f_classif", "f_regression", "chi2")
)
"""Functions that a file may name, as the scores of SelectKBest; they are never called."""

_RESAVE = "save the fitted estimator again with skops.io.dump"


def load_estimator(path: Path) -> tuple[Any, bytes]:
    """The estimator of a skops file and the file's bytes.

    Raises UsageError where the file cannot be read, is damaged, or is a pickle (which is never
    loaded); UnsupportedModel where it holds a type that no supported estimator holds.
    """
    where = path.name
    data = read_bytes(path, MAX_BYTES)
    refuse_pickle(data, where)
    _check(data, where)
    return _load(data, where), data


def refuse_pickle(data: bytes, where: str) -> None:
    """UsageError if the bytes are a pickle, bare or in one of the packings of joblib."""
    packed = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x5d\x00\x00", b"\x04\x22\x4d\x18")
    zlib_head = data[:1] == b"\x78" and data[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda")
    if (data[:1] == b"\x80" and data[1:2] <= b"\x05") or data.startswith(packed) or zlib_head:
        raise UsageError(
            "this is a pickle or joblib file, which can run any code when it is loaded",
            where=where,
            hint="save the estimator with skops.io.dump(estimator, 'model.skops')",
        )


def _check(data: bytes, where: str) -> None:
    if not data.startswith(b"PK"):
        raise UsageError("this is not a skops file", where=where, hint=_RESAVE)
    members = open_zip(data, where)
    if SCHEMA not in members:
        raise UsageError(f"this is not a skops file: it has no {SCHEMA}", where=where, hint=_RESAVE)
    schema = parse_json(read_member(data, members[SCHEMA], MAX_BYTES, where), f"{where}, {SCHEMA}")
    total, refused = 0, []
    for node in _nodes(schema):
        if "__class__" in node or "__module__" in node or "__loader__" in node:
            told = f"{node.get('__module__')}.{node.get('__class__')}"
            loader = str(node.get("__loader__"))
            function = loader == "FunctionNode" and told in FUNCTIONS
            if not function and (told not in ALLOWED - FUNCTIONS or loader not in NODES):
                refused.append(printable(f"{told} ({loader})", 120))
        name = node.get("file")
        if isinstance(name, str) and "__loader__" in node:
            if name not in members:
                raise UsageError(
                    f"the file names an array {printable(name, 60)!r} that it does not hold",
                    where=where,
                    hint=_RESAVE,
                )
            total += members[name].file_size
            if total > FILE_BYTES:
                raise UsageError(
                    f"the arrays take more than {FILE_BYTES >> 20} MiB", where=where, hint=_RESAVE
                )
    if refused:
        kinds = tuple(dict.fromkeys(refused))
        raise UnsupportedModel(
            f"the file holds {len(kinds)} "
            + ("type that is" if len(kinds) == 1 else "types that are")
            + " not supported",
            where=where,
            hint="perceptrons and linear models behind simple transformers are read; of a search, "
            "save best_estimator_",
            obstacles=kinds,
        )
    for name, member in members.items():
        if name != SCHEMA:
            parse_npy(read_member(data, member, MAX_BYTES, where), f"{where}, {name}")


def _load(data: bytes, where: str) -> Any:
    import skops.io

    try:
        with warnings.catch_warnings():
            # scikit-learn warns of another version; the arrays are checked one by one anyway.
            warnings.simplefilter("ignore")
            return skops.io.loads(data, trusted=list(TRUSTED))
    except FlowError:
        raise
    except Exception as error:
        raise UsageError(
            f"the skops file is damaged: {type(error).__name__}", where=where, hint=_RESAVE
        ) from error


def _nodes(schema: Any) -> list[dict[str, Any]]:
    """Every JSON object of the schema; its depth has been checked."""
    found, stack = [], [schema]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            found.append(item)
            stack.extend(reversed(list(item.values())))
        elif isinstance(item, list):
            stack.extend(reversed(item))
    return found
