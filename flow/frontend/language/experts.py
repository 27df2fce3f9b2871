"""Experts behind a router, in floats: the clamped gates of gpt-oss.

"gpt-oss-120b & gpt-oss-20b Model Card", 2025, and its published code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.frontend.language.llama2c import LlamaLayer, LlamaWeights

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Expertise:
    """What the experts of a layer answer together, `[..., hidden]`; and for each token and expert
    that it chose what the expert's last matrix reads, and what it answers, `[chosen, size]`."""

    answer: Reals
    inner: Reals
    each: Reals


def routed(layer: LlamaLayer, h: Reals) -> Reals:
    """Scores of the experts, `[..., experts]`."""
    assert layer.router is not None
    found: Reals = h @ layer.router.T
    return found + layer.biases["router"] if "router" in layer.biases else found


def gated(model: LlamaWeights, gate: Reals, up: Reals) -> Reals:
    """(up + 1) * gate * sigmoid(steepness * gate), where both are held to the limit; the gate only
    from above."""
    held = np.minimum(gate, model.limit)
    more = np.clip(up, -model.limit, model.limit) + 1
    found: Reals = more * held / (1 + np.exp(-model.steepness * held))
    return found


def experts(model: LlamaWeights, layer: LlamaLayer, h: Reals) -> Expertise:
    """The experts with the largest scores of each token answer, weighted by the softmax of these
    scores; of equal ones the first counts as larger."""
    rows = h.reshape(-1, h.shape[-1])
    scores = routed(layer, rows)
    chosen = np.argsort(-scores, axis=1, kind="stable")[:, : model.shape.active_experts]
    kept = np.take_along_axis(scores, chosen, axis=1)
    shares = np.exp(kept - kept[:, :1])
    shares /= shares.sum(axis=1, keepdims=True)
    inner = np.zeros((*chosen.shape, layer.down.shape[2]))
    each = np.zeros((*chosen.shape, layer.down.shape[1]))
    for number in np.unique(chosen).tolist():
        here = np.nonzero(chosen == number)
        gate, up = (_expert(layer, name, number, rows[here[0]]) for name in ("gate", "up"))
        inner[here] = gated(model, gate, up)
        each[here] = _expert(layer, "down", number, inner[here])
    answer = (each * shares[:, :, None]).sum(axis=1)
    return Expertise(
        answer.reshape(h.shape), inner.reshape(-1, inner.shape[2]), each.reshape(-1, each.shape[2])
    )


def _expert(layer: LlamaLayer, name: str, number: int, x: Reals) -> Reals:
    weights: NDArray[np.float32] = getattr(layer, name)[number]
    found: Reals = x @ weights.T
    return found + layer.biases[name][number] if name in layer.biases else found
