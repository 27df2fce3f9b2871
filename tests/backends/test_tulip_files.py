"""The files of a binary array: kernels with masks, the host's words, and golden digests."""

import numpy as np
import pytest
import tulip_networks
from digests import check, digest

from flow.backends.tulip import emit_tulip, kernel_words, rtl_parameters
from flow.mapping.tulip.shape import ArrayShape

SHAPE = ArrayShape(8, 2, 2)
NETWORKS = {
    "ternary": lambda rng: tulip_networks.mlp(rng, ternary=True),
    "scores": lambda rng: tulip_networks.mlp(rng, argmax=False),
    "images": tulip_networks.cnn,
}


def planned(name, samples=5):
    return tulip_networks.planned(NETWORKS[name](np.random.default_rng(1)), SHAPE, samples)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_files_of_an_array_are_golden(name, request):
    emission = emit_tulip(planned(name)[0], "net", *planned(name)[1:])
    found = {str(path): digest(text) for path, text in sorted(emission.files.items())}
    check("texts", f"array-of-{name}", found, request.config.getoption("--update-golden"))


def test_neurons_are_behaviour_unless_gates_are_asked_for():
    plan, inputs, answers = planned("ternary")
    assert emit_tulip(plan, "net", inputs, answers).parameters == rtl_parameters(plan)
    assert rtl_parameters(plan)["GATES"] == 0
    assert rtl_parameters(plan, gates=True) == rtl_parameters(plan) | {"GATES": 1}


def test_leaves_of_a_ternary_array_have_masks_and_constants_count_always():
    plan, *_ = planned("ternary")
    rows, top = plan.shape.rows, plan.kernel_bits
    assert (plan.masks, top, len(plan.tiles)) == (True, 4 * rows, 4)
    words = iter(kernel_words(plan))
    for tile in plan.tiles:
        own = [next(words) for _ in range(tile.words)]
        assert [word >> top for word in own] == [0] * (tile.words - 1) + [1]
        own[-1] -= 1 << top
        if tile.leaves.ndim == 2:  # Of the MACs: a weight for each, then a bias for each.
            weights = [[w % (1 << plan.w_bits) for w in row] for row in tile.leaves.tolist()]
            biases = [bias % (1 << plan.s_bits) for bias in tile.constants.ravel().tolist()]
            assert own == [a | b << plan.w_bits for a, b in weights] + biases
            continue
        count = len(tile.leaves)
        for word, bits, masks in zip(own[:count], tile.leaves, tile.masks, strict=True):
            # The first bit of every row from bit 0, then the second, then their masks.
            parts = [*bits.T.ravel(), *masks.T.ravel()]
            assert word == sum(int(bit) << k for k, bit in enumerate(parts))
        assert {word >> 2 * rows for word in own[count:]} == {(1 << 2 * rows) - 1}
    assert next(words, None) is None


def test_an_array_without_masks_has_half_the_kernel():
    plan, *_ = planned("scores")
    assert not plan.masks
    assert plan.kernel_bits == 2 * plan.shape.rows
    assert max(kernel_words(plan)) < 2 << plan.kernel_bits
