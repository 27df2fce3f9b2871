"""Folding keeps the float function and takes the affine layers out."""

import numpy as np
import pytest
from frontend.source_models import exact_dense, model, perceptron

from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.fold import fold, leading_affines
from flow.frontend.source import (
    SourceActivation,
    SourceAdd,
    SourceAffine,
    SourceConcat,
    SourceConv,
    SourceDense,
    SourceGather,
    SourceInput,
    SourcePool,
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


def conv(name, source, rng, channels, filters, padding=0, groups=1):
    kernel = rng.normal(size=(3, 3, channels // groups, filters))
    same = ((padding, padding), (padding, padding))
    return SourceConv(name, (source,), name, Weights(kernel), None, (1, 1), same, (1, 1), groups)


def pool(name, source, kind, padding=0, counted=False):
    same = ((padding, padding), (padding, padding))
    return SourcePool(name, (source,), name, kind, (2, 2), (2, 2), same, counted)


def folded(layers, shape):
    """The model after folding, checked to be the same function; names of its affine layers."""
    rng = np.random.default_rng(1)
    before = model([SourceInput("x", (), "x", shape), *layers])
    after = fold(before)
    x = {"x": rng.normal(size=(5, *shape))}
    old, new = (evaluate_source(m, x)[m.outputs[0]] for m in (before, after))
    assert new == pytest.approx(old, abs=1e-9)
    return after, [x.name for x in after.layers if isinstance(x, SourceAffine)]


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_normalisations_go_into_the_convolutions_on_either_side(groups):
    rng = np.random.default_rng(0)
    layers = [
        affine("a", "x", rng, 4),
        conv("c", "a", rng, 4, 8, 0, groups),
        affine("b", "c", rng, 8),
    ]
    assert folded(layers, (6, 5, 4))[1] == []


def test_before_zeros_around_only_the_factor_goes():
    rng = np.random.default_rng(0)
    after, names = folded([affine("a", "x", rng, 4), conv("c", "a", rng, 4, 3, 1)], (6, 5, 4))
    (left,) = (x for x in after.layers if isinstance(x, SourceAffine))
    assert names == ["a"]
    assert left.multiplier == 1
    assert folded([SourceAffine("a", ("x",), "a", np.full(4, 3.0), np.zeros(1)),
                   conv("c", "a", rng, 4, 3, 1)], (6, 5, 4))[1] == []  # fmt: skip


@pytest.mark.parametrize(
    ("between", "left"),
    [
        ([pool("p", "c", "max")], []),
        ([pool("p", "c", "average", 1)], []),
        ([pool("p", "c", "average", 1, counted=True)], ["b"]),
        ([pool("p", "c", "sum")], ["b"]),
        ([SourceReshape("p", ("c",), "p", (12, 2))], []),
        ([SourceReshape("r", ("c",), "r", (24,)), SourceReshape("p", ("r",), "p", (3, 4, 2))], []),
    ],
)
def test_a_normalisation_behind_a_move_goes_to_the_convolution_before_it(between, left):
    rng = np.random.default_rng(0)
    norm = SourceAffine("b", ("p",), "b", np.array([0.5, 2.0]), np.array([1.0, -3.0]))
    assert folded([conv("c", "x", rng, 2, 2), *between, norm], (5, 6, 2))[1] == left


def test_a_factor_below_zero_does_not_pass_a_maximum():
    rng = np.random.default_rng(0)
    norm = SourceAffine("b", ("p",), "b", np.array([0.5, -2.0]), np.array([1.0, -3.0]))
    assert folded([conv("c", "x", rng, 2, 2), pool("p", "c", "max"), norm], (6, 6, 2))[1] == ["b"]


def test_a_normalisation_behind_joined_tensors_goes_to_both():
    rng = np.random.default_rng(0)
    layers = [
        conv("c", "x", rng, 2, 3),
        conv("d", "x", rng, 2, 4),
        SourceConcat("j", ("c", "d"), "j"),
        affine("b", "j", rng, 7),
        SourceActivation("r", ("b",), "r", "relu"),
    ]
    after, names = folded(layers, (6, 5, 2))
    assert names == []
    assert [x.name for x in after.layers] == ["x", "c", "d", "j", "r"]


def test_a_normalisation_goes_forward_to_the_weights_behind_moves():
    rng = np.random.default_rng(0)
    indices = rng.permutation(24).reshape(4, 6)
    layers = [
        affine("a", "x", rng, (3, 4, 2)),
        SourceGather("g", ("a",), "g", indices),
        SourceReshape("v", ("g",), "v", (24,)),
        dense("d", "v", rng, 24, 2),
    ]
    assert folded(layers, (3, 4, 2))[1] == []


def test_zeros_that_are_filled_in_keep_an_offset_where_it_is():
    rng = np.random.default_rng(0)
    indices = np.array([[-1, 0], [1, 2]])
    layers = [
        affine("a", "x", rng, 3),
        SourceGather("g", ("a",), "g", indices),
        dense("d", "g", rng, 2, 2),
    ]
    assert folded(layers, (3,))[1] == ["a"]


def test_a_scaler_leads():
    net = perceptron(np.random.default_rng(0), scaler=True)
    assert [x.name for x in leading_affines(net)] == ["scaler"]
    assert leading_affines(perceptron(np.random.default_rng(0))) == ()
