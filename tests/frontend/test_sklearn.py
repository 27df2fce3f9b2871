"""scikit-learn estimators and skops files: layers equal to predictions, hostile files refused."""

import io
import json
import pickle
import warnings
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
    RidgeClassifier,
    RidgeCV,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR

from flow.errors import FlowError, UnsupportedModel, UsageError
from flow.frontend.float_model import evaluate_source
from flow.frontend.sklearn.reader import from_estimator, read_skops
from flow.frontend.source import SourceActivation, SourceAffine, SourceDense

RNG = np.random.default_rng(7)
X = RNG.normal(3.0, 2.0, (90, 4))
NAMES = np.array(["gale", "calm", "rain"])[np.digitize(X[:, 0] + X[:, 1], [5.0, 7.0])]
TWO = (X[:, 0] > 3).astype(int) * 5
REAL = X @ [1.0, -2.0, 0.5, 3.0] + 4
SCALERS = (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler)


def fitted(estimator, y=NAMES):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y)


def answer(model):
    return evaluate_source(model, {"x": X})[model.outputs[0]]


def mlp(kind=MLPClassifier, **options):
    return kind(hidden_layer_sizes=(6, 5), max_iter=25, random_state=1, **options)


def saved(path, estimator):
    skops.io.dump(estimator, path)
    return path


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("activation", ["relu", "identity", "tanh", "logistic"])
def test_a_scaled_perceptron_answers_as_scikit_learn(scaler, activation):
    pipe = fitted(make_pipeline(scaler(), mlp(activation=activation)))
    model = from_estimator(pipe, "weather")
    np.testing.assert_allclose(answer(model), pipe.predict_proba(X), rtol=1e-9, atol=1e-12)
    assert model.classes == ("calm", "gale", "rain")
    assert isinstance(model.layers[1], SourceAffine)


def test_the_layers_of_a_pipeline_have_its_names():
    pipe = fitted(Pipeline([("scale", StandardScaler()), ("no", "passthrough"), ("net", mlp())]))
    model = from_estimator(pipe, "weather")
    assert [(type(x).__name__, x.name, x.sources) for x in model.layers] == [
        ("SourceInput", "x", ()),
        ("SourceAffine", "scale", ("x",)),
        ("SourceDense", "net_0", ("scale",)),
        ("SourceActivation", "net_0_relu", ("net_0",)),
        ("SourceDense", "net_1", ("net_0_relu",)),
        ("SourceActivation", "net_1_relu", ("net_1",)),
        ("SourceDense", "net_2", ("net_1_relu",)),
        ("SourceActivation", "net_2_softmax", ("net_2",)),
    ]
    assert [x.kernel.values.shape for x in model.layers if isinstance(x, SourceDense)] == [
        (4, 6), (6, 5), (5, 3)
    ]  # fmt: skip
    assert (model.format, model.outputs, model.quantised) == ("sklearn", ("net_2_softmax",), False)


def test_two_classes_are_one_sigmoid():
    net = fitted(mlp(), TWO)
    model = from_estimator(net, "two")
    assert model.classes == (0, 5)
    assert answer(model).shape == (90, 1)
    np.testing.assert_allclose(answer(model)[:, 0], net.predict_proba(X)[:, 1], rtol=1e-9)


def test_a_regressor_has_no_head_and_no_classes():
    net = fitted(mlp(MLPRegressor), REAL)
    model = from_estimator(net, "real")
    assert model.classes is None
    np.testing.assert_allclose(answer(model)[:, 0], net.predict(X), rtol=1e-9)


def test_independent_labels_have_no_classes():
    net = fitted(mlp(), np.column_stack([TWO > 0, X[:, 1] > 3]).astype(int))
    model = from_estimator(net, "labels")
    assert model.classes is None
    np.testing.assert_allclose(answer(model), net.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize(
    "estimator",
    [LinearSVC(), RidgeClassifier(), Perceptron(), SGDClassifier(random_state=0)],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.parametrize("y", [NAMES, TWO], ids=["three", "two"])
def test_a_linear_classifier_is_one_dense_layer(estimator, y):
    fitted(estimator, y)
    model = from_estimator(estimator, "line")
    want = estimator.decision_function(X).reshape(len(X), -1)
    np.testing.assert_allclose(answer(model), want, rtol=1e-9, atol=1e-12)
    assert len(model.layers) == 2
    assert model.classes == tuple(np.unique(y).tolist())


def test_a_logistic_regression_ends_in_its_probabilities():
    three, two = fitted(LogisticRegression()), fitted(LogisticRegression(), TWO)
    np.testing.assert_allclose(
        answer(from_estimator(three, "m")), three.predict_proba(X), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(
        answer(from_estimator(two, "m"))[:, 0], two.predict_proba(X)[:, 1], rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize(
    "estimator",
    [LinearRegression(), Ridge(), Lasso(), ElasticNet(), LinearSVR()],
    ids=lambda e: type(e).__name__,
)
def test_a_linear_regressor_is_one_dense_layer(estimator, tmp_path):
    fitted(estimator, REAL)
    model = read_skops(saved(tmp_path / "line.skops", estimator))
    np.testing.assert_allclose(answer(model)[:, 0], estimator.predict(X), rtol=1e-9)
    assert model.classes is None


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("scaler", SCALERS)
def test_a_skops_file_is_the_estimator(tmp_path, solver, scaler):
    options = {} if solver == "lbfgs" else {"early_stopping": True}
    pipe = fitted(make_pipeline(scaler(), mlp(solver=solver, **options)))
    path = saved(tmp_path / "weather.skops", pipe)
    model, direct = read_skops(path), from_estimator(pipe, "weather")
    assert (model.name, model.format, model.classes) == ("weather", "skops", direct.classes)
    assert len(model.sha256) == 64
    assert (answer(model) == answer(direct)).all()


@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(), LinearSVC(), Perceptron(), SGDClassifier(random_state=0),
     SGDClassifier(loss="log_loss", random_state=0), RidgeClassifier()],
    ids=lambda e: type(e).__name__ + str(getattr(e, "loss", "")),
)  # fmt: skip
def test_a_linear_classifier_is_read_from_skops(tmp_path, estimator):
    fitted(estimator)
    model = read_skops(saved(tmp_path / "m.skops", estimator))
    assert (answer(model) == answer(from_estimator(estimator, "m"))).all()


FRONTS = {
    "pca": PCA(3),
    "whitened": PCA(2, whiten=True),
    "svd": TruncatedSVD(2),
    "best": SelectKBest(f_classif, k=2),
    "varying": VarianceThreshold(0.1),
    "bits": Binarizer(threshold=3.0),
    "clipped": MinMaxScaler(clip=True),
    "union": make_union(PCA(1), StandardScaler()),
    "columns": ColumnTransformer(
        [
            ("a", StandardScaler(), [2, 0]),
            ("b", make_pipeline(MinMaxScaler(), PCA(1)), slice(1, 3)),
            ("c", "passthrough", [True, False, False, False]),
        ]
    ),
    "rest": ColumnTransformer([("a", StandardScaler(), [-1])], remainder="passthrough"),
}


@pytest.mark.parametrize("front", FRONTS)
def test_a_transformer_before_a_model_answers_as_scikit_learn(tmp_path, front):
    pipe = fitted(make_pipeline(FRONTS[front], LogisticRegression()))
    for model in (from_estimator(pipe, "m"), read_skops(saved(tmp_path / "m.skops", pipe))):
        np.testing.assert_allclose(answer(model), pipe.predict_proba(X), rtol=1e-9, atol=1e-12)
        assert model.classes == ("calm", "gale", "rain")


@pytest.mark.parametrize(
    ("estimator", "y"),
    [(SVC(kernel="linear"), TWO), (SVR(kernel="linear"), REAL),
     (OneVsRestClassifier(LinearSVC()), NAMES), (OneVsRestClassifier(LogisticRegression()), NAMES),
     (RidgeCV(), REAL), (BayesianRidge(), REAL), (Ridge(), np.column_stack([REAL, -REAL])),
     (MultiOutputRegressor(Ridge()), np.column_stack([REAL, -REAL]))],
    ids=lambda e: type(e).__name__,
)  # fmt: skip
def test_several_lines_are_one_dense_layer(tmp_path, estimator, y):
    fitted(estimator, y)
    scores = getattr(estimator, "decision_function", estimator.predict)
    for model in (from_estimator(estimator, "m"), read_skops(saved(tmp_path / "m", estimator))):
        want = np.asarray(scores(X)).reshape(len(X), -1)
        np.testing.assert_allclose(answer(model), want, rtol=1e-9, atol=1e-12)
        assert len(model.layers) == 2


@pytest.mark.parametrize("y", [NAMES, TWO], ids=["three", "two"])
def test_a_discriminant_analysis_ends_in_its_probabilities(y):
    estimator = fitted(LinearDiscriminantAnalysis(), y)
    got, want = answer(from_estimator(estimator, "m")), estimator.predict_proba(X)
    np.testing.assert_allclose(got, want if y is NAMES else want[:, 1:], rtol=1e-9, atol=1e-12)


def test_a_search_is_its_best_estimator():
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    search = fitted(GridSearchCV(pipe, {"logisticregression__C": [0.5, 1.0]}))
    got = answer(from_estimator(search, "m"))
    np.testing.assert_allclose(got, search.predict_proba(X), rtol=1e-9, atol=1e-12)


def test_a_perceptron_for_each_class_gives_their_scores_side_by_side():
    estimator = fitted(OneVsRestClassifier(mlp()))
    got = answer(from_estimator(estimator, "m"))
    want = np.column_stack([e.predict_proba(X)[:, 1] for e in estimator.estimators_])
    np.testing.assert_allclose(got, want, rtol=1e-9)


def test_equal_weights_give_equal_digests():
    net = fitted(mlp())
    assert from_estimator(net, "a").sha256 == from_estimator(net, "b").sha256
    assert from_estimator(net, "a").sha256 != from_estimator(fitted(mlp(), TWO), "a").sha256


def with_output(net, function):
    net.out_activation_ = function
    return net


class Stranger(BaseEstimator):
    """Not one of scikit-learn."""


@pytest.mark.parametrize(
    ("estimator", "message", "hint"),
    [
        (
            RandomForestClassifier(),
            "RandomForestClassifier is not supported",
            "trees are no network; train a perceptron (MLPClassifier) or a linear model",
        ),
        (Stranger(), f"{__name__}.Stranger is not supported", "supported: MLP"),
        (
            make_pipeline(FunctionTransformer(np.abs), MLPClassifier()),
            "FunctionTransformer is not supported",
            "it runs code of its own; do its work on the host, before the circuit",
        ),
        (MLPClassifier(), "MLPClassifier is not fitted", "call fit before you save it"),
        (Pipeline([("a", "passthrough")]), "the pipeline has no steps", "end it with a classifier"),
        (
            fitted(make_pipeline(StandardScaler(), Normalizer(), mlp())),
            "Normalizer is not supported",
            "it divides by the length of each sample; scale each column instead",
        ),
        (
            fitted(SVC(kernel="linear")),
            "SVC of 3 classes votes between pairs of them",
            "train a LinearSVC, which has one score for each class",
        ),
        (fitted(SVC()), "SVC is not supported", "supported: MLP"),
        (
            with_output(fitted(mlp(MLPRegressor), REAL), "exp"),
            "the activations 'relu' and 'exp' are not supported",
            "hidden layers: identity, relu, tanh, logistic; output: identity, logistic, softmax",
        ),
    ],
)
def test_what_is_no_dense_network_is_refused_by_name(estimator, message, hint):
    with pytest.raises(FlowError) as caught:
        from_estimator(estimator, "m")
    assert caught.value.message == message
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(hint)


def test_a_nan_weight_is_named():
    net = fitted(mlp())
    net.coefs_[1][2, 3] = np.nan
    with pytest.raises(UsageError) as caught:
        from_estimator(net, "m")
    assert caught.value.show().splitlines()[:2] == [
        "error: the weight at index [2, 3] is NaN",
        "  at m, weights of mlpclassifier, layer 1",
    ]


def test_arrays_that_do_not_fit_are_refused():
    net = fitted(mlp())
    net.coefs_[1] = net.coefs_[1][:3]
    with pytest.raises(UsageError) as caught:
        from_estimator(net, "m")
    assert caught.value.show() == (
        "error: the estimator is damaged: weights of the shape [3, 5] where 6 values come in\n"
        "  at m, step 'mlpclassifier'\n"
        "  hint: fit and save it again"
    )


def refused(path) -> str:
    with pytest.raises(FlowError) as caught:
        read_skops(path)
    return caught.value.show()


class Evil:
    def __reduce__(self):
        return (exec, ("open('canary', 'w').write('ran')",))


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_pickle_is_never_loaded(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.skops").write_bytes(pickle.dumps(Evil(), protocol=protocol))
    assert refused(tmp_path / "m.skops") == (
        "error: this is a pickle or joblib file, which can run any code when it is loaded\n"
        "  at m.skops\n"
        "  hint: save the estimator with skops.io.dump(estimator, 'model.skops')"
    )
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("compress", ["zlib", "gzip", "bz2", "lzma", "xz"])
def test_a_packed_joblib_file_is_never_loaded(tmp_path, compress):
    import joblib

    joblib.dump(fitted(LinearSVC()), tmp_path / "m.joblib", compress=(compress, 3))
    assert refused(tmp_path / "m.joblib").startswith("error: this is a pickle or joblib file")


def test_a_type_that_no_network_holds_is_named_before_skops_builds_it(tmp_path):
    path = saved(tmp_path / "m.skops", fitted(RandomForestClassifier(n_estimators=2)))
    with pytest.raises(UnsupportedModel) as caught:
        read_skops(path)
    assert "sklearn.ensemble._forest.RandomForestClassifier (ObjectNode)" in caught.value.obstacles


def rewritten(path, change, **members):
    """The skops file with its schema changed and members added or replaced."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(content["schema.json"])
    content["schema.json"] = json.dumps(change(schema) or schema).encode()
    content.update(members)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    path.write_bytes(packed.getvalue())
    return path


@pytest.mark.parametrize(
    ("module", "kind", "loader"),
    [
        ("os", "system", "FunctionNode"),
        ("builtins", "exec", "FunctionNode"),
        ("operator", "methodcaller", "OperatorFuncNode"),
        ("sklearn.neural_network._multilayer_perceptron", "MLPClassifier", "MethodNode"),
        ("antigravity", "Thing", "ObjectNode"),
        ("builtins", "dict", "PartialNode"),
    ],
)
def test_a_type_outside_the_list_is_refused_and_never_imported(
    tmp_path, monkeypatch, module, kind, loader
):
    monkeypatch.setattr(
        skops.io, "loads", lambda *_, **__: pytest.fail("skops was asked to load the file")
    )

    def change(schema):
        schema["content"]["content"]["evil"] = {
            "__module__": module, "__class__": kind, "__loader__": loader,
            "content": "open('canary', 'w')", "__id__": 1,
        }  # fmt: skip

    path = rewritten(saved(tmp_path / "m.skops", fitted(LinearSVC())), change)
    assert refused(path) == (
        "error: the file holds 1 type that is not supported\n"
        "  at m.skops\n"
        "  hint: perceptrons and linear models behind simple transformers are read; of a search, "
        "save best_estimator_\n"
        f"  - {module}.{kind} ({loader})"
    )


@pytest.mark.parametrize("loader", [None, ["ObjectNode"], {"a": 1}, 3])
def test_a_loader_that_is_no_name_is_refused(tmp_path, loader):
    def change(schema):
        schema["__loader__"] = loader

    path = rewritten(saved(tmp_path / "m.skops", fitted(LinearSVC())), change)
    assert refused(path).splitlines()[-1] == f"  - sklearn.svm._classes.LinearSVC ({loader})"


def test_a_member_with_a_hostile_header_is_refused(tmp_path):
    path = saved(tmp_path / "m.skops", fitted(LinearSVC()))
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".npy"))
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    bomb = b"\x93NUMPY\x01\x00\x80\x00" + header.ljust(127) + b"\n"
    rewritten(path, lambda schema: None, **{name: bomb})
    assert refused(path).splitlines()[0] == (
        "error: the header declares 8000000000000 bytes, but the file holds 0"
    )


def test_damaged_files_end_in_a_message(tmp_path):
    path = saved(tmp_path / "m.skops", fitted(LinearSVC()))
    whole = path.read_bytes()
    for cut in (0, 1, 10, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert refused(path).startswith("error: ")
    path.write_bytes(b"PK\x03\x04 no archive")
    assert refused(path).startswith("error: the archive is damaged or cut short")
    path.write_bytes(b"hello")
    assert refused(path).startswith("error: this is not a skops file")


def test_missing_attributes_end_in_a_message(tmp_path):
    def change(schema):
        del schema["content"]["content"]["intercept_"]

    path = rewritten(saved(tmp_path / "m.skops", fitted(LinearSVC())), change)
    assert refused(path) == (
        "error: the estimator is damaged: its attributes do not fit together\n"
        "  at m\n"
        "  hint: fit and save it again"
    )


def test_a_layer_is_activated_only_where_the_estimator_does_so():
    model = from_estimator(fitted(mlp(activation="identity")), "m")
    functions = [x.function for x in model.layers if isinstance(x, SourceActivation)]
    assert functions == ["softmax"]
