"""Sizes of a language model from a Hugging Face `config.json` or the head of a llama2.c file."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flow.analysis.plan.shape import ModelShape
from flow.errors import UnsupportedModel, UsageError, printable
from flow.frontend.files import guards

FAMILIES = ("gpt_oss", "llama")
"""Values of `model_type` that are read."""
CONFIG = "config.json"
MOST_WEIGHTS = 10**15
LIMITS: Mapping[str, int] = {
    "hidden_size": 1 << 20, "intermediate_size": 1 << 22, "num_hidden_layers": guards.LAYERS,
    "num_attention_heads": 1 << 14, "num_key_value_heads": 1 << 14, "head_dim": 1 << 14,
    "vocab_size": 1 << 26, "max_position_embeddings": 1 << 32, "num_local_experts": 1 << 16,
    "num_experts_per_tok": 1 << 16,
}  # fmt: skip
"""The largest value of each size."""
HEADER = struct.Struct("<7i")
"""llama2.c, version 0: dim, hidden, layers, heads, KV heads, vocabulary, positions."""
VERSIONED = b"24ka"
"""The first bytes of llama2.c files of version 1 and above."""


def shape_of_config(config: Any, name: str, where: str) -> ModelShape:
    """The sizes that a `config.json` tells; UnsupportedModel for another family of models."""
    if not isinstance(config, dict):
        raise UsageError("the configuration is no JSON object", where=where)
    family = config.get("model_type")
    if family not in FAMILIES:
        raise UnsupportedModel(
            f"models of the type {printable(repr(family), 60)} are not planned", where=where,
            hint=f"model_type is one of {', '.join(FAMILIES)}",
        )  # fmt: skip
    hidden = _size(config, "hidden_size", where)
    heads = _size(config, "num_attention_heads", where)
    experts, active = _experts(config, family, where)
    default = hidden // heads if hidden % heads == 0 else None
    shape = ModelShape(
        name=name,
        hidden=hidden,
        layers=_size(config, "num_hidden_layers", where),
        heads=heads,
        kv_heads=_size(config, "num_key_value_heads", where, heads),
        head_dim=_size(config, "head_dim", where, default),
        inner=_size(config, "intermediate_size", where),
        vocabulary=_size(config, "vocab_size", where),
        positions=_size(config, "max_position_embeddings", where),
        experts=experts,
        active_experts=active,
        tied=_flag(config, "tie_word_embeddings", where),
    )
    return _checked(shape, where)


def shape_of_llama2c(head: bytes, size: int, name: str, where: str) -> ModelShape:
    """The sizes in the head of a llama2.c file of version 0; UsageError if its size differs."""
    if head.startswith(VERSIONED):
        raise UsageError(
            "llama2.c files of version 1 and above are not read", where=where,
            hint="export with --version 0",
        )  # fmt: skip
    fields = HEADER.unpack_from(head)
    names = (
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "vocab_size", "max_position_embeddings",
    )  # fmt: skip
    sizes = dict(zip(names, fields, strict=True))
    tied = sizes["vocab_size"] > 0
    sizes["vocab_size"] = abs(sizes["vocab_size"])
    config = {**sizes, "model_type": "llama", "tie_word_embeddings": tied}
    if fields[3] < 1 or fields[0] % fields[3]:
        raise _strange(where)
    try:
        shape = shape_of_config(config, name, where)
    except UsageError as error:
        raise _strange(where) from error
    if (stored := llama2c_bytes(shape)) != size:
        raise UsageError(
            f"a llama2.c file of these sizes has {stored} bytes, but this file has {size}",
            where=where, hint="the file is cut short, or no llama2.c model",
        )  # fmt: skip
    return shape


def llama2c_bytes(shape: ModelShape) -> int:
    """Bytes of a llama2.c file of version 0: header, weights, norms, two tables of rotations."""
    norms = shape.hidden * (2 * shape.layers + 1)
    rotations = shape.positions * shape.head_dim
    return HEADER.size + 4 * (shape.total + norms + rotations)


def read_shape(path: Path) -> ModelShape:
    """The sizes of a model: a config.json, the folder or the index or a shard of safetensors
    beside one, or a llama2.c file.

    UsageError for what cannot be read; UnsupportedModel for another family of models.
    """
    if path.is_dir():
        return read_shape(path / CONFIG)
    head = guards.read_head(path, HEADER.size)
    shard = head[4:9] == b"\0\0\0\0{"
    if shard or path.name.endswith(".index.json"):
        return _read_config(path.with_name(CONFIG))
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _read_config(path)
    if len(head) < HEADER.size:
        raise UsageError(
            "the file is empty" if not head else "the file is of no kind that is read",
            where=path.name, hint="give a config.json or a llama2.c .bin",
        )  # fmt: skip
    return shape_of_llama2c(head, path.stat().st_size, path.stem, path.name)


def _read_config(path: Path) -> ModelShape:
    config = guards.parse_json(guards.read_bytes(path, guards.JSON_BYTES), path.name)
    name = path.stem if path.name != CONFIG else path.resolve().parent.name
    return shape_of_config(config, name, path.name)


def _experts(config: Mapping[str, Any], family: str, where: str) -> tuple[int, int]:
    if family != "gpt_oss":
        return 1, 1
    experts = _size(config, "num_local_experts", where)
    active = _size(config, "num_experts_per_tok", where, config.get("experts_per_token"))
    if active > experts:
        raise UsageError(
            f"a token cannot choose {active} of {experts} experts", where=where,
            hint="see num_experts_per_tok and num_local_experts",
        )  # fmt: skip
    return experts, active


def _size(config: Mapping[str, Any], key: str, where: str, default: Any = None) -> int:
    value = config.get(key)
    if value is None:
        value = default
    if value is None:
        raise UsageError(
            f"the configuration has no {key}", where=where, hint="give the model's own config.json"
        )
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LIMITS[key]:
        raise UsageError(
            f"{key} is {printable(repr(value), 60)}", where=where,
            hint=f"it is a whole number from 1 to {LIMITS[key]}",
        )  # fmt: skip
    return value


def _flag(config: Mapping[str, Any], key: str, where: str) -> bool:
    value = config.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(
            f"{key} is {printable(repr(value), 60)}", where=where, hint="true or false"
        )
    return value


def _checked(shape: ModelShape, where: str) -> ModelShape:
    if shape.kv_heads > shape.heads or shape.heads % shape.kv_heads:
        raise UsageError(
            f"{shape.heads} heads cannot share {shape.kv_heads} heads of keys and values",
            where=where, hint="num_key_value_heads divides num_attention_heads",
        )  # fmt: skip
    if shape.total > MOST_WEIGHTS:
        raise UsageError(
            "the model has more than 1e15 weights", where=where, hint="check the sizes"
        )
    return shape


def _strange(where: str) -> UsageError:
    return UsageError(
        "the file is of no kind that is read", where=where,
        hint="give a config.json or a llama2.c .bin",
    )  # fmt: skip
