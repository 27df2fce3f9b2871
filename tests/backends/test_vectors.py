"""Samples as files: words in hexadecimal, arrays, and where every lane lies."""

import io
import json
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pytest

from flow.backends.axis import with_axis
from flow.backends.emission import Lane, VerilogPort
from flow.backends.vectors import npy, pack, vector_files
from flow.backends.verilog import emit_verilog
from flow.errors import InternalError
from flow.ir.circuit import Circuit, Port
from flow.ir.interval import IntRange
from flow.ir.nodes import Add, Input


def port(*ranges, name="x"):
    lanes, offset = [], 0
    for lo, hi in ranges:
        interval = IntRange(lo, hi)
        lanes.append(Lane(offset, max(1, interval.width), interval))
        offset += lanes[-1].width
    return VerilogPort(name, "input", tuple(lanes), name)


def values(data):
    return np.load(io.BytesIO(data), allow_pickle=False)


X = tuple(Input("x", k, lo, hi) for k, (lo, hi) in enumerate([(-8, 7), (0, 15), (0, 1)]))
EMISSION = emit_verilog(
    Circuit("sums", (Port("x", X),), (Port("y", (Add(X[0], X[1]),)), Port("z", (X[2],))))
)
SAMPLES = {"x": np.array([[-8, 15, 1], [3, 0, 0]])}
ANSWERS = {"y": np.array([[7], [3]]), "z": np.array([[1], [0]])}


def test_a_word_holds_all_lanes_the_first_at_bit_0():
    assert pack([port((-8, 7), (0, 15))], {"x": np.array([[-8, 1], [7, 15]])}) == ["18", "f7"]
    # 9 bits are three digits; the second port lies above the first.
    two = [port((0, 15), name="a"), port((-16, 15), name="b")]
    given = {"a": np.array([[5], [0]]), "b": np.array([[-1], [-16]])}
    assert pack(two, given) == ["1f5", "100"]
    assert pack([], {}) == []
    assert pack([port((0, 0))], {"x": np.array([[0]])}) == ["0"]


@pytest.mark.parametrize("bits", [62, 63, 64, 65, 130])
def test_words_of_any_width_hold_the_ends_of_a_lane(bits):
    lo, hi = -(1 << bits - 1), (1 << bits - 1) - 1
    found = pack([port((lo, hi))], {"x": np.array([[lo], [hi], [-1]], dtype=object)})
    digits = -(-bits // 4)
    wanted = [1 << bits - 1, hi, (1 << bits) - 1]
    assert found == [f"{value:0{digits}x}" for value in wanted]


@pytest.mark.parametrize("value", [-9, 8])
def test_a_value_outside_its_lane_is_refused(value):
    with pytest.raises(InternalError) as error:
        pack([port((0, 1), (-8, 7))], {"x": np.array([[0, value]])})
    assert error.value.message == "a value of x[1] lies outside [-8, 7]"
    assert pack([port((0, 1), (-8, 7))], {"x": np.zeros((0, 2), int)}) == []


def test_values_of_another_shape_are_refused():
    for wrong in (np.array([0, 1]), np.array([[0]])):
        with pytest.raises(InternalError, match="port 'x' has values of shape"):
            pack([port((0, 1), (0, 1))], {"x": wrong})


def test_the_files_are_words_arrays_and_a_layout():
    files = vector_files(EMISSION, SAMPLES, ANSWERS, {"x": "1/8"})
    texts = {path.name: content for path, content in files.items()}
    assert set(files) == {
        PurePosixPath("vectors", name)
        for name in ("inputs.hex", "expected.hex", "inputs.npy", "expected.npy", "layout.json")
    }
    assert texts["inputs.hex"] == "1f8\n003\n"
    assert texts["expected.hex"] == "47\n03\n"
    assert values(texts["inputs.npy"]).tolist() == SAMPLES["x"].tolist()
    assert values(texts["expected.npy"]).tolist() == [[7, 1], [3, 0]]
    told = json.loads(texts["layout.json"])
    assert told == {
        "top": "sums", "samples": 2, "probes": 0, "latency": 0, "initiation_interval": 1,
        "clocked": False, "handshake": False, "work": EMISSION.work,
        "inputs": {"width": 9, "ports": [
            {"name": "x", "source": "x", "offset": 0, "width": 9, "lanes": [
                {"name": "x[0]", "offset": 0, "width": 4, "signed": True, "lo": -8, "hi": 7,
                 "scale": "1/8"},
                {"name": "x[1]", "offset": 4, "width": 4, "signed": False, "lo": 0, "hi": 15,
                 "scale": "1/8"},
                {"name": "x[2]", "offset": 8, "width": 1, "signed": False, "lo": 0, "hi": 1,
                 "scale": "1/8"},
            ]},
        ]},
        "outputs": {"width": 7, "ports": [
            {"name": "y", "source": "y", "offset": 0, "width": 6, "lanes": [
                {"name": "y[0]", "offset": 0, "width": 6, "signed": True, "lo": -8, "hi": 22},
            ]},
            {"name": "z", "source": "z", "offset": 6, "width": 1, "lanes": [
                {"name": "z[0]", "offset": 0, "width": 1, "signed": False, "lo": 0, "hi": 1},
            ]},
        ]},
    }  # fmt: skip


def test_probes_follow_the_samples_in_words_and_have_arrays_of_their_own():
    probes = ({"x": np.array([[0, 2, 1]])}, {"y": np.array([[2]]), "z": np.array([[1]])})
    files = vector_files(EMISSION, SAMPLES, ANSWERS, probes=probes)
    texts = {path.name: content for path, content in files.items()}
    assert texts["inputs.hex"] == "1f8\n003\n120\n"
    assert texts["expected.hex"] == "47\n03\n42\n"
    assert values(texts["probe_inputs.npy"]).tolist() == [[0, 2, 1]]
    assert values(texts["probe_expected.npy"]).tolist() == [[2, 1]]
    told = json.loads(texts["layout.json"])
    assert (told["samples"], told["probes"]) == (2, 1)


def test_ports_of_different_numbers_of_samples_are_refused():
    with pytest.raises(InternalError) as error:
        vector_files(EMISSION, SAMPLES, ANSWERS | {"z": np.array([[1]])})
    assert error.value.message == "ports differ in their number of samples: [1, 2]"


def test_the_layout_of_a_stream_has_its_widths():
    files = vector_files(with_axis(EMISSION), SAMPLES, ANSWERS)
    told = json.loads(files[PurePosixPath("vectors/layout.json")])
    assert told["axis"] == {
        "top": "sums_axis", "latency": 2,
        "inputs": {"elements": 3, "bits": 8, "signed": True, "width": 24},
        "outputs": {"elements": 2, "bits": 8, "signed": True, "width": 16},
    }  # fmt: skip


def test_integers_of_64_bits_are_an_array_and_larger_ones_are_text():
    narrow = [[-(1 << 63), (1 << 63) - 1], [0, -1]]
    for array in (np.array(narrow), np.array(narrow[1:], dtype=object)):
        found = values(npy(array))
        assert (found.dtype, found.tolist()) == (np.dtype("<i8"), array.tolist())
    wide = np.array([[1 << 63, -5]], dtype=object)
    assert values(npy(wide)).tolist() == [["9223372036854775808", "-5"]]
    assert values(npy(np.array([[7]]), wide=True)).tolist() == [["7"]]
    assert values(npy(np.array([[7]]), wide=False)).tolist() == [[7]]


@pytest.mark.parametrize(("bits", "text"), [(63, False), (64, True)])
def test_arrays_of_wide_lanes_are_text_whatever_their_values(bits, text):
    lanes = (Lane(0, bits, IntRange(0, (1 << bits) - 1)),)
    ports = (VerilogPort("x", "input", lanes, "x"), VerilogPort("y", "output", lanes, "y"))
    given = {"x": np.array([[5]]), "y": np.array([[6]])}
    files = vector_files(replace(EMISSION, ports=ports), given, given)
    found = values(files[PurePosixPath("vectors/inputs.npy")])
    assert found.tolist() == ([["5"]] if text else [[5]])
