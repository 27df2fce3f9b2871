"""What gpt-oss has beside a Llama, from its configuration and tensors: windows, experts in MXFP4.

"gpt-oss-120b & gpt-oss-20b Model Card", 2025; OCP Microscaling Formats 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.analysis.plan.shape import ModelShape
from flow.errors import UnsupportedModel, UsageError, printable
from flow.frontend.language.llama2c import Matrix
from flow.frontend.language.row_codes import SCALE_OF_NAN, stored_values
from flow.frontend.language.safetensors import Tensor

KINDS = ("sliding_attention", "full_attention")
"""Of layers; they take turns where the configuration does not say."""
WINDOW = 128


def windows(config: Mapping[str, Any], shape: ModelShape, where: str) -> tuple[int, ...]:
    """How many positions each layer attends to, 0 for all of them; UsageError, UnsupportedModel."""
    kinds = config.get("layer_types")
    if kinds is None:
        kinds = [KINDS[number % 2] for number in range(shape.layers)]
    if not isinstance(kinds, list) or len(kinds) != shape.layers:
        raise UsageError(
            f"layer_types does not name the kind of each of {shape.layers} layers", where=where
        )
    for kind in kinds:
        if kind not in KINDS:
            raise UnsupportedModel(
                f"a layer is of the kind {printable(repr(kind), 60)}", where=where,
                hint=f"kinds that are read: {', '.join(KINDS)}",
            )  # fmt: skip
    window = config.get("sliding_window")
    window = WINDOW if window is None else window
    if not isinstance(window, int) or isinstance(window, bool) or window < 1:
        raise UsageError(f"sliding_window is {printable(repr(window), 60)}", where=where)
    held = window if window < shape.positions else 0
    return tuple(held if kind == KINDS[0] else 0 for kind in kinds)


def expert_matrices(tensors: Mapping[str, Tensor], at: str) -> dict[str, Matrix]:
    """gate, up and down `[experts, outputs, inputs]` of the layer whose tensors begin with `at`.

    Rows of gate and up take turns in the file. UsageError at a scale that is NaN.
    """
    both = _decoded(tensors, f"{at}mlp.experts.gate_up_proj")
    down = _decoded(tensors, f"{at}mlp.experts.down_proj")
    return {"gate": both[:, 0::2].copy(), "up": both[:, 1::2].copy(), "down": down}


def _decoded(tensors: Mapping[str, Tensor], name: str) -> Matrix:
    blocks, scales = (tensors[f"{name}_{part}"] for part in ("blocks", "scales"))
    for tensor in (blocks, scales):
        if tensor.dtype != "U8":
            raise UnsupportedModel(
                f"tensor {printable(tensor.name, 100)} has the type {tensor.dtype}",
                where=tensor.path.name, hint="experts are read as published: MXFP4 in bytes",
            )  # fmt: skip
    codes: NDArray[np.uint8] = blocks.read().reshape(blocks.shape)
    powers: NDArray[np.uint8] = scales.read().reshape(scales.shape)
    if (powers == SCALE_OF_NAN).any():
        raise UsageError(
            f"tensor {printable(scales.name, 100)} has a scale that is NaN",
            where=scales.path.name, hint="the file is damaged",
        )  # fmt: skip
    values, exponents = stored_values(codes, powers)
    with np.errstate(over="ignore"):
        found: Matrix = np.ldexp(values.astype(np.float32), exponents[..., None])
    if not np.isfinite(found).all():
        raise UsageError(
            f"tensor {printable(scales.name, 100)} has a scale above all floats",
            where=scales.path.name, hint="the file is damaged",
        )  # fmt: skip
    return found.reshape(*blocks.shape[:2], -1)
