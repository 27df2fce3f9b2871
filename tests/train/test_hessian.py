"""Derivatives of graphs, products with the Hessian, and its trace by random signs."""

import numpy as np
import pytest

from flow.train.float_graph import (
    Add,
    Concat,
    Conv,
    Dense,
    FloatGraph,
    Relu,
    Reshape,
    Scale,
    Select,
    Smooth,
)
from flow.train.hessian import Curvature, hutchinson
from flow.train.losses import gradient, loss

RNG = np.random.default_rng


def every_op():
    """A graph with one of every operation, and its weights: 6 x 2 in, 3 sums out."""
    rng = RNG(3)
    taps = np.array([[[0, 2], [1, 3]], [[4, 6], [5, 7]]])
    ops = (
        Scale("scaled", ("x",), np.array([0.5, 2.0]), np.array([0.1, 0.0])),
        Conv("conv", ("scaled",), (1,), ((1, 1),), (1,)),
        Relu("relu", ("conv",), 0.1),
        Conv("depth", ("relu",), (2,), ((0, 0),), (1,), 4),
        Smooth("tanh", ("depth",), "tanh"),
        Smooth("sigmoid", ("depth",), "sigmoid"),
        Add("sum", ("tanh", "sigmoid")),
        Select("max", ("sum",), taps, "max"),
        Select("mean", ("sum",), taps, "average", np.array(2.0)),
        Concat("both", ("max", "mean"), -1),
        Reshape("flat", ("both",), (8,)),
        Select("some", ("flat",), np.array([0, 3, -1, 7, 5, 3])),
        Dense("hidden", ("some",)),
        Relu("clipped", ("hidden",), 0.0, 0.8),
        Dense("out", ("clipped",)),
    )
    shapes = {"conv": (3, 2, 4), "depth": (3, 1, 4), "hidden": (6, 5), "out": (5, 3)}
    weights = {n: (rng.normal(size=s), rng.normal(size=s[-1])) for n, s in shapes.items()}
    return FloatGraph(("x",), ops, "out"), weights


@pytest.fixture(scope="module")
def bend():
    graph, weights = every_op()
    x = RNG(4).normal(size=(7, 6, 2))
    wanted = np.eye(3)[RNG(5).integers(0, 3, 7)]
    return Curvature(graph, weights, {"x": x}, "softmax", wanted)


@pytest.mark.parametrize("name", ["conv", "depth", "hidden", "out"])
@pytest.mark.parametrize("part", [0, 1])
def test_gradients_are_those_of_finite_differences(bend, name, part):
    known = bend.graph.values(bend.inputs, bend.weights)
    g = gradient(bend.kind, known["out"], bend.wanted)
    found, _ = bend.graph.gradients(known, bend.weights, g)
    v = RNG(6).normal(size=bend.weights[name][part].shape)

    def at(t):
        moved = list(bend.weights[name])
        moved[part] = moved[part] + t * v
        values = bend.graph.values(bend.inputs, {**bend.weights, name: tuple(moved)})
        return loss(bend.kind, values["out"], bend.wanted)

    assert (found[name][part] * v).sum() == pytest.approx((at(1e-6) - at(-1e-6)) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("name", ["conv", "depth", "hidden", "out"])
def test_products_with_the_hessian_are_those_of_differences_of_gradients(bend, name):
    v = 1e-6 * RNG(7).normal(size=bend.weights[name][0].shape)

    def at(t):
        kernel, bias = bend.weights[name]
        weights = {**bend.weights, name: (kernel + t * v, bias)}
        known = bend.graph.values(bend.inputs, weights)
        found, _ = bend.graph.gradients(
            known, weights, gradient(bend.kind, known["out"], bend.wanted)
        )
        return found[name][0]

    assert bend.by_kernel(name, v) == pytest.approx((at(1) - at(-1)) / 2, rel=1e-4, abs=1e-12)


def test_a_dense_layer_with_squared_loss_has_the_hessian_of_its_inputs():
    x = RNG(0).normal(size=(20, 4))
    graph = FloatGraph(("x",), (Dense("y", ("x",)),), "y")
    weights = {"y": (RNG(1).normal(size=(4, 2)), np.zeros(2))}
    bend = Curvature(graph, weights, {"x": x}, "square", np.zeros((20, 2)))
    moments = x.T @ x / 20
    v = RNG(2).normal(size=(4, 2))
    assert bend.by_kernel("y", v) == pytest.approx(moments @ v)
    found = bend.trace_by_kernel("y", RNG(3))
    assert found.value == pytest.approx(2 * np.trace(moments), rel=0.1)
    weight = weights["y"][0]
    assert bend.trace_by_result("x", RNG(3)).value == pytest.approx(
        np.trace(weight @ weight.T), rel=0.1
    )


def test_the_trace_of_a_diagonal_quadratic_is_exact_with_any_vector():
    diagonal = RNG(0).normal(size=(5, 3))
    found = hutchinson(lambda v: diagonal * v, (5, 3), RNG(1))
    assert found.value == pytest.approx(diagonal.sum(), rel=1e-12)
    assert (found.vectors, found.settled) == (10, True)


def test_the_trace_of_a_quadratic_is_approached_until_the_mean_stands_still():
    half = RNG(0).normal(size=(30, 30))
    matrix = half @ half.T
    found = hutchinson(lambda v: matrix @ v, (30,), RNG(1))
    assert found.settled
    assert 10 < found.vectors < 300
    assert found.value == pytest.approx(np.trace(matrix), rel=0.05)


def test_an_estimate_that_never_settles_says_so():
    matrix = np.array([[0.0, 5.0], [5.0, 0.01]])
    found = hutchinson(lambda v: matrix @ v, (2,), RNG(1), most=20)
    assert (found.vectors, found.settled) == (20, False)
