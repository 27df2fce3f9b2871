"""Rows of a matrix as integers: quantised, kept, or aligned to one scale, always exact."""

import numpy as np
import pytest

from flow.errors import UsageError
from flow.frontend.language.codes import BLOCK, coded
from flow.frontend.language.row_codes import integers
from flow.frontend.language.rows import open_rows

E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def test_integers_of_a_file_stay_what_they_are():
    w = np.array([[1, -7], [300, 0]], np.int64)
    whole, scales = integers((w,), "integer", "fp4")
    assert (whole.tolist(), scales.tolist()) == (w.tolist(), [1.0, 1.0])


@pytest.mark.parametrize("form", ["fp4", "ternary", "int4", "mxfp4"])
def test_floats_become_what_their_code_stands_for(form):
    w = np.random.default_rng(1).standard_normal((5, 70)).astype(np.float32)
    whole, scales = integers((w,), "float", form)
    real = coded(w, form).real
    assert (whole * scales[:, None]).astype(np.float32).tolist() == real.tolist()


def test_stored_mxfp4_is_read_to_the_bit():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 256, (3, 2, BLOCK // 2)).astype(np.uint8)
    scales = np.array([[127, 130], [100, 100], [5, 9]], np.uint8)
    whole, found = integers((codes, scales), "mxfp4", "fp4")
    nibbles = np.stack([codes & 15, codes >> 4], axis=-1).reshape(3, 2, BLOCK)
    signed = np.where(nibbles >= 8, -1, 1) * E2M1[nibbles & 7]
    expected = signed * np.exp2(scales.astype(float) - 127)[:, :, None]
    assert (whole * found[:, None]).tolist() == expected.reshape(3, -1).tolist()


def test_blocks_of_zeros_have_no_say_in_the_scale():
    codes = np.zeros((2, 2, BLOCK // 2), np.uint8)
    codes[0, 0, 0] = 7
    whole, scales = integers((codes, np.array([[90, 255 - 1], [1, 200]], np.uint8)), "mxfp4", "fp4")
    assert whole[0].tolist() == [12] + [0] * (2 * BLOCK - 1)
    assert scales.tolist() == [2.0**-38, 1.0]


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ([[10, 10], [10, 27]], "the scales of neuron 8 are 2**17 apart"),
        ([[10, 10], [255, 27]], "a scale of neuron 8 is NaN"),
    ],
)
def test_scales_that_cannot_be_wired_are_refused(scales, message):
    codes = np.full((2, 2, BLOCK // 2), 0x11, np.uint8)
    with pytest.raises(UsageError) as error:
        integers((codes, np.array(scales, np.uint8)), "mxfp4", "fp4", first=7)
    assert error.value.message == message


def test_a_matrix_is_read_in_blocks_of_rows(tmp_path):
    w = np.arange(21, dtype=np.float32).reshape(7, 3)
    np.save(tmp_path / "w.npy", w)
    rows = open_rows(tmp_path / "w.npy")
    assert (rows.neurons, rows.inputs, rows.kind) == (7, 3, "float")
    blocks = [block for (block,) in rows.blocks(3)]
    assert [len(block) for block in blocks] == [3, 3, 1]
    assert np.concatenate(blocks).tolist() == w.tolist()
