"""What a model would need side by side, and the refusal of one that is too large."""

import numpy as np
import pytest
from frontend.source_models import model

from flow.errors import UnsupportedModel
from flow.frontend.source import SourceConv, SourceDense, SourceInput, SourceReshape, Weights
from flow.frontend.unrolled import refuse_too_large, unrolled


def small():
    kernel = np.ones((3, 3, 2, 4))
    kernel[0, 0] = 0
    same = ((1, 1), (1, 1))
    return model(
        [
            SourceInput("x", (), "file: x", (8, 8, 2)),
            SourceConv("c", ("x",), "file: c", Weights(kernel), None, (1, 1), same, (1, 1)),
            SourceReshape("r", ("c",), "file: r", (256,)),
            SourceDense("d", ("r",), "file: d", Weights(np.eye(256)), None),
            SourceDense("unused", ("r",), "file: unused", Weights(np.ones((256, 9))), None),
        ],
        ["d"],
    )


def test_weights_that_are_not_zero_are_counted_at_every_position():
    assert [(row.layer.name, row.weights, row.positions) for row in unrolled(small())] == [
        ("c", 64, 64),
        ("d", 256, 1),
    ]
    refuse_too_large(small(), 64 * 64 + 256)


def test_a_model_that_is_too_large_is_refused_with_a_way_out():
    with pytest.raises(UnsupportedModel) as caught:
        refuse_too_large(small(), 4351)
    assert caught.value.show() == (
        "error: Small Net would have 4,352 multiplications side by side, and 4,351 are the limit "
        "of a fully parallel circuit\n"
        "  hint: prune weights to 0, or train on fewer positions (smaller images, larger "
        "strides); flow eval answers as the integer network at any size\n"
        "  - file: c: 4,096 multiplications: 64 weights that are not 0, at 64 positions\n"
        "  - file: d: 256 multiplications: 256 weights that are not 0, at 1 position"
    )
