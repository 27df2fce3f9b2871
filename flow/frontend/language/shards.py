"""The weights of a language model in safetensors shards, layer by layer, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow.analysis.plan.shape import ModelShape
from flow.errors import UsageError, printable
from flow.frontend.files import guards
from flow.frontend.language.safetensors import Tensor, read_shard

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
MOST_SHARDS = 10_000
BLOCK_WEIGHTS = 32
"""Weights of an MXFP4 block, stored as 16 bytes with one scale (OCP Microscaling Formats 1.0)."""
_LAYER = re.compile(r"(?:^|\.)layers\.([0-9]{1,5})\.(.+)$")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}\.safetensors")


@dataclass(frozen=True, slots=True)
class Layer:
    """Tensors of a decoder layer, by their names within it."""

    number: int
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Shards:
    """Every tensor of a model by its name; only headers have been read."""

    tensors: Mapping[str, Tensor]

    def layers(self) -> Iterator[Layer]:
        """The decoder layers, the first one first."""
        found: dict[int, dict[str, Tensor]] = {}
        for name, tensor in self.tensors.items():
            if (match := _LAYER.search(name)) is not None:
                found.setdefault(int(match[1]), {})[match[2]] = tensor
        for number in sorted(found):
            yield Layer(number, found[number])

    def outside(self) -> dict[str, Tensor]:
        """Tensors of no layer: embedding, final norm, classifier."""
        return {n: t for n, t in self.tensors.items() if _LAYER.search(n) is None}


def find_shards(path: Path) -> Path | None:
    """The index or the single file of a model in a folder, or that is named; None: no weights."""
    if path.is_file() and (path.name.endswith((".index.json", ".safetensors"))):
        return path
    folder = path if path.is_dir() else path.parent
    names = (INDEX, SINGLE) if path.is_dir() or path.name == "config.json" else ()
    return next((folder / name for name in names if (folder / name).is_file()), None)


def open_shards(path: Path) -> Shards:
    """The tensors of an index or of one file; UsageError where they do not agree with each other.

    An index names files of its own folder only.
    """
    if path.name.endswith(".safetensors"):
        return Shards(read_shard(path))
    table = guards.parse_json(guards.read_bytes(path, guards.JSON_BYTES), path.name)
    names = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(names, dict) or not names:
        raise UsageError(
            "the index has no weight_map", where=path.name, hint="save the model again"
        )
    files = sorted({_file(name, path) for name in names.values()})
    if len(files) > MOST_SHARDS:
        raise UsageError(f"the index names more than {MOST_SHARDS} files", where=path.name)
    held = {name: read_shard(path.with_name(name)) for name in files}
    found = {}
    for name, file in names.items():
        if name not in held[file]:
            raise UsageError(
                f"tensor {printable(name, 100)} is not in {file}", where=path.name,
                hint="the index belongs to other files",
            )  # fmt: skip
        found[name] = held[file][name]
    return Shards(found)


def check_shards(shards: Shards, shape: ModelShape) -> None:
    """UsageError that names the first tensor that is missing or has not the size of `shape`."""
    outside = {"model.embed_tokens.weight": (shape.vocabulary, shape.hidden)}
    if not shape.tied:
        outside["lm_head.weight"] = (shape.vocabulary, shape.hidden)
    _check(shards.tensors, outside, "")
    layers = list(shards.layers())
    numbers = [layer.number for layer in layers]
    if numbers != list(range(shape.layers)):
        raise UsageError(
            f"the weights have {len(numbers)} layers, the configuration {shape.layers}",
            hint="config.json belongs to other weights, or shards are missing",
        )
    for layer in layers:
        _check(layer.tensors, _sizes(shape), f"model.layers.{layer.number}.")


def _sizes(shape: ModelShape) -> dict[str, tuple[int, ...]]:
    """Tensors of a layer as Llama and gpt-oss store them, outputs first."""
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    hidden, inner, experts = shape.hidden, shape.inner, shape.experts
    sizes: dict[str, tuple[int, ...]] = {
        "self_attn.q_proj.weight": (queries, hidden),
        "self_attn.k_proj.weight": (keys, hidden),
        "self_attn.v_proj.weight": (keys, hidden),
        "self_attn.o_proj.weight": (hidden, queries),
    }
    if experts == 1:
        return sizes | {
            "mlp.gate_proj.weight": (inner, hidden),
            "mlp.up_proj.weight": (inner, hidden),
            "mlp.down_proj.weight": (hidden, inner),
        }
    read, written = hidden // BLOCK_WEIGHTS, inner // BLOCK_WEIGHTS
    return sizes | {
        "mlp.router.weight": (experts, hidden),
        "mlp.experts.gate_up_proj_blocks": (experts, 2 * inner, read, 16),
        "mlp.experts.gate_up_proj_scales": (experts, 2 * inner, read),
        "mlp.experts.down_proj_blocks": (experts, hidden, written, 16),
        "mlp.experts.down_proj_scales": (experts, hidden, written),
    }


def _check(
    tensors: Mapping[str, Tensor], sizes: Mapping[str, tuple[int, ...]], before: str
) -> None:
    for name, size in sizes.items():
        tensor = tensors.get(name)
        if tensor is None:
            raise UsageError(
                f"there is no tensor {before}{name}",
                hint="config.json belongs to other weights, or shards are missing",
            )
        if tensor.shape != size:
            raise UsageError(
                f"tensor {before}{name} is {list(tensor.shape)}, by the configuration "
                f"{list(size)}",
                where=tensor.path.name, hint="config.json belongs to other weights",
            )  # fmt: skip


def _file(name: Any, path: Path) -> str:
    if not isinstance(name, str) or _FILE.fullmatch(name) is None:
        raise UsageError(
            f"the index names the file {printable(repr(name), 60)}", where=path.name,
            hint="shards are .safetensors files of the same folder",
        )  # fmt: skip
    return name
