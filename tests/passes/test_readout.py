"""The readout before an encoder: charges, sum, rounded quotients, arrangement, cleared bits."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from digests import check, digest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.errors import UsageError
from flow.ir.evaluate import evaluate
from flow.ir.layers import Dense, Input, Reshape
from flow.ir.network import Network, evaluate_network
from flow.ir.network_text import print_network
from flow.ir.tensor import fractions, tensor_type
from flow.passes.lower_layers import LowerLayers
from flow.passes.readout import Readout, with_readout
from flow.pipeline.reading_out import read_readout

READOUT = Readout(3, 3, 2, (2, -1, 0, 1), (3, 0))


def encoder(step=Fraction(1, 16), seed=0):
    weights = np.random.default_rng(seed).integers(-4, 4, (4, 2))
    tensor = tensor_type((2, 2), -32, 31, step)
    return Network(
        "encoder",
        (
            Input("image", (), "image", tensor, fractions(0, (2, 2))),
            Reshape("flat", ("image",), "flat", (4,)),
            Dense("out", ("flat",), "out", weights, np.array([3, -70]), fractions(1, (2,))),
        ),
        ("out",),
    )


def test_codes_are_small_floating_point_numbers():
    charges = READOUT.charges()
    assert charges[:13] == (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16)
    assert charges[-1] == 7 << 6
    assert Readout(1, 4, 3, ()).charges()[-1] == 15 << 14


@given(st.lists(st.tuples(*[st.integers(0, 31)] * 3), min_size=1, max_size=8), st.integers(0, 1))
@settings(max_examples=20)
def test_the_encoder_reads_rounded_quotients(rows, link):
    fixed = encoder()
    whole = with_readout(fixed, READOUT)
    cells = np.array([(0, 0, 0), (31, 0, 0), (31, 31, 31), *rows])
    links = np.full((len(cells), 1), link)
    found = evaluate_network(whole, {"cells": cells, "links": links})
    charge = np.array(READOUT.charges())[cells]
    total = charge.sum(axis=1, keepdims=True)
    halves = [[Fraction(32 * int(x), 2 * max(int(s), 1)) + Fraction(1, 2) for x in row]
              for row, (s,) in zip(charge, total, strict=True)]  # fmt: skip
    image = np.array([[int(v // 1) for v in (*row, 0)] for row in halves])[:, [2, 3, 0, 1]]
    expected = evaluate_network(fixed, {"image": image.reshape(-1, 2, 2)})["out"]
    bits = READOUT.cleared[link]
    assert (found["charge_sum"] == total).all()
    assert (found["codes"] == expected >> bits << bits).all()


def test_the_circuit_is_the_readout_and_the_encoder():
    whole = with_readout(encoder(), READOUT)
    rng = np.random.default_rng(2)
    cells, links = rng.integers(0, 32, (200, 3)), rng.integers(0, 2, (200, 1))
    found = evaluate(LowerLayers().run(whole), {"x0": cells, "x1": links})
    expected = evaluate_network(whole, {"cells": cells, "links": links})
    assert (found["y0"] == expected["codes"]).all()
    assert (found["y1"] == expected["charge_sum"]).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError) as error:
        with_readout(encoder(), Readout(3, 3, 2, (0, 1, 2)))
    assert error.value.message == "the arrangement of the readout does not fill an input of 4"
    with pytest.raises(UsageError) as error:
        with_readout(encoder(Fraction(1, 3)), READOUT)
    assert error.value.message == "the encoder's input cannot hold normalised charges from 0 to 1"


@pytest.mark.parametrize(
    ("lo", "hi", "fits"), [(0, 16, True), (1, 31, False), (0, 15, False), (-32, 16, True)]
)
def test_an_input_holds_all_from_0_to_1(lo, hi, fits):
    fixed = encoder()
    narrow = tensor_type((2, 2), lo, hi, Fraction(1, 16))
    other = replace(fixed, layers=(replace(fixed.layers[0], tensor=narrow), *fixed.layers[1:]))
    if fits:
        assert with_readout(other, READOUT).outputs == ("codes", "charge_sum")
        return
    with pytest.raises(UsageError) as error:
        with_readout(other, READOUT)
    assert error.value.show() == (
        "error: the encoder's input cannot hold normalised charges from 0 to 1\n"
        "  hint: its step must be a power of two, at most 1"
    )


def test_the_readout_adds_its_layers_and_inputs_in_order():
    whole = with_readout(encoder(), READOUT)
    names = [layer.name for layer in whole.layers]
    assert names[:6] == [
        "cells", "links", "charges", "charge_row", "charge_total", "charge_sum",
    ]  # fmt: skip
    assert [(layer.name, layer.tensor.hull.lo, layer.tensor.hull.hi) for layer in whole.inputs] == [
        ("cells", 0, 31), ("links", 0, 1),
    ]  # fmt: skip
    assert whole.outputs == ("codes", "charge_sum")
    plain = with_readout(encoder(), replace(READOUT, cleared=()))
    assert [layer.name for layer in plain.inputs] == ["cells"]
    assert plain.outputs == ("out", "charge_sum")


@pytest.mark.parametrize("arrangement", [(2, 2, 2, 2), (0, 0, 0, 0), (-1, -1, -1, -1)])
def test_a_cell_may_be_read_everywhere_and_none_nowhere(arrangement):
    whole = with_readout(encoder(), replace(READOUT, arrangement=arrangement))
    assert whole.layer("arranged").indices.ravel().tolist() == list(arrangement)


@pytest.mark.parametrize("arrangement", [(2, -2, 0, 1), (2, -1, 0, 3), (2, -1, 0)])
def test_an_arrangement_names_cells_there_are(arrangement):
    with pytest.raises(UsageError) as error:
        with_readout(encoder(), replace(READOUT, arrangement=arrangement))
    assert error.value.show() == (
        "error: the arrangement of the readout does not fill an input of 4\n"
        "  hint: name a cell, or -1, for each of them"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cells = 3", "the readout has no 'exponent_bits'"),
        ("cells = '3'", "the readout has a wrong 'cells'"),
        ("cell = 3", "the readout has a wrong 'cell'"),
        (
            "cells = 3\nexponent_bits = 9\nmantissa_bits = 2\narrangement = [0]",
            "a size of the readout makes no sense",
        ),
        (
            "cells = 3\nexponent_bits = 3\nmantissa_bits = 2\narrangement = [[0, 'a']]",
            "the readout's 'arrangement' holds more than integers",
        ),
    ],
)
def test_a_file_that_is_no_readout_is_refused(tmp_path, text, message):
    file = tmp_path / "readout.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        read_readout(file)
    assert error.value.message == message


def test_the_readout_of_the_example_is_read(root):
    found = read_readout(root / "examples/econ_t/readout.toml")
    assert (found.cells, found.cleared) == (48, (6, 4, 2, 0))
    assert sorted(cell for cell in found.arrangement if cell >= 0) == list(range(48))


def test_the_network_of_a_readout_is_golden(request):
    found = {
        name: digest(print_network(with_readout(encoder(), readout)))
        for name, readout in (
            ("two links", READOUT), ("one", replace(READOUT, cleared=())),
            ("four cells", Readout(4, 2, 3, (3, 2, 1, 0), (0, 1, 5))),
        )
    }  # fmt: skip
    check("readout", "networks", found, request.config.getoption("--update-golden"))
