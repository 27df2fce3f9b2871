"""HGQ 2 files from before trace_minmax: a note without samples, the traced ranges with them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from frontend.source_models import exact_dense, model

from flow.frontend.hgq.retrace import retrace
from flow.frontend.source import (
    Quantiser,
    SourceInput,
    SourceQuantise,
    SourceTableSum,
    Trace,
    step_array,
)
from flow.pipeline.config import BuildConfig
from flow.pipeline.evaluating import answer, ask

FREE = (-math.inf, math.inf)
JETS = ["hgq2_jsc_openml/val0.733_ebops530", "hgq2_jsc_openml/val0.758_ebops2571",
        "hgq2_jsc_openml/val0.768_ebops7229", "hgq2_jsc_cernbox/val0.754_ebops13308"]  # fmt: skip
MUON = "hgq2_muon_tgc/res2.010_ebops32445"


def net(*traced):
    """Inputs through quantisers of one element's steps each, then a dense layer."""
    layers = [SourceInput("x", (), "p", (2,))]
    for i, trace in enumerate(traced):
        q = Quantiser(step_array(1), -1, 0, "half_up", "wrap", trace)
        layers.append(SourceQuantise(f"q{i}", (layers[-1].name,), "p", q))
    return model([*layers, exact_dense("d", layers[-1].name, [[1], [2]])])


def trace(fraction=None, width=None, limits=FREE, stale=True, key="layers/d/iq"):
    bits = [None if v is None else np.array(v) for v in (fraction, width)]
    return Trace(key, *bits, limits, stale)


def ranges(found, name="q0"):
    q = next(x for x in found.layers if x.name == name).quantiser
    return [np.asarray(v).tolist() for v in (q.step.astype(float), q.lo, q.hi)]


def test_integer_bits_hold_the_largest_rounded_magnitude_and_a_sign_where_one_is_met():
    x = np.array([[0.5, 3.9], [-2.25, 1.0], [0.0, 0.25]])
    found, _ = retrace(net(trace(fraction=[2, 0])), {"x": x})
    # 2.25 + 1/4 needs 2 integer bits and a sign; 3.9 rounds to 4, and 4 + 1 needs 3 bits.
    assert ranges(found) == [[0.25, 1.0], [-16, 0], [15, 7]]


def test_elements_that_share_bits_are_traced_together():
    x = np.array([[0.5, 3.9], [-2.25, 1.0]])
    found, _ = retrace(net(trace(fraction=[2])), {"x": x})
    assert ranges(found) == [0.25, -32, 31]


def test_a_width_in_total_moves_the_fraction():
    x = np.array([[0.9, -6.0]])
    found, _ = retrace(net(trace(width=[4, 3])), {"x": x})
    # 0.9 of 4 bits: no integer bit, 4 fraction bits; 6 / (1 - 1/8) < 8: 3 integer bits.
    assert ranges(found) == [[1 / 16, 1.0], [0, -8], [15, 7]]


def test_an_element_without_bits_stays_without():
    found, _ = retrace(net(trace(width=[0, 3])), {"x": np.array([[0.9, 6.0]])})
    assert ranges(found) == [1.0, 0, [0, 7]]


def test_the_limits_of_the_integer_bits_hold():
    found, _ = retrace(net(trace(fraction=[0, 0], limits=(-1, 2))), {"x": np.array([[9.0, 1]])})
    assert ranges(found) == [1.0, 0, [3, 1]]


def test_two_calls_of_one_quantiser_share_what_both_meet():
    x = np.array([[5.0, 0.0]])
    first = trace(fraction=[0])
    found, notes = retrace(net(first, first), {"x": x})
    assert ranges(found, "q0") == ranges(found, "q1") == [1.0, 0, 7]
    assert notes == (
        "the file was saved before trace_minmax: 1 of its 1 quantisers that wrap have the integer "
        "bits of training; they are traced on the 1 samples given, as trace_minmax does",
    )


def test_a_traced_file_stays_as_it_is():
    source = net(trace(fraction=[0], stale=False))
    assert retrace(source, {"x": np.zeros((3, 2))}) == (source, ())


def test_values_beyond_a_traced_range_are_told():
    source = net(trace(fraction=[0], stale=False))
    q = source.layers[1]
    wide = replace(q, quantiser=replace(q.quantiser, lo=-16, hi=15))
    fits = model([source.layers[0], wide, source.layers[2]])
    x = {"x": np.array([[9.0, -9.0]])}
    assert retrace(fits, x) == (fits, ())
    assert retrace(source, x) == (
        source,
        (
            "values of 1 of the 1 quantisers that wrap leave their range on the samples given, and "
            "wrap; a range comes from the data that hgq.utils.trace_minmax saw",
        ),
    )


def test_without_samples_the_way_out_is_told():
    source = net(trace(fraction=[0]))
    found, notes = retrace(source, None)
    assert found is source
    assert notes == (
        "the file was saved before trace_minmax: 1 of its 1 quantisers that wrap have the integer "
        "bits of training, and values beyond them wrap; run hgq.utils.trace_minmax on "
        "representative data before the model is saved, or give such data with --calibrate or "
        "--data",
    )


def test_tables_that_hang_on_the_bits_are_left_alone():
    source = net(trace(fraction=[0]))
    tables = SourceTableSum("t", ("q0",), "p", (), (), step_array(1))
    found, notes = retrace(model([*source.layers[:2], tables]), {"x": np.array([[9.0, 9.0]])})
    assert ranges(found) == [1.0, -1, 0]
    assert notes[0].endswith(
        "its tables hang on them: run hgq.utils.trace_minmax on representative data before the "
        "model is saved"
    )


@pytest.mark.shared
@pytest.mark.parametrize("name", [*JETS, MUON])
def test_a_file_from_before_trace_minmax_answers_as_the_traced_one(shared, tmp_path, name):
    path = shared / "models" / f"{name}.keras"
    golden = path.with_name(f"golden_{path.stem}_traced.npz")
    given = golden
    if name != MUON:  # The traced files were made with the jets of both parts.
        jets = np.load(shared / "datasets" / "jets_hlf.npz")
        given = tmp_path / "jets.npy"
        np.save(given, np.concatenate([jets["x_train"], jets["x_test"]]).astype(np.float32))
    question = ask(BuildConfig(path, data=golden, calibrate=given))
    (found,) = answer(question).values()
    assert np.array_equal(found, np.load(golden)["y"])
    assert any("traced on the" in note for note in question.notes)
