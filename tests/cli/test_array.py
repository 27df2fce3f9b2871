"""`flow array`: weights in, wires out; the same for any workers; a re-spin changes wires alone."""

import json
import struct
import sys

import numpy as np
import pytest
from dask_cluster import dask_cluster

from flow.pipeline import arrays
from flow.pipeline.arrays import FORMAT

FIXED = ("neuron.v", "array.v", "base.json")
SMALL = np.array([[1, -3, 0, 12], [-1, 3, 3, 0]], np.int8)


@pytest.fixture
def save(tmp_path):
    """Writes arrays as .npy by name."""

    def write(**arrays):
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)

    return write


def shard(path, **tensors):
    """A safetensors file of (type, shape, bytes)."""
    at, table = 0, {}
    for name, (dtype, shape, data) in tensors.items():
        table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(table).encode()
    data = b"".join(data for _, _, data in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def texts(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_integers_are_wired_as_they_are(flow, save, tmp_path):
    save(w=SMALL)
    said = flow("array", "w.npy", "-o", "out")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "neurons   2 of 4 inputs, 8 clocks\n"
        "weights   6 that are not zero, on 8 ports\n"
        "wires     out/wires.v\n"
    )
    found = texts(tmp_path / "out")
    assert sorted(found) == ["array.v", "base.json", "manifest.json", "neuron.v", "wires.v"]
    assert json.loads(found["base.json"]) == {
        "format": FORMAT, "inputs": 4, "neurons": 2, "bits": 8, "magnitudes": [1, 3, 12],
        "ports": [1, 2, 1],
    }  # fmt: skip
    assert found["wires.v"].decode() == (
        "module wires (\n    input wire [3:0] x,\n    input wire first,\n"
        "    output wire [7:0] p,\n    output wire [11:0] c\n);\n"
        "    wire [3:0] n = ~x;\n"
        "    assign p[3:0] = {x[3],1'b0,n[1],x[0]};\n"
        "    assign c[5:0] = {1'b0,1'b0,1'b0,1'b0,first,first};\n"
        "    assign p[7:4] = {1'b0,x[2],x[1],n[0]};\n"
        "    assign c[11:6] = {1'b0,1'b0,1'b0,1'b0,1'b0,first};\n"
        "endmodule\n"
    )


def test_other_weights_over_a_base_change_the_wires_alone(flow, save, tmp_path):
    rng = np.random.default_rng(5)
    save(a=rng.standard_normal((6, 40)), b=rng.standard_normal((6, 40)))
    assert flow("array", "a.npy", "-o", "a", "--slack", "0.9").code == 0
    assert flow("array", "b.npy", "-o", "b", "--base", "a").code == 0
    first, second = texts(tmp_path / "a"), texts(tmp_path / "b")
    assert [name for name in first if first[name] != second[name]] == ["manifest.json", "wires.v"]
    hashes = [json.loads(found["manifest.json"])["files"] for found in (first, second)]
    assert [name for name in hashes[0] if hashes[0][name] != hashes[1][name]] == ["wires.v"]
    assert flow("array", "a.npy", "-o", "c", "--base", "b").code == 0
    assert texts(tmp_path / "c") == first


def test_a_base_without_room_names_the_neuron_and_the_region(flow, save, tmp_path):
    save(a=SMALL, b=np.array([[1, -3, 0, 12], [3, -3, 3, 0]], np.int8),
         c=np.array([[1, -3, 0, 12], [3, -5, 3, 0]], np.int8), d=SMALL[:, :3])  # fmt: skip
    flow("array", "a.npy", "-o", "a")
    said = flow("array", "b.npy", "-o", "b", "--base", "a")
    assert said.code == 2
    assert said.err == (
        "error: neuron 1 has 3 weights of 3, but its region has 2 ports\n"
        "  hint: give the array more slack\n"
    )
    assert flow("array", "c.npy", "-o", "b", "--base", "a").err == (
        "error: neuron 1 has a weight of magnitude 5, for which the array has no region\n"
        "  hint: its regions are 1, 3, 12\n"
    )
    assert flow("array", "d.npy", "-o", "b", "--base", "a").err.startswith(
        "error: the base is for 2 neurons of 4 inputs, the weights are 2 of 3\n"
    )
    assert not (tmp_path / "b").exists()


def test_processes_and_a_cluster_write_the_same_bytes(flow, save, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "TASK_WEIGHTS", 60)
    save(w=np.random.default_rng(6).standard_normal((11, 30)).astype(np.float32))
    assert flow("array", "w.npy", "-o", "one").code == 0
    assert flow("array", "w.npy", "-o", "two", "--workers", "2").code == 0
    with dask_cluster(tmp_path / "one", workers=1) as (address, _):
        said = flow("array", "w.npy", "-o", "three", "--scheduler", address)
    assert (said.code, said.err) == (0, "")
    for name in (*FIXED, "wires.v", "manifest.json"):
        found = {(tmp_path / folder / name).read_bytes() for folder in ("one", "two", "three")}
        assert len(found) == 1


def test_a_tensor_is_chosen_by_name_and_has_a_scale_for_each_neuron(flow, tmp_path):
    w = np.array([[0.5, 1.0, -6.0], [0.25, -1.0, 3.0]], np.float32)
    shard(tmp_path / "m.safetensors", a=("F32", [2, 3], w.tobytes()), b=("F32", [1], b"\0" * 4),
          c=("F32", [1, 1], b"\0" * 4))  # fmt: skip
    said = flow("array", "m.safetensors", "-o", "out", "--tensor", "a", "--json")
    assert json.loads(said.out) == {
        "neurons": 2, "inputs": 3, "weights": 6, "ports": 8, "clocks": 8,
        "base": {"ports": [1, 1, 0, 1, 0, 0, 1], "bits": 8,
                 "magnitudes": [1, 2, 3, 4, 6, 8, 12]},
        "wires_bytes": (tmp_path / "out" / "wires.v").stat().st_size,
    }  # fmt: skip


def test_experts_in_mxfp4_stay_exact(flow, tmp_path):
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 256, (2, 3, 2, 16)).astype(np.uint8)
    scales = np.array([[[127, 127]] * 3, [[120, 122], [130, 129], [125, 125]]], np.uint8)
    shard(tmp_path / "model.safetensors", down_blocks=("U8", [2, 3, 2, 16], codes.tobytes()),
          down_scales=("U8", [2, 3, 2], scales.tobytes()))  # fmt: skip
    said = flow("array", ".", "-o", "out", "--tensor", "down", "--expert", "1")
    assert (said.code, said.err) == (0, "")
    wires = (tmp_path / "out" / "wires.v").read_text()
    remarks = [line for line in wires.splitlines() if "//" in line]
    # The smallest block scale of a row, and a half because codes of E2M1 are doubled.
    assert remarks == [
        f"    // neuron {k}: the sum times {2.0**e!r}" for k, e in enumerate((-8, 1, -3))
    ]
    base = json.loads((tmp_path / "out" / "base.json").read_text())
    assert set(base["magnitudes"]) <= {m << k for m in (1, 2, 3, 4, 6, 8, 12) for k in range(3)}


@pytest.mark.skipif(sys.platform != "linux", reason="not checked: no limit of memory here")
def test_a_tensor_of_a_very_large_model_is_written_in_little_memory(child, tmp_path):
    size = 1 << 36
    table = {
        "big": {"dtype": "BF16", "shape": [1 << 20, 1 << 15], "data_offsets": [0, size]},
        "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [size, size + 24]},
    }
    text = json.dumps(table).encode()
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + size)
        file.seek(8 + len(text) + size)
        file.write(np.array([[1, 2, 3], [4, 5, 6]], np.float32).tobytes())

    def limit():
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (1 << 31, 1 << 31))

    said = child("array", ".", "-o", "out", "--tensor", "w", preexec_fn=limit)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("neurons   2 of 3 inputs, 8 clocks\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("w.npy", "--code", "fp8"), "no code 'fp8'"),
        (("w.npy", "--bits", "1"), "inputs of 1 bits are not read"),
        (("w.npy", "--slack", "-1"), "a slack of -1 is not possible"),
        (("w.npy", "--base", "x", "--bits", "4"), "a base has its bits and its ports already"),
        (("w.npy", "--base", "x"), "no such file"),
        (("w.npy", "--workers", "0"), "--workers 0 is not at least 1"),
        (("w.npy", "--workers", "2", "--scheduler", "tcp://h:1"),
         "--workers and --scheduler name two places"),
        (("w.npy", "--tensor", "a"), "a .npy file holds one matrix without a name"),
        (("line.npy",), "line.npy is no matrix of neurons and inputs: its shape is [4]"),
        (("columns.npy",), "a matrix with columns first is not read in rows"),
        (("zero.npy",), "every weight is zero, so that there is nothing to wire"),
        (("nan.npy",), "row 1 of nan.npy has a number that is not finite"),
        (("many.npy",), "the weights from neuron 0 on have 299 magnitudes"),
        (("large.npy",), "integer weights above 32768 are not hardwired"),
        (("text.npy",), "a matrix with the type <U1 is not read in rows"),
        (("absent.npy",), "no such file"),
        (("m.safetensors",), "the file has 3 matrices, and none is named"),
        (("m.safetensors", "--tensor", "c"), "there is no tensor c"),
        (("m.safetensors", "--tensor", "a", "--expert", "0"), "tensor a has no expert 0"),
        (("m.safetensors", "--tensor", "e"),
         "e is no matrix of neurons and inputs: its shape is [1, 1, 1]"),
        (("m.safetensors", "--tensor", "q"), "q is not stored as MXFP4: its shapes are [1, 1, 4] "
         "and [1, 1]"),
        (("empty",), "there are no weights here"),
    ],
)  # fmt: skip
def test_what_cannot_be_wired_is_one_message(flow, save, tmp_path, arguments, message):
    save(w=SMALL, line=SMALL[0], zero=0 * SMALL, columns=np.asfortranarray(SMALL * 1.0),
         nan=np.array([[1.0, 2.0], [1.0, np.nan]]), large=np.array([[40_000]]),
         many=np.arange(300)[None], text=np.array([["a"]]))  # fmt: skip
    one = ("F32", [1, 1], b"\0" * 4)
    shard(tmp_path / "m.safetensors", a=one, b=one, e=("F32", [1, 1, 1], b"\0" * 4),
          q_blocks=("U8", [1, 1, 4], b"\0" * 4), q_scales=("U8", [1, 1], b"\0"))  # fmt: skip
    (tmp_path / "empty").mkdir()
    said = flow("array", *arguments, "-o", "out")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[0] == f"error: {message}"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "flow-array 2"}, {"bits": 1}, {"bits": True}, {"inputs": 0}, {"more": 1},
        {"ports": [1, 2]}, {"ports": [0, 0, 0]}, {"ports": [1, 2, -1]}, {"ports": [1 << 39] * 3},
        {"magnitudes": [1, 1, 12]}, {"magnitudes": [0, 3, 12]}, {"magnitudes": 3},
        {"inputs": 1 << 39}, {"neurons": 1 << 39},
    ],
)  # fmt: skip
def test_a_base_of_others_is_refused(flow, save, tmp_path, changes):
    facts = {"format": FORMAT, "inputs": 4, "neurons": 2, "bits": 8, "magnitudes": [1, 3, 12],
             "ports": [1, 2, 1]}  # fmt: skip
    save(w=SMALL)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "base.json").write_text(json.dumps({**facts, **changes}))
    said = flow("array", "w.npy", "-o", "out", "--base", "a")
    assert said.code == 2
    assert said.err.splitlines() == [
        "error: this is no base of an array", "  at base.json",
        "  hint: name a folder of `flow array`",
    ]  # fmt: skip
