"""Every layer against plain Python on rationals; every value lies in its interval."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import array, inputs, layers
from plain_network import _layer

from flow.errors import IRError
from flow.ir.approximate import exact_rounds
from flow.ir.layers import (
    LAYER_TYPES,
    Add,
    Affine,
    ArgMax,
    AtLeast,
    Concat,
    Conv,
    Dense,
    Gates,
    Gather,
    Input,
    Lookup,
    MaskedDense,
    Multiply,
    Pool,
    Relu,
    Requantize,
    Reshape,
    TableSum,
    Tournament,
)
from flow.ir.rounding import round_fraction
from flow.ir.tensor import exact, fractions, tensor_type
from flow.ir.windows import exact_product

HEAD = ("y", ("x",), "file: y")
ONE = fractions(1, ())


def spread(values, shape):
    return np.broadcast_to(np.asarray(values, dtype=object), shape)


def dense(layer, x):
    rows = []
    for row in x.reshape(-1, x.shape[-1]).tolist():
        for j in range(layer.weights.shape[1]):
            terms = zip(row, layer.weights[:, j].tolist(), strict=True)
            rows.append(int(layer.bias[j]) + sum(a * b for a, b in terms))
    return array(rows, (*x.shape[:-1], layer.weights.shape[1]))


def requantize(layer, x):
    parts = (layer.multiplier, layer.offset, layer.lo, layer.hi)
    spreads = [spread(p, x.shape).ravel().tolist() for p in parts]
    values = []
    for n, m, b, lo, hi in zip(x.ravel().tolist(), *spreads, strict=True):
        y = round_fraction(Fraction(n) * m + b, layer.rounding)
        while layer.overflow == "wrap" and not lo <= y <= hi:
            y += (hi - lo + 1) * (1 if y < lo else -1)
        values.append(min(max(y, lo), hi))
    return array(values, x.shape)


def lookup(layer, x):
    pairs = zip(x.ravel().tolist(), spread(layer.choice, x.shape).ravel().tolist(), strict=True)
    return array([layer.tables[k][n - layer.bases[k]] for n, k in pairs], x.shape)


def plain(layer, *xs):
    return np.array(_layer(layer, *(x.tolist() for x in xs)), dtype=object)


def argmax(layer, x):
    rows = x.reshape(-1, x.shape[-1]).tolist()
    return array([row.index(max(row)) for row in rows], x.shape[:-1] or (1,))


ORACLES = {
    Dense: dense,
    Affine: lambda layer, x: x * spread(layer.multiplier, x.shape) + spread(layer.offset, x.shape),
    Requantize: requantize,
    Relu: lambda layer, x: array([max(n, 0) for n in x.ravel().tolist()], x.shape),
    Lookup: lookup,
    Add: lambda layer, *xs: array(
        [sum(t) for t in zip(*(x.ravel() for x in xs), strict=True)], xs[0].shape
    ),
    Concat: lambda layer, *xs: np.concatenate(xs, axis=layer.axis),
    Reshape: lambda layer, x: x.reshape(layer.shape),
    Multiply: lambda layer, *xs: np.multiply.reduce(xs),
    **dict.fromkeys((Conv, Pool, Gather, Gates, TableSum, MaskedDense, Tournament), plain),
    ArgMax: argmax,
    AtLeast: lambda layer, x: (x >= spread(layer.bound, x.shape)).astype(int).astype(object),
}


def test_every_layer_but_the_input_has_an_oracle():
    assert set(LAYER_TYPES) - set(ORACLES) == {Input}


@given(st.data(), inputs(), st.sampled_from([np.int64, object]))
def test_a_layer_is_its_definition_and_stays_in_its_interval(data, source, dtype):
    layer = data.draw(layers("y", {"x": source.tensor}))
    types = [source.tensor] * len(layer.sources)
    here = layer.infer_type(*types)
    ends = zip(source.tensor.lo.ravel().tolist(), source.tensor.hi.ravel().tolist(), strict=True)
    columns = [data.draw(st.lists(st.integers(a, b), min_size=4, max_size=4)) for a, b in ends]
    batch = np.array(columns, dtype=dtype).T.reshape(-1, *source.tensor.shape)
    out = layer.evaluate(*[batch] * len(types))
    assert out.dtype == dtype
    for x, y in zip(batch.astype(object), out.astype(object), strict=True):
        assert y.tolist() == ORACLES[type(layer)](layer, *[x] * len(types)).tolist()
        assert y.shape == here.shape
        assert (here.lo <= y).all()
        assert (y <= here.hi).all()


@given(st.data(), inputs())
def test_intermediate_values_stay_below_the_peak(data, source):
    layer = data.draw(layers("y", {"x": source.tensor}))
    here = layer.infer_type(*[source.tensor] * len(layer.sources))
    assert layer.peak(*[source.tensor] * len(layer.sources)) >= 0
    if isinstance(layer, Dense | MaskedDense):
        assert layer.peak(source.tensor) >= max(abs(here.hull.lo), abs(here.hull.hi))
    if isinstance(layer, Requantize):
        n, b, d = layer.ratio(source.tensor.shape)
        assert layer.peak(source.tensor) >= 2 * abs(source.tensor.hi * n + b).max()
        assert [Fraction(*p) for p in zip(n.ravel(), d.ravel(), strict=True)] == spread(
            layer.multiplier, n.shape
        ).ravel().tolist()


def test_the_interval_of_a_dense_layer_is_reached_at_its_corners():
    x = tensor_type((2,), np.array([-1, 2]), np.array([3, 5]))
    layer = Dense(*HEAD, np.array([[2, -3], [-1, 4]]), np.array([10, 0]), ONE)
    here = layer.infer_type(x)
    corners = np.array(list(itertools.product((-1, 3), (2, 5))))
    out = layer.evaluate(corners)
    assert out.min(axis=0).tolist() == here.lo.tolist() == [3, -1]
    assert out.max(axis=0).tolist() == here.hi.tolist() == [14, 23]


def test_a_wrap_that_never_wraps_keeps_the_narrow_interval():
    x = tensor_type((1,), -2, 3)
    layer = Requantize(
        *HEAD, ONE, fractions(0, ()), "floor", "wrap", exact(-4, ()), exact(3, ()), ONE
    )
    here = layer.infer_type(x)
    assert (here.lo.tolist(), here.hi.tolist()) == ([-2], [3])


def masked(weights, masks, keep, bias):
    parts = (np.array(part) for part in (weights, masks, keep, bias))
    return MaskedDense(*HEAD, *parts, ONE)


def test_a_masked_product_is_cut_before_its_sign_is_set():
    layer = masked([[-3], [2]], [[0b1101], [0b11]], [[60], [-1]], [5])
    assert layer.evaluate(np.array([[15, 7]])).tolist() == [[5 - ((3 * 13) & 60) + 2 * 3]]


@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.sampled_from([1, -1, 4, -8, 3, -5, 0]),
    st.integers(0, 127),
    st.just(-1) | st.integers(0, 300),
)
def test_the_interval_of_a_masked_sum_is_reached(lo, span, w, mask, keep):
    layer = masked([[w]], [[mask]], [[keep]], [-2])
    here = layer.infer_type(tensor_type((1,), lo, lo + span))
    reached = layer.evaluate(np.arange(lo, lo + span + 1)[:, None])
    assert (here.lo.item(), here.hi.item()) == (reached.min(), reached.max())


def test_a_truncated_product_of_a_wide_input_has_a_bound():
    layer = masked([[3, -3, 4]], [[5, 5, 5]], [[6, 6, 20]], [1, 1, 1])
    here = layer.infer_type(tensor_type((1,), 0, 5000))
    assert (here.lo.tolist(), here.hi.tolist()) == ([1, -5, 1], [7, 1, 21])


def test_a_tournament_by_hand():
    layer = Tournament(*HEAD, ((1, 0, -4), (3, 2, 0b11)))
    x = np.array([[7, 4, 6], [8, 4, 1], [-1, -8, 0], [5, 6, 2]])
    assert layer.evaluate(x).tolist() == [[2], [2], [0], [1]]


def test_the_exact_rounds_are_the_argmax():
    x = np.random.default_rng(1).integers(-3, 4, (200, 7))
    layer = Tournament(*HEAD, exact_rounds(7))
    assert layer.rounds == (
        (0, 1, -1), (2, 3, -1), (4, 5, -1), (7, 8, -1), (9, 6, -1), (10, 11, -1)
    )  # fmt: skip
    assert layer.evaluate(x).tolist() == ArgMax(*HEAD).evaluate(x).tolist()


def test_gates_by_hand():
    # Element 0 has bits 1 and 2 (signed), element 1 has bit 3; gate 4 is x0 < 0 and not x1.
    layer = Gates(*HEAD, (2, 1), ((4, 7),), ((9, 0, 6), (8,), (1, 2)), ONE)
    here = layer.infer_type(tensor_type((2,), np.array([-2, 0]), np.array([1, 1])))
    assert (here.lo.tolist(), here.hi.tolist()) == ([0, 0, 1], [5, 1, 3])
    x = np.array([[-2, 0], [-1, 1], [1, 0]])
    assert layer.evaluate(x).tolist() == [[0, 1, 1], [5, 0, 3], [1, 0, 3]]


def test_an_index_that_never_reaches_the_end_is_outside_the_interval():
    here = Tournament(*HEAD, ((3, 1, -1), (0, 2, 8), (4, 0, 0))).infer_type(tensor_type((4,), 0, 9))
    assert (here.lo.tolist(), here.hi.tolist()) == ([1], [3])


def test_argmax_takes_the_lowest_index_of_equals():
    layer = ArgMax(*HEAD)
    assert layer.evaluate(np.array([[1, 4, 4], [7, 7, 0], [0, 0, 1]])).tolist() == [[1], [0], [2]]


def test_dense_of_integers_wider_than_64_bits_is_exact():
    big = 1 << 80
    layer = Dense(*HEAD, np.array([[3]]), np.array([1]), ONE)
    x = np.array([[big], [-big]], dtype=object)
    assert layer.evaluate(x).tolist() == [[3 * big + 1], [1 - 3 * big]]


X3 = tensor_type((3,), 0, 7)


def conv(weights, groups):
    bias = np.zeros(weights.shape[-1], int)
    return Conv(*HEAD, weights, bias, (1,), ((0, 0),), (1,), groups, ONE)


def test_a_convolution_by_hand():
    x = np.array([[[1], [2], [3], [4]]])
    layer = Conv(
        *HEAD, np.array([[[1, 0]], [[10, 1]]]), np.array([0, 5]), (2,), ((1, 0),), (1,), 1, ONE
    )
    assert layer.evaluate(x).tolist() == [[[10, 6], [32, 8]]]


def test_padding_never_wins_a_maximum_and_adds_nothing():
    x = np.array([[[-3], [-2]]])
    largest = Pool(*HEAD, "max", (2,), (1,), ((1, 1),))
    total = Pool(*HEAD, "sum", (2,), (1,), ((1, 1),))
    assert largest.evaluate(x).tolist() == [[[-3], [-2], [-2]]]
    assert total.evaluate(x).tolist() == [[[-3], [-5], [-2]]]


def test_products_beyond_every_machine_word_are_exact():
    x = np.array([[1 << 31, 3], [1 << 61, 1 << 61]], dtype=object)
    w = np.array([[1 << 31, 1], [1, -(1 << 40)]], dtype=object)
    assert exact_product(x, w).tolist() == x.dot(w).tolist()
    assert (
        exact_product(x[:1].astype(np.int64), w.astype(np.int64)).tolist() == x[:1].dot(w).tolist()
    )


@pytest.mark.parametrize(
    ("make", "sources", "message"),
    [
        (
            lambda: Input("x", (), "p", X3, fractions(0, (2,))),
            (),
            "x: the offset has shape (2,)",
        ),
        (
            lambda: Dense(*HEAD, np.ones((2, 1), int), np.zeros(1, int), ONE),
            (X3,),
            "y: weights (2, 1) meet a tensor (3,)",
        ),
        (
            lambda: Requantize(*HEAD, ONE, ONE, "up", "wrap", exact(0, ()), exact(1, ()), ONE),
            (X3,),
            "y: no rounding 'up' or 'wrap'",
        ),
        (
            lambda: Requantize(*HEAD, ONE, ONE, "ceil", "wrap", exact(2, ()), exact(1, ()), ONE),
            (X3,),
            "y: an empty range to requantise into",
        ),
        (
            lambda: Lookup(*HEAD, (0,), ((1, 2, 3),), np.array(0), ONE),
            (X3,),
            "y: a table of 3 entries meets [0, 7]",
        ),
        (
            lambda: Lookup(*HEAD, (0,), ((1, 2, 3),), np.array(1), ONE),
            (X3,),
            "y: 1 tables do not fit its choice",
        ),
        (
            lambda: TableSum(*HEAD, (0, 0), (((1, 2),), ((1, 2),)), np.zeros(1, int), ONE),
            (X3,),
            "y: tables of 2 inputs meet a tensor (3,)",
        ),
        (
            lambda: conv(np.ones((2, 2, 4), int), 1),
            (tensor_type((5, 3), 0, 1),),
            "y: weights (2, 2, 4) in 1 groups meet a tensor (5, 3)",
        ),
        (
            lambda: conv(np.ones((6, 3, 4), int), 1),
            (tensor_type((5, 3), 0, 1),),
            "a window (6,) does not fit into a tensor (5, 3)",
        ),
        (
            lambda: Pool(*HEAD, "mean", (2,), (1,), ((0, 0),)),
            (tensor_type((5, 3), 0, 1),),
            "y: no pooling 'mean'",
        ),
        (
            lambda: Pool(*HEAD, "max", (2,), (1,), ((2, 0),)),
            (tensor_type((5, 3), 0, 1),),
            "y: a window would lie in the padding ((2, 0),)",
        ),
        (
            lambda: Pool(*HEAD, "max", (2,), (1,), ((0, 0),)),
            (tensor_type((2, 1), 0, 1, array([Fraction(1), Fraction(2)], (2, 1))),),
            "y: the elements of a window have different scales",
        ),
        (
            lambda: Gather(*HEAD, np.array([0, 3]), 0),
            (X3,),
            "y: an index lies outside a tensor (3,)",
        ),
        (
            lambda: Multiply("y", ("x", "z"), "p", ONE),
            (X3, tensor_type((2,), 0, 7)),
            "y: tensors of different shape are multiplied",
        ),
        (
            lambda: Add("y", ("x", "z"), "p"),
            (X3, tensor_type((3,), 0, 7, Fraction(1, 2))),
            "y: tensors of different shape or scale are added",
        ),
        (
            lambda: masked([[1], [2]], [[1], [2]], [[-1], [-1]], [0]),
            (X3,),
            "y: weights (2, 1) meet a tensor (3,)",
        ),
        (
            lambda: masked([[1]], [[1, 2]], [[-1]], [0]),
            (tensor_type((1,), 0, 7),),
            "y: weights (1, 1) have masks (1, 2) and keep (1, 1)",
        ),
        (
            lambda: masked([[1]], [[1]], [[-1]], [0, 1]),
            (tensor_type((1,), 0, 7),),
            "y: weights (1, 1) have a bias (2,)",
        ),
        (
            lambda: masked([[1]], [[1]], [[-1]], [0]),
            (tensor_type((1,), -1, 7),),
            "y: masks meet a value that may be negative",
        ),
        (
            lambda: masked([[1]], [[-1]], [[-1]], [0]),
            (tensor_type((1,), 0, 7),),
            "y: a mask lies outside [0, 2**62 - 1]",
        ),
        (
            lambda: masked([[1]], [[1]], [[-2]], [0]),
            (tensor_type((1,), 0, 7),),
            "y: a field of kept bits lies outside [-1, 2**62 - 1]",
        ),
        (
            lambda: Tournament(*HEAD, ()),
            (X3,),
            "y: 3 elements meet no comparator",
        ),
        (
            lambda: Tournament(*HEAD, ((0, 3, 1),)),
            (X3,),
            "y: comparator 0 reads a place that comes later",
        ),
        (
            lambda: Tournament(*HEAD, ((0, 1, 1 << 62),)),
            (X3,),
            "y: a mask lies outside [-2**62, 2**62 - 1]",
        ),
        (
            lambda: Tournament(*HEAD, ((0, 1, 1),)),
            (tensor_type((2,), 0, 1, array([Fraction(1), Fraction(2)], (2,))),),
            "y: the elements have different scales",
        ),
        (
            lambda: Gates(*HEAD, (3, 3), (), ((2,),), ONE),
            (X3,),
            "y: the widths do not fit a tensor (3,)",
        ),
        (
            lambda: Gates(*HEAD, (3, 2, 3), (), ((2,),), ONE),
            (X3,),
            "y: the widths do not fit a tensor (3,)",
        ),
        (
            lambda: Gates(*HEAD, (3, 3, 3), ((2, 3), (22, 4)), ((2,),), ONE),
            (X3,),
            "y: gate 1 reads what does not come before it",
        ),
        (
            lambda: Gates(*HEAD, (3, 3, 3), ((2, 3),), ((22,),), ONE),
            (X3,),
            "y: a word has a signal that is not there",
        ),
        (
            lambda: Gates(*HEAD, (3, 3, 3), (), ((0,) * 63,), ONE),
            (X3,),
            "y: a word has more than 62 bits",
        ),
        (lambda: Reshape(*HEAD, (2, 2)), (X3,), "y: (3,) does not reshape to (2, 2)"),
        (
            lambda: ArgMax(*HEAD),
            (tensor_type((2,), 0, 1, array([Fraction(1), Fraction(2)], (2,))),),
            "y: the elements have different scales",
        ),
    ],
)
def test_a_layer_that_does_not_fit_is_refused(make, sources, message):
    with pytest.raises(IRError) as caught:
        make().infer_type(*sources)
    assert caught.value.message == message


def test_an_input_has_no_value_of_its_own():
    with pytest.raises(IRError, match=r"^input 'x' has no value of its own$"):
        Input("x", (), "p", X3, fractions(0, (3,))).evaluate()


def test_peak_of_a_requantisation_bounds_the_doubled_numerator():
    x = tensor_type((1,), -5, 3)
    layer = Requantize(
        *HEAD, fractions(Fraction(2, 3), ()), fractions(Fraction(1, 2), ()), "half_even",
        "saturate", exact(-9, ()), exact(9, ()), ONE,
    )  # fmt: skip
    n, b, d = (int(v.item()) for v in layer.ratio((1,)))
    assert (n, b, d) == (4, 3, 6)
    assert layer.peak(x) == 4 * (5 * 4 + 3 + 6)
