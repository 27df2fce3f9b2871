"""Safetensors shards: headers are checked before anything is read, tensors come in blocks."""

import json
import math
import shutil
import tracemalloc
from itertools import islice

import numpy as np
import pytest

from flow.analysis.plan.plan import REFERENCE
from flow.errors import FlowError, UnsupportedModel, UsageError
from flow.frontend.language.safetensors import DTYPES, read_shard
from flow.frontend.language.shards import INDEX, check_shards, find_shards, open_shards

SIZES = {"F32": 4, "BF16": 2, "U8": 1}


def header(tensors):
    """The bytes of a header for names, types and shapes, and how many bytes follow."""
    at, table = 0, {}
    for name, (dtype, shape) in tensors.items():
        size = math.prod(shape) * SIZES[dtype]
        table[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(table).encode()
    return len(text).to_bytes(8, "little") + text, at


def shard(path, arrays):
    """A file of float32 arrays."""
    head, _ = header({name: ("F32", a.shape) for name, a in arrays.items()})
    path.write_bytes(head + b"".join(a.astype("<f4").tobytes() for a in arrays.values()))


def sparse(path, tensors):
    """A file of the declared size that takes no room on the disk."""
    head, size = header(tensors)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)


def reference_layer(number):
    """Tensors of a layer of gpt-oss-120B with their real sizes."""
    at = f"model.layers.{number}."
    return {
        f"{at}self_attn.q_proj.weight": ("BF16", (4096, 2880)),
        f"{at}self_attn.k_proj.weight": ("BF16", (512, 2880)),
        f"{at}self_attn.v_proj.weight": ("BF16", (512, 2880)),
        f"{at}self_attn.o_proj.weight": ("BF16", (2880, 4096)),
        f"{at}self_attn.sinks": ("BF16", (64,)),
        f"{at}mlp.router.weight": ("BF16", (128, 2880)),
        f"{at}mlp.experts.gate_up_proj_blocks": ("U8", (128, 5760, 90, 16)),
        f"{at}mlp.experts.gate_up_proj_scales": ("U8", (128, 5760, 90)),
        f"{at}mlp.experts.down_proj_blocks": ("U8", (128, 2880, 90, 16)),
        f"{at}mlp.experts.down_proj_scales": ("U8", (128, 2880, 90)),
    }


@pytest.fixture(scope="module")
def large(tmp_path_factory, root):
    """An index of 36 shards with the names, types and sizes of gpt-oss-120B; all holes."""
    folder = tmp_path_factory.mktemp("large")
    shutil.copy(root / "examples" / "lpu" / "gpt_oss_120b.json", folder / "config.json")
    names = {}
    for number in range(36):
        tensors = reference_layer(number)
        if number == 0:
            tensors["model.embed_tokens.weight"] = ("BF16", (201_088, 2880))
        if number == 35:
            tensors["lm_head.weight"] = ("BF16", (201_088, 2880))
        file = f"model-{number:05}-of-00036.safetensors"
        sparse(folder / file, tensors)
        names |= dict.fromkeys(tensors, file)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return folder


def test_a_written_shard_is_read_back(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"a": rng.normal(size=(5, 3)), "b": rng.normal(size=7), "c": np.zeros((0, 4))}
    shard(tmp_path / "m.safetensors", arrays)
    found = read_shard(tmp_path / "m.safetensors")
    assert list(found) == ["a", "b", "c"]
    for name, array in arrays.items():
        assert np.array_equal(found[name].read(), array.astype(np.float32))
        assert found[name].read().shape == array.shape


def test_the_library_of_the_format_writes_what_we_read(tmp_path):
    library = pytest.importorskip("safetensors.numpy", reason="not checked: no safetensors")
    arrays = {"x": np.arange(6, dtype=np.float16).reshape(2, 3), "y": np.arange(4, dtype=np.int8)}
    library.save_file(arrays, tmp_path / "m.safetensors", metadata={"format": "np"})
    found = read_shard(tmp_path / "m.safetensors")
    for name, array in arrays.items():
        assert np.array_equal(found[name].read(), array)


def test_brain_floats_become_floats(tmp_path):
    values = np.array([1.0, -2.5, 0.0, 3.140625], np.float32)
    head, _ = header({"w": ("BF16", (4,))})
    path = tmp_path / "m.safetensors"
    path.write_bytes(head + (values.view(np.uint32) >> 16).astype("<u2").tobytes())
    found = read_shard(path)["w"].read()
    assert found.dtype == np.float32
    assert found.tolist() == values.tolist()


def test_blocks_are_rows_and_make_the_whole(tmp_path):
    array = np.arange(70, dtype=np.float32).reshape(10, 7)
    shard(tmp_path / "m.safetensors", {"w": array})
    tensor = read_shard(tmp_path / "m.safetensors")["w"]
    blocks = list(tensor.blocks(3 * 28 + 1))
    assert [len(block) for block in blocks] == [3, 3, 3, 1]
    assert np.array_equal(np.concatenate(blocks), array)
    # A row that is larger than the block still comes.
    assert [len(block) for block in tensor.blocks(1)] == [1] * 10


def test_layers_come_in_order_whatever_the_order_of_names(tmp_path):
    one = np.ones((1, 1))
    shard(
        tmp_path / "m.safetensors",
        {f"model.layers.{n}.self_attn.q_proj.weight": one * n for n in (10, 2, 0)}
        | {"lm_head.weight": one},
    )
    shards = open_shards(tmp_path / "m.safetensors")
    assert [layer.number for layer in shards.layers()] == [0, 2, 10]
    assert list(shards.outside()) == ["lm_head.weight"]


def test_a_model_of_120_billion_weights_is_walked_in_little_memory(large):
    shards = open_shards(find_shards(large))
    check_shards(shards, REFERENCE)
    assert sum(tensor.size for tensor in shards.tensors.values()) > 60 * 10**9
    tracemalloc.start()
    try:
        for layer in islice(shards.layers(), 0, 36, 9):
            for tensor in layer.tensors.values():
                block = next(tensor.blocks(1 << 20))
                assert block.shape[1:] == tensor.shape[1:]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


def test_a_plan_reads_the_headers_of_all_shards(large):
    from flow.pipeline.planning import PlanOptions, plan

    assert plan(large, PlanOptions()).is_reference
    (large / "extra.json").write_text((large / "config.json").read_text().replace("36", "35"))
    with pytest.raises(UsageError) as error:
        check_shards(open_shards(large / INDEX), plan(large / "extra.json", PlanOptions()).shape)
    assert error.value.message == "the weights have 36 layers, the configuration 35"


def bad(**entry):
    return {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **entry}}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], "the header is no JSON object"),
        ({"": bad()["w"]}, "a tensor has the name ''"),
        ({"w": 1}, "tensor w has no dtype, shape and data_offsets"),
        ({"w": {"dtype": "F32", "shape": [1]}}, "tensor w has no dtype, shape and data_offsets"),
        (bad(dtype="F8_E4M3"), "tensor w has the type 'F8_E4M3'"),
        (bad(dtype=["F32"]), "tensor w has the type ['F32']"),
        (bad(shape=[-1]), "tensor w has an impossible shape or place"),
        (bad(shape=[True]), "tensor w has an impossible shape or place"),
        (bad(shape=[1 << 60]), "tensor w has an impossible shape or place"),
        (bad(shape=[1] * 9), "tensor w has an impossible shape or place"),
        (bad(data_offsets=[0]), "tensor w has an impossible shape or place"),
        (bad(data_offsets=[0, 4.0]), "tensor w has an impossible shape or place"),
        (bad(data_offsets=[4, 0]), "the place of tensor w does not have the size of its shape"),
        (bad(shape=[1 << 40]), "the place of tensor w does not have the size of its shape"),
        (bad(data_offsets=[4, 8]), "tensor w overlaps another or leaves a hole"),
        (bad() | {"v": bad()["w"]}, "tensor v overlaps another or leaves a hole"),
        (bad(shape=[1 << 30], data_offsets=[0, 1 << 32]),
         "the header declares 4294967383 bytes, but the file has 91"),
    ],
)  # fmt: skip
def test_a_hostile_header_is_one_message(tmp_path, table, message):
    text = json.dumps(table).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    with pytest.raises(FlowError) as error:
        read_shard(path)
    assert (error.value.message, error.value.where) == (message, "m.safetensors")
    assert isinstance(error.value, UnsupportedModel if "the type" in message else UsageError)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "this is no safetensors file"),
        (b"\2\0\0\0\0\0\0", "this is no safetensors file"),
        ((1 << 62).to_bytes(8, "little") + b"{}", "this is no safetensors file"),
        ((3).to_bytes(8, "little") + b"{}", "this is no safetensors file"),
        ((2).to_bytes(8, "little") + b"[]", "the header is no JSON object"),
        ((2).to_bytes(8, "little") + b"{}x", "the header declares 10 bytes, but the file has 11"),
        ((3).to_bytes(8, "little") + b"{x}", "the JSON text is malformed at line 1"),
    ],
)
def test_a_damaged_file_is_one_message(tmp_path, content, message):
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(UsageError) as error:
        read_shard(tmp_path / "m.safetensors")
    assert error.value.message == message


def test_a_header_of_any_claimed_size_is_not_read(tmp_path):
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.write((1 << 35).to_bytes(8, "little") + b"{")
        file.truncate(1 << 36)
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match="the header is larger than 16 MiB"):
            read_shard(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "the index has no weight_map"),
        ({"weight_map": {}}, "the index has no weight_map"),
        ({"weight_map": {"w": "../m.safetensors"}}, "the index names the file '../m.safetensors'"),
        ({"weight_map": {"w": "a/m.safetensors"}}, "the index names the file 'a/m.safetensors'"),
        ({"weight_map": {"w": "m.bin"}}, "the index names the file 'm.bin'"),
        ({"weight_map": {"w": 1}}, "the index names the file 1"),
        ({"weight_map": {"w": "gone.safetensors"}}, "no such file"),
        ({"weight_map": {"v": "m.safetensors"}}, "tensor v is not in m.safetensors"),
    ],
)
def test_a_hostile_index_is_one_message(tmp_path, table, message):
    shard(tmp_path / "m.safetensors", {"w": np.ones(1)})
    (tmp_path / INDEX).write_text(json.dumps(table))
    with pytest.raises(UsageError) as error:
        open_shards(tmp_path / INDEX)
    assert error.value.message == message


def test_weights_of_other_sizes_are_named(tmp_path):
    shape = REFERENCE
    shard(tmp_path / "m.safetensors", {"model.embed_tokens.weight": np.ones((2, 2))})
    with pytest.raises(UsageError) as error:
        check_shards(open_shards(tmp_path / "m.safetensors"), shape)
    assert error.value.message == (
        "tensor model.embed_tokens.weight is [2, 2], by the configuration [201088, 2880]"
    )
    shard(tmp_path / "m.safetensors", {"w": np.ones(1)})
    with pytest.raises(UsageError, match=r"^there is no tensor model\.embed_tokens\.weight$"):
        check_shards(open_shards(tmp_path / "m.safetensors"), shape)


def test_every_type_has_a_size():
    assert {name: np.dtype(kind).itemsize for name, kind in DTYPES.items() if name in SIZES} == (
        SIZES
    )
