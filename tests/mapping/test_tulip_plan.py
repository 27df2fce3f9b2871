"""Networks on the array by its cycle model: every kind of layer, any shape of the array."""

import numpy as np
import pytest
from tulip_networks import cnn, conv, dense, mlp, planned, pool, scores, wire

from flow.errors import UnsupportedModel, UsageError
from flow.ir.binary import INPUT, Neurons, Scores, Wiring
from flow.mapping.tulip.execute import Execution, host_scores
from flow.mapping.tulip.plan import make_plan
from flow.mapping.tulip.shape import ArrayShape, Descriptor, parse_shape
from flow.mapping.tulip.timeline import steady_cycles, timeline

SHAPES = [ArrayShape(8, 2, 2), ArrayShape(), ArrayShape(16, 3, 4)]


def answers(plan, inputs):
    got = Execution(plan, len(inputs)).run(inputs)
    return got.classes[:, None] if plan.argmax else host_scores(plan, got.scores)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("argmax", [True, False])
@pytest.mark.parametrize("ternary", [True, False])
def test_dense_layers_answer_what_the_network_does(shape, ternary, argmax):
    network = mlp(np.random.default_rng(3), ternary, argmax)
    plan, inputs, want = planned(network, shape, 70)
    assert (answers(plan, inputs) == want).all()
    assert plan.masks == ternary


@pytest.mark.parametrize("shape", SHAPES)
def test_windows_borders_pooling_and_integers_answer_what_the_network_does(shape):
    plan, inputs, want = planned(cnn(np.random.default_rng(5)), shape, 20)
    assert (answers(plan, inputs) == want).all()
    assert [layer.kind for layer in plan.layers] == ["mac", "pool", "count", "count", "scores"]
    # Thresholds at the border are others: every position has its class.
    assert len(plan.class_offsets) == 16 + 4


def test_strides_and_windows_that_overlap_answer_what_the_network_does():
    rng = np.random.default_rng(6)
    layers = [
        conv(rng, "c", INPUT, (5, 5, 20), 3, stride=2),
        pool("p", 0, (3, 3, 3), stride=1),
        dense(rng, "d", 1, 12, 4),
        scores(rng, "s", 2, 4, 3),
    ]
    plan, inputs, want = planned((layers, 500, (0, 1)), ArrayShape(8, 2, 2), 20)
    assert (answers(plan, inputs) == want).all()


def test_a_neuron_of_many_inputs_is_summed_in_chunks():
    rng = np.random.default_rng(7)
    layers = [dense(rng, "a", INPUT, 1600, 3), scores(rng, "s", 0, 3, 3)]
    plan, inputs, want = planned((layers, 1600, (0, 1)), ArrayShape(8, 2, 2), 10)
    assert [d.items for d in plan.layers[0].descriptors] == [768, 32]
    assert (answers(plan, inputs) == want).all()


def test_bits_of_two_sources_and_bits_that_count_twice_are_summed():
    rng = np.random.default_rng(8)
    first, second = dense(rng, "a", INPUT, 9, 5), dense(rng, "b", INPUT, 9, 7)
    order = np.concatenate([rng.permutation(12), [3, 11]])
    weights = rng.choice([-1, 1], size=(14, 4))
    joined = Neurons("j", Wiring((0, 1), order), weights, np.full(4, 7), np.full(4, 14))
    layers = [first, second, joined, scores(rng, "s", 2, 4, 3)]
    plan, inputs, want = planned((layers, 9, (0, 1)), ArrayShape(8, 2, 2), 40)
    assert (answers(plan, inputs) == want).all()


def test_scores_of_one_factor_are_ordered_by_few_bits():
    rng = np.random.default_rng(9)
    big = 10**30
    weights = rng.choice([-1, 1], size=(9, 4))
    offset = np.array([big // 3, -big, 2 * big + 1, 2 * big + 1], dtype=object)
    last = Scores(
        "s", wire(INPUT, (9,)), weights, np.full(4, 9),
        np.array([big, -big, big, big], dtype=object), offset, True, (1,),
    )  # fmt: skip
    plan, inputs, want = planned(([last], 9, (0, 1)), ArrayShape(8, 2, 2), 200)
    assert (answers(plan, inputs) == want).all()
    assert plan.s_bits <= 9


def test_clocks_are_counted_without_running_anything():
    plan, _, _ = planned(mlp(np.random.default_rng(3)), ArrayShape(8, 2, 2), 1)
    times = timeline(plan, 3)
    assert times[-1].layers == (12, 9, 20)
    assert times[-1].finished - times[-2].finished == steady_cycles(plan) == 12 + 9 + 20 + 4


def test_a_descriptor_is_a_word_of_fields():
    fields = Descriptor(*range(29))
    assert fields.word == sum(k << 16 * k for k in range(29))
    assert Descriptor(*(-1,) * 29).word == (1 << 29 * 16) - 1


def test_an_array_that_cannot_be_made_is_refused():
    with pytest.raises(UsageError) as error:
        ArrayShape(12, 8, 4)
    assert error.value.message == "an array of 12 x 8 with 4 rows of MACs"


@pytest.mark.parametrize(
    ("text", "shape"),
    [("32x8", (32, 8, 4)), ("4x1", (4, 1, 2)), ("64x16x2", (64, 16, 2)), ("256x64", (256, 64, 32))],
)
def test_an_array_is_read_from_its_text(text, shape):
    assert parse_shape(text) == ArrayShape(*shape)


@pytest.mark.parametrize("text", ["", "32", "32x", "32x8x4x2", "-4x8", "512x8", "32x65", "٣٢x8"])
def test_a_text_that_is_no_array_is_refused(text):
    with pytest.raises(UsageError) as error:
        parse_shape(text)
    assert error.value.message == f"{text!r} is no array of up to 256 x 64 elements"
    assert error.value.hint is not None


def test_what_does_not_fit_is_refused_with_its_layer():
    rng = np.random.default_rng(1)
    with pytest.raises(UnsupportedModel) as error:
        make_plan([dense(rng, "a", INPUT, 9, 5)], 9)
    assert error.value.message == "the network does not end in scores of classes"
    layer = conv(rng, "c", INPUT, (3, 3, 2), 4)
    moved = Wiring((INPUT,), layer.wiring.indices[::-1])
    layer = Neurons(
        "c", moved, layer.weights, layer.threshold, layer.fan_in, layer.strides, layer.padding,
        layer.dilation,
    )  # fmt: skip
    with pytest.raises(UnsupportedModel) as error:
        make_plan([layer, scores(rng, "s", 0, 36, 3)], 18)
    assert error.value.where == "c"
    assert error.value.message == (
        "a window slides over activations that were moved between positions"
    )
