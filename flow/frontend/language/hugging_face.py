"""A Llama or gpt-oss of Hugging Face, `config.json` and safetensors, to its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flow.analysis.plan.shape import ModelShape
from flow.errors import UnsupportedModel, UsageError, printable
from flow.frontend.files import guards
from flow.frontend.language.config import CONFIG, shape_of_config
from flow.frontend.language.gpt_oss import expert_matrices, windows
from flow.frontend.language.llama2c import LlamaLayer, LlamaWeights, Matrix
from flow.frontend.language.rotation import read_scaling
from flow.frontend.language.safetensors import Tensor
from flow.frontend.language.shards import Shards, check_shards, find_shards, open_shards

EPSILON, BASE, LIMIT, STEEPNESS = 1e-6, 10_000.0, 7.0, 1.702
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
ATTENTION = ("queries", "keys", "values", "output")
FEED = ("gate", "down", "up")
FLOATS = ("F64", "F32", "F16", "BF16")


def read_hugging_face(path: Path, most: int) -> LlamaWeights:
    """The weights of a folder, or of a config.json, an index or a shard in one.

    UnsupportedModel, with every obstacle, for what no program is made of, or for more than `most`
    weights; UsageError for files that are damaged.
    """
    folder = path if path.is_dir() else path.parent
    own = path.is_file() and path.suffix == ".json" and not path.name.endswith(".index.json")
    file = path if own else folder / CONFIG
    where = file.name
    config = guards.parse_json(guards.read_bytes(file, guards.JSON_BYTES), where)
    shape = shape_of_config(config, folder.resolve().name, where)
    if obstacles := _obstacles(config, shape, most):
        raise UnsupportedModel(
            "this language model is planned, not built", where=where, obstacles=obstacles,
            hint="flow plan reads it; what is built is a small Llama or gpt-oss",
        )  # fmt: skip
    scaling = read_scaling(config, where)
    base = _real(_base(config), "rope_theta")
    if scaling is not None and base <= 1:
        raise UsageError(f"rope_theta is {base:g}", where=where, hint="a number above 1")
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
        layers=_layers(shards, shape, config),
        norm=_vector(shards.tensors, "model.norm.weight", (shape.hidden,)),
        classifier=_values(
            shards.tensors["model.embed_tokens.weight" if shape.tied else "lm_head.weight"]
        ),
        epsilon=_real(config.get("rms_norm_eps", EPSILON), "rms_norm_eps"),
        base=base,
        scaling=scaling,
        begin=_begin(config, shape),
        limit=_real(config.get("swiglu_limit", LIMIT), "swiglu_limit"),
        steepness=_real(config.get("swiglu_alpha", STEEPNESS), "swiglu_alpha"),
    )


def _obstacles(config: Mapping[str, Any], shape: ModelShape, most: int) -> tuple[str, ...]:
    found = []
    try:
        read_scaling(config, CONFIG)
    except UnsupportedModel as error:
        found.append(error.message)
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


def _begin(config: Mapping[str, Any], shape: ModelShape) -> int:
    """bos_token_id, or 1 where the configuration has none."""
    value = config.get("bos_token_id")
    value = min(1, shape.vocabulary - 1) if value is None else value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < shape.vocabulary:
        raise UsageError(
            f"bos_token_id is {printable(repr(value), 60)}", where=CONFIG,
            hint=f"a token from 0 to {shape.vocabulary - 1}",
        )  # fmt: skip
    return value


def _real(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e12:
        raise UsageError(
            f"{key} is {printable(repr(value), 60)}", where=CONFIG, hint="a number above 0"
        )
    return float(value)


def _layers(shards: Shards, shape: ModelShape, config: Mapping[str, Any]) -> tuple[LlamaLayer, ...]:
    own = config["model_type"] == "gpt_oss"
    held = windows(config, shape, CONFIG) if own else (0,) * shape.layers
    biased: tuple[str, ...] = ATTENTION if _flag(config, "attention_bias", own) else ()
    biased += FEED if own or _flag(config, "mlp_bias", False) else ()
    return tuple(_layer(shards, shape, n, biased, held[n], own) for n in range(shape.layers))


def _layer(
    shards: Shards, shape: ModelShape, number: int, biased: tuple[str, ...], window: int, own: bool
) -> LlamaLayer:
    at = f"model.layers.{number}."
    tensors = shards.tensors
    fields: dict[str, Any] = {"window": window}
    for field, name in NAMES.items():
        if field.endswith("norm"):
            fields[field] = _vector(tensors, at + name, (shape.hidden,))
        elif not own or field in ATTENTION:
            fields[field] = _values(tensors[at + name])
    biases = {
        field: _vector(tensors, at + NAMES[field].replace(".weight", ".bias"), (size,))
        for field, size in _outputs(shape).items()
        if field in biased and (not own or field in ATTENTION)
    }
    if own:
        experts, inner = shape.experts, shape.inner
        fields |= expert_matrices(tensors, at)
        fields["router"] = _values(tensors[f"{at}mlp.router.weight"])
        fields["sinks"] = _vector(tensors, f"{at}self_attn.sinks", (shape.heads,))
        both = _vector(tensors, f"{at}mlp.experts.gate_up_proj_bias", (experts, 2 * inner))
        down = _vector(tensors, f"{at}mlp.experts.down_proj_bias", (experts, shape.hidden))
        router = _vector(tensors, f"{at}mlp.router.bias", (experts,))
        biases |= {"router": router, "gate": both[:, 0::2], "up": both[:, 1::2], "down": down}
    for field in ("queries", "keys"):
        fields[field] = _neighbours(fields[field], shape.head_dim)
        if field in biases:
            biases[field] = _neighbours(biases[field][:, None], shape.head_dim)[:, 0]
    return LlamaLayer(**fields, biases=biases)


def _outputs(shape: ModelShape) -> dict[str, int]:
    """Outputs of the matrices of a layer without experts."""
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return {
        "queries": queries, "keys": keys, "values": keys, "output": shape.hidden,
        "gate": shape.inner, "up": shape.inner, "down": shape.hidden,
    }  # fmt: skip


def _flag(config: Mapping[str, Any], key: str, default: bool) -> bool:
    value = config.get(key)
    value = default if value is None else value
    if not isinstance(value, bool):
        raise UsageError(
            f"{key} is {printable(repr(value), 60)}", where=CONFIG, hint="true or false"
        )
    return value


def _neighbours(weights: Matrix, size: int) -> Matrix:
    """Rows in an order in which the pairs of a head, which are halves apart, are neighbours."""
    heads = weights.reshape(-1, 2, size // 2, weights.shape[1])
    found: Matrix = np.ascontiguousarray(heads.swapaxes(1, 2)).reshape(weights.shape)
    return found


def _vector(tensors: Mapping[str, Tensor], name: str, sizes: tuple[int, ...]) -> Matrix:
    tensor = tensors.get(name)
    if tensor is None or tensor.shape != sizes:
        raise UsageError(
            f"there is no tensor {name} of {' x '.join(map(str, sizes))} values",
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
