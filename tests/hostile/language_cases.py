"""Hostile files of language models: sizes that lie, tensors that overlap, shards elsewhere."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from hostile import wholes as w
from hostile.arena import Case

BIG = (-1, 0, 1, 3, 1 << 20, (1 << 31) - 1, -(1 << 31))


def llama2c(base: Case) -> Iterator[Case]:
    """Seven sizes, then floats."""
    data = base.files["m.bin"]
    for at in range(7):
        for value in BIG:
            head = bytearray(data)
            struct.pack_into("<i", head, 4 * at, value)
            codes = (0, 2, 3) if bytes(head) == data else (2, 3)
            yield replace(base, name=f"size {at} is {value}", files={"m.bin": bytes(head)},
                          codes=codes)  # fmt: skip
    for told, value in (("NaN", np.nan), ("infinity", np.inf)):
        body = data[:28] + np.full(len(data) // 4 - 7, value, "<f4").tobytes()
        yield replace(base, name=f"weights of {told}", files={"m.bin": body})
    yield replace(base, name="version 1", files={"m.bin": b"24ka" + data[4:]})
    yield replace(base, name="more bytes", files={"m.bin": data + b"\0" * 4})
    yield replace(base, name="the plan of no model", files={"m.bin": b"\0" * 28},
                  words=("plan", "m.bin"))  # fmt: skip
    yield replace(base, name="the plan of a cut model", files={"m.bin": data[:-4]},
                  words=("plan", "m.bin"))  # fmt: skip


def tokenizer(base: Case) -> Iterator[Case]:
    """Scores, lengths and bytes."""
    data = base.files["t.bin"]
    for at, value in ((8, -1), (8, 1 << 30), (8, 5000), (4, 0x7FC00000), (4, 0x7F800000)):
        made = bytearray(data)
        struct.pack_into("<i", made, at, value)
        yield replace(base, name=f"word {at} is {value}", files={"t.bin": bytes(made)})
    yield replace(base, name="more bytes", files={"t.bin": data + b"x"})
    yield replace(base, name="nothing", files={"t.bin": b""})


def safetensors(base: Case) -> Iterator[Case]:
    """A length, a table, then bytes."""
    data = base.files["m.safetensors"]
    size = int.from_bytes(data[:8], "little")
    table, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    first = next(iter(table))

    def case(name: str, head: bytes, codes: tuple[int, ...] = (2, 3)) -> Case:
        content = len(head).to_bytes(8, "little") + head + body
        return replace(base, name=name, codes=codes, files={"m.safetensors": content})

    def entry(name: str, **fields: Any) -> Case:
        made = {**table, first: {**table[first], **fields}}
        return case(name, json.dumps(made).encode())

    for value in (1 << 63, (1 << 64) - 1, 0, 1, len(data), 17 << 20):
        content = value.to_bytes(8, "little") + data[8:]
        yield replace(base, name=f"a header of {value} bytes", files={"m.safetensors": content})
    for shape in ([-1], [1 << 62, 4], [1 << 40], [2.5], ["x"], None, [[1]], [1] * 9, [True]):
        yield entry(f"shape {shape}", shape=shape)
    for place in ([0, 1 << 62], [-8, 0], [8, 0], [0], [0, 0, 0], None, ["a", "b"], [4, 9604]):
        yield entry(f"place {place}", data_offsets=place)
    for dtype in ("F8_E4M3", "", None, 3, "object", "O", "x" * 10_000, ["F32"]):
        yield entry(f"type {str(dtype)[:9]}", dtype=dtype)
    empty = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    for told, head in (
        ("no object", b"[]"), ("NaN", b'{"a": NaN}'), ("deep", b"[" * 100_000),
        ("a name twice", b'{"a": {}, "a": {}}'), ("no UTF-8", b'{"\xff": {}}'), ("empty", b""),
        ("a number", b"3"), ("a tensor that is a list", b'{"a": []}'),
        ("a long name", json.dumps({"a" * 1000: table[first]}).encode()),
        ("200 000 tensors", json.dumps({f"t{i}": empty for i in range(200_000)}).encode()),
    ):  # fmt: skip
        yield case(f"a header of {told}", head)
    overlap = {**table, "again": table[first]}
    yield case("two tensors in one place", json.dumps(overlap).encode())
    hole = {name: value for name, value in table.items() if name != first}
    yield case("a hole", json.dumps(hole).encode())


def config(base: Case) -> Iterator[Case]:
    """The sizes of a model, and an index of its shards."""
    for key in w.LLAMA:
        for value in (None, -1, 0, 1 << 62, 1.5, "3", [], {}, True, "../../canary\n"):
            if key == "tie_word_embeddings" and value in (None, True):
                continue
            codes = (0, 2, 3) if value in (None, True) else (2, 3)
            text = json.dumps({**w.LLAMA, key: value}).encode()
            yield replace(base, name=f"{key} is {value!r}", codes=codes,
                          files={"config.json": text})  # fmt: skip
    for told, names in (
        ("above", "../../home/secret.txt"), ("absolute", "/etc/passwd.safetensors"), ("no text", 3),
        ("a link out", "..\\x.safetensors"), ("another kind", "config.json"),
        ("absent", "gone.safetensors"), ("a newline", "a\nb.safetensors"),
    ):  # fmt: skip
        index = json.dumps({"weight_map": {"model.norm.weight": names}}).encode()
        yield replace(base, name=f"a shard {told}", files={
            **base.files, "model.safetensors.index.json": index})  # fmt: skip
    for told, text in (("a list", b"[]"), ("no map", b"{}"), ("cut", b'{"weight_map": {')):
        yield replace(base, name=f"an index that is {told}", files={
            **base.files, "model.safetensors.index.json": text})  # fmt: skip
    for text in (b"[area]\nhardwired = nan\n", b"[area]\nhardwired = -1\n", b"x = 1\n",
                 b"\xff", b"[area]\nhardwired = 'x'\n", b"[area\n",
                 b"[area]\nhardwired = 1e400\n"):  # fmt: skip
        yield replace(
            base, name=f"constants {text[:30]!r}", files={**base.files, "c.toml": text},
            words=("plan", "config.json", "--constants", "c.toml"),
        )  # fmt: skip


CASES = {
    "llama2.c": llama2c, "tokenizer": tokenizer, "safetensors": safetensors,
    "language config": config,
}  # fmt: skip
