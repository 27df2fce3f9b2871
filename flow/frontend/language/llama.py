"""What a float Llama or gpt-oss answers: one pass over a text, or token by token with a cache.

H. Touvron et al., "Llama 2", 2023; rotary embedding after J. Su et al., 2021, in pairs of
neighbours; grouped queries after J. Ainslie et al., 2023. Sinks, windows, biases and experts as in
"gpt-oss-120b & gpt-oss-20b Model Card", 2025, and its published code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flow.frontend.language.experts import experts
from flow.frontend.language.llama2c import LlamaLayer, LlamaWeights
from flow.frontend.language.rotation import frequencies

Reals = NDArray[np.float64]


@dataclass(slots=True)
class Cache:
    """Rotated keys, and values, of `length` tokens so far, `[..., tokens, KV heads, head]` for each
    layer; arrays have room for more."""

    length: int = 0
    keys: list[Reals] = field(default_factory=list)
    values: list[Reals] = field(default_factory=list)

    def extended(self, arrays: list[Reals], layer: int, new: Reals) -> Reals:
        """The entries of a layer so far and new ones, which one of the two lists takes up."""
        end = self.length + new.shape[-3]
        if layer == len(arrays):
            arrays.append(new)
        elif arrays[layer].shape[-3] < end:
            room = np.empty((*new.shape[:-3], 2 * end, *new.shape[-2:]))
            room[..., : self.length, :, :] = arrays[layer][..., : self.length, :, :]
            arrays[layer] = room
        arrays[layer][..., self.length : end, :, :] = new
        return arrays[layer][..., :end, :, :]


Reads = dict[tuple[int, str], Reals]
"""What each matrix reads, and the residual of each layer, `[tokens, size]`, by layer and name."""


def logits(
    model: LlamaWeights,
    tokens: Sequence[int] | NDArray[np.int64],
    cache: Cache | None = None,
    reads: Reads | None = None,
) -> Reals:
    """Logits `[..., tokens, vocabulary]` after each token, which follow those in the cache.

    Tokens are of one text, or of as many as there are rows. The cache takes up their keys and
    values; `reads`, where given, what each matrix reads.
    """
    cache = Cache() if cache is None else cache
    seen: Reads = {} if reads is None else reads
    found = np.asarray(tokens, np.int64)
    places = np.arange(cache.length, cache.length + found.shape[-1])
    x: Reals = model.embedding[found].astype(np.float64)
    for number, layer in enumerate(model.layers):
        seen[number, "residual"] = x
        h = seen[number, "queries"] = normed(x, layer.attention_norm, model.epsilon)
        mixed = _attention(model, layer, h, places, cache, number)
        seen[number, "output"] = mixed
        x = x + answered(layer, "output", mixed)
        h = seen[number, "gate"] = normed(x, layer.feed_norm, model.epsilon)
        if layer.router is not None:
            found_experts = experts(model, layer, h)
            seen[number, "down"], seen[number, "expert"] = found_experts.inner, found_experts.each
            x = x + found_experts.answer
            continue
        gate = answered(layer, "gate", h)
        inner = gate / (1 + np.exp(-gate)) * answered(layer, "up", h)
        seen[number, "down"] = inner
        x = x + answered(layer, "down", inner)
    seen[len(model.layers), "residual"] = x
    h = seen[len(model.layers), "classifier"] = normed(x, model.norm, model.epsilon)
    cache.length += found.shape[-1]
    scores: Reals = h @ model.classifier.T
    return scores


def greedy(model: LlamaWeights, prompt: Sequence[int]) -> Iterator[int]:
    """The most likely tokens after a prompt, one by one, up to the positions of the model."""
    cache = Cache()
    token = int(np.argmax(logits(model, prompt, cache)[-1]))
    for _ in range(model.shape.positions - len(prompt)):
        yield token
        token = int(np.argmax(logits(model, [token], cache)[-1]))


def drawn(model: LlamaWeights, texts: int, tokens: int, seed: int) -> NDArray[np.int64]:
    """Texts `[texts, tokens]` that the model draws after the token that begins texts, each by its
    probability."""
    rng = np.random.default_rng(seed)
    cache = Cache()
    found = np.full((texts, 1), model.begin, np.int64)
    while found.shape[1] < min(tokens, model.shape.positions):
        scores = logits(model, found[:, -1:], cache)[:, -1]
        chances = np.cumsum(np.exp(scores - scores.max(axis=1, keepdims=True)), axis=1)
        points = rng.random(texts)[:, None] * chances[:, -1:]
        chosen = np.minimum((chances <= points).sum(axis=1), scores.shape[1] - 1)
        found = np.concatenate([found, chosen[:, None]], axis=1)
    return found


def normed(x: Reals, gain: NDArray[np.float32], epsilon: float) -> Reals:
    """RMSNorm (B. Zhang and R. Sennrich, 2019) of each row."""
    scale = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon)
    found: Reals = x / scale * gain
    return found


def answered(layer: LlamaLayer, name: str, x: Reals) -> Reals:
    """What a matrix of a layer answers, with its bias."""
    weights: NDArray[np.float32] = getattr(layer, name)
    found: Reals = x @ weights.T
    return found + layer.biases[name] if name in layer.biases else found


def rotated(x: Reals, turn: NDArray[np.complex128]) -> Reals:
    """Pairs of neighbours of `[..., tokens, heads, head]`, turned `[tokens, pairs]`."""
    turned = (x[..., 0::2] + 1j * x[..., 1::2]) * turn[:, None, :]
    return np.stack([turned.real, turned.imag], -1).reshape(x.shape)


def turns(model: LlamaWeights, places: NDArray[np.int64]) -> NDArray[np.complex128]:
    """Turns `[places, pairs]` of the pairs of a head, as complex numbers."""
    size = model.shape.head_dim
    angle = places[:, None] * frequencies(model.base, size, model.scaling)
    found: NDArray[np.complex128] = np.exp(1j * angle)
    return found


def _attention(
    model: LlamaWeights,
    layer: LlamaLayer,
    h: Reals,
    places: NDArray[np.int64],
    cache: Cache,
    number: int,
) -> Reals:
    shape = model.shape
    size = shape.head_dim
    rows, turn = h.shape[:-1], turns(model, places)
    queries = rotated(answered(layer, "queries", h).reshape(*rows, shape.heads, size), turn)
    keys = rotated(answered(layer, "keys", h).reshape(*rows, shape.kv_heads, size), turn)
    values = answered(layer, "values", h).reshape(*rows, shape.kv_heads, size)
    keys = cache.extended(cache.keys, number, keys)
    values = cache.extended(cache.values, number, values)
    group = shape.heads // shape.kv_heads
    # [..., KV heads, queries of a group, tokens, size]
    grouped = np.moveaxis(queries.reshape(*rows, shape.kv_heads, group, size), -4, -2)
    # Queries and keys both have the gain.
    gain = model.scaling.gain**2 if model.scaling is not None else 1.0
    scores = grouped @ np.moveaxis(keys, -3, -1)[..., None, :, :] / (np.sqrt(size) / gain)
    ages = places[:, None] - np.arange(keys.shape[-3])
    scores = np.where((ages >= 0) & (ages < (layer.window or np.inf)), scores, -np.inf)
    top = scores.max(axis=-1, keepdims=True)
    if layer.sinks is not None:
        sinks = layer.sinks.astype(np.float64).reshape(shape.kv_heads, group, 1, 1)
        top = np.maximum(top, sinks)
    weights = np.exp(scores - top)
    total = weights.sum(axis=-1, keepdims=True)
    weights /= total if layer.sinks is None else total + np.exp(sinks - top)
    mixed = weights @ np.moveaxis(values, -3, -2)[..., None, :, :]
    found: Reals = np.moveaxis(mixed, -2, -4).reshape(*rows, -1)
    return found
