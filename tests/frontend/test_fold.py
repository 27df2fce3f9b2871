"""Folding keeps the float function and takes the affine layers out."""

import numpy as np
import pytest
from frontend.source_models import exact_dense, model, perceptron

from flow.frontend.float_model import evaluate_source
from flow.frontend.fold import fold, leading_affines
from flow.frontend.source import (
    SourceActivation,
    SourceAdd,
    SourceAffine,
    SourceDense,
    SourceInput,
    SourceReshape,
    Weights,
)


def dense(name, source, rng, inputs, outputs):
    return SourceDense(name, (source,), name, Weights(rng.normal(size=(inputs, outputs))), None)


def affine(name, source, rng, size):
    return SourceAffine(name, (source,), name, rng.normal(size=size), rng.normal(size=size))


def chain(rng):
    return [
        SourceInput("x", (), "x", (2, 3)),
        affine("scaler", "x", rng, 3),
        SourceReshape("flat", ("scaler",), "flat", (6,)),
        dense("d1", "flat", rng, 6, 4),
        affine("bn1", "d1", rng, 4),
        SourceActivation("r", ("bn1",), "r", "relu"),
        affine("bn2", "r", rng, 4),
        dense("d2", "bn2", rng, 4, 3),
        dense("d3", "bn2", rng, 4, 3),
        SourceAdd("sum", ("d2", "d3"), "sum"),
        affine("last", "sum", rng, 3),
    ]


def test_affine_maps_go_into_the_dense_layers_on_either_side():
    rng = np.random.default_rng(0)
    before = model(chain(rng))
    after = fold(before)
    assert [x.name for x in after.layers if isinstance(x, SourceAffine)] == ["last"]
    x = {"x": rng.normal(size=(9, 2, 3))}
    old, new = (evaluate_source(m, x)[m.outputs[0]] for m in (before, after))
    assert new == pytest.approx(old, abs=1e-12)


def test_a_map_that_another_layer_reads_too_stays_before_it():
    rng = np.random.default_rng(0)
    layers = [
        SourceInput("x", (), "x", (3,)),
        dense("d", "x", rng, 3, 3),
        affine("a", "d", rng, 3),
        SourceAdd("sum", ("a", "d"), "sum"),
    ]
    before = model(layers)
    assert fold(before).layers == before.layers


def test_weights_with_a_step_are_left_as_they_are():
    rng = np.random.default_rng(0)
    layers = [SourceInput("x", (), "x", (2,)), exact_dense("d", "x", [[1], [2]])]
    before = model([*layers, affine("a", "d", rng, 1)])
    assert fold(before).layers == before.layers


def test_a_map_of_nothing_goes_and_its_readers_move():
    layers = [
        SourceInput("x", (), "x", (2,)),
        SourceAffine("one", ("x",), "one", np.ones(2), np.zeros(2)),
        SourceActivation("r", ("one",), "r", "relu"),
    ]
    after = fold(model(layers))
    assert [(x.name, x.sources) for x in after.layers] == [("x", ()), ("r", ("x",))]


def test_a_scaler_leads():
    net = perceptron(np.random.default_rng(0), scaler=True)
    assert [x.name for x in leading_affines(net)] == ["scaler"]
    assert leading_affines(perceptron(np.random.default_rng(0))) == ()
