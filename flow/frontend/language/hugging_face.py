"""A Llama of Hugging Face, `config.json` and safetensors, to the weights of a Llama."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flow.analysis.plan.shape import ModelShape
from flow.errors import UnsupportedModel, UsageError, printable
from flow.frontend.files import guards
from flow.frontend.language.config import CONFIG, shape_of_config
from flow.frontend.language.llama2c import LlamaLayer, LlamaWeights, Matrix
from flow.frontend.language.safetensors import Tensor
from flow.frontend.language.shards import Shards, check_shards, find_shards, open_shards

EPSILON, BASE = 1e-6, 10_000.0
"""What a configuration means that does not say."""
NAMES: Mapping[str, str] = {
    "attention_norm": "input_layernorm.weight",
    "queries": "self_attn.q_proj.weight",
    "keys": "self_attn.k_proj.weight",
    "values": "self_attn.v_proj.weight",
    "output": "self_attn.o_proj.weight",
    "feed_norm": "post_attention_layernorm.weight",
    "gate": "mlp.gate_proj.weight",
    "down": "mlp.down_proj.weight",
    "up": "mlp.up_proj.weight",
}
"""Tensors of a layer by the fields of LlamaLayer."""
FLOATS = ("F64", "F32", "F16", "BF16")


def read_hugging_face(path: Path, most: int) -> LlamaWeights:
    """The weights of a folder, or of a config.json, an index or a shard in one.

    UnsupportedModel, with every obstacle, for what is no plain Llama (gpt-oss has sinks and
    experts) or has more than `most` weights; UsageError for files that are damaged.
    """
    folder = path if path.is_dir() else path.parent
    where = CONFIG
    config = guards.parse_json(guards.read_bytes(folder / CONFIG, guards.JSON_BYTES), where)
    shape = shape_of_config(config, folder.resolve().name, where)
    if obstacles := _obstacles(config, shape, most):
        raise UnsupportedModel(
            "this language model is planned, not built", where=where, obstacles=obstacles,
            hint="flow plan reads it; what is built is a small Llama",
        )  # fmt: skip
    found = find_shards(path if path.name != CONFIG else folder)
    if found is None:
        raise UsageError(
            "there are no weights beside the configuration", where=where,
            hint="put model.safetensors into the same folder",
        )  # fmt: skip
    shards = open_shards(found)
    check_shards(shards, shape)
    return LlamaWeights(
        shape=shape,
        embedding=_values(shards.tensors["model.embed_tokens.weight"]),
        layers=tuple(_layer(shards, shape, number) for number in range(shape.layers)),
        norm=_gains(shards.tensors, "model.norm.weight", shape),
        classifier=_values(
            shards.tensors["model.embed_tokens.weight" if shape.tied else "lm_head.weight"]
        ),
        epsilon=_real(config.get("rms_norm_eps", EPSILON), "rms_norm_eps"),
        base=_real(_base(config), "rope_theta"),
    )


def _obstacles(config: Mapping[str, Any], shape: ModelShape, most: int) -> tuple[str, ...]:
    found = []
    if config["model_type"] == "gpt_oss":
        found += ["attention sinks", f"{shape.experts} experts behind a router"]
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = scaling.get("rope_type", scaling.get("type")) if isinstance(scaling, dict) else scaling
    if kind not in (None, "default"):
        found.append(f"rotations scaled by {printable(repr(kind), 40)}")
    for flag in ("attention_bias", "mlp_bias"):
        if config.get(flag):
            found.append(f"biases ({flag})")
    if (act := config.get("hidden_act", "silu")) not in ("silu", "swish"):
        found.append(f"the activation {printable(repr(act), 40)}")
    if shape.head_dim % 2:
        found.append(f"heads of {shape.head_dim} values, which are rotated in pairs")
    if shape.total > most:
        found.append(f"{shape.total} weights, more than {most}")
    return tuple(found)


def _base(config: Mapping[str, Any]) -> Any:
    rope = config.get("rope_parameters")
    inner = rope.get("rope_theta") if isinstance(rope, dict) else None
    said = (config.get("rope_theta"), inner, BASE)
    return next(value for value in said if value is not None)


def _real(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e12:
        raise UsageError(
            f"{key} is {printable(repr(value), 60)}", where=CONFIG, hint="a number above 0"
        )
    return float(value)


def _layer(shards: Shards, shape: ModelShape, number: int) -> LlamaLayer:
    at = f"model.layers.{number}."
    fields = {}
    for field, name in NAMES.items():
        if field.endswith("norm"):
            fields[field] = _gains(shards.tensors, at + name, shape)
        else:
            fields[field] = _values(shards.tensors[at + name])
    for field in ("queries", "keys"):
        fields[field] = _neighbours(fields[field], shape.head_dim)
    return LlamaLayer(**fields)


def _neighbours(weights: Matrix, size: int) -> Matrix:
    """Rows in an order in which the pairs of a head, which are halves apart, are neighbours."""
    heads = weights.reshape(-1, 2, size // 2, weights.shape[1])
    found: Matrix = np.ascontiguousarray(heads.swapaxes(1, 2)).reshape(weights.shape)
    return found


def _gains(tensors: Mapping[str, Tensor], name: str, shape: ModelShape) -> Matrix:
    tensor = tensors.get(name)
    if tensor is None or tensor.shape != (shape.hidden,):
        raise UsageError(
            f"there is no tensor {name} of {shape.hidden} values",
            hint="config.json belongs to other weights, or shards are missing",
        )
    return _values(tensor)


def _values(tensor: Tensor) -> Matrix:
    where = tensor.path.name
    if tensor.dtype not in FLOATS:
        raise UnsupportedModel(
            f"tensor {printable(tensor.name, 100)} has the type {tensor.dtype}", where=where,
            hint=f"weights are {', '.join(FLOATS)}",
        )  # fmt: skip
    found: Matrix = tensor.read().astype(np.float32)
    guards.check_finite(found, where)
    return found
