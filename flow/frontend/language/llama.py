"""What a float Llama answers: one pass over a text, or token by token with a cache.

H. Touvron et al., "Llama 2", 2023; rotary embedding after J. Su et al., 2021, in pairs of
neighbours; grouped queries after J. Ainslie et al., 2023.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flow.frontend.language.llama2c import LlamaLayer, LlamaWeights

EPSILON = 1e-5
BASE = 10_000.0
Reals = NDArray[np.float64]


@dataclass(slots=True)
class Cache:
    """Rotated keys and values so far, `[..., tokens, KV heads, head]` of each layer."""

    keys: list[Reals] = field(default_factory=list)
    values: list[Reals] = field(default_factory=list)


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
    start = cache.keys[0].shape[-3] if cache.keys else 0
    places = np.arange(start, start + found.shape[-1])
    x: Reals = model.embedding[found].astype(np.float64)
    for number, layer in enumerate(model.layers):
        seen[number, "residual"] = x
        h = seen[number, "queries"] = normed(x, layer.attention_norm)
        mixed = _attention(model, layer, h, places, cache, number)
        seen[number, "output"] = mixed
        x = x + mixed @ layer.output.T
        h = seen[number, "gate"] = normed(x, layer.feed_norm)
        gate = h @ layer.gate.T
        inner = gate / (1 + np.exp(-gate)) * (h @ layer.up.T)
        seen[number, "down"] = inner
        x = x + inner @ layer.down.T
    seen[len(model.layers), "residual"] = x
    h = seen[len(model.layers), "classifier"] = normed(x, model.norm)
    scores: Reals = h @ model.classifier.T
    return scores


def greedy(model: LlamaWeights, prompt: Sequence[int]) -> Iterator[int]:
    """The most likely tokens after a prompt, one by one, up to the positions of the model."""
    cache = Cache()
    token = int(np.argmax(logits(model, prompt, cache)[-1]))
    for _ in range(model.shape.positions - len(prompt)):
        yield token
        token = int(np.argmax(logits(model, [token], cache)[-1]))


def sampled(model: LlamaWeights, prompt: Sequence[int], seed: int) -> Iterator[int]:
    """Tokens after a prompt, each drawn by its probability; equal seeds give equal tokens."""
    rng = np.random.default_rng(seed)
    cache = Cache()
    found = logits(model, prompt, cache)[-1]
    for _ in range(model.shape.positions - len(prompt)):
        chances = np.cumsum(np.exp(found - found.max()))
        token = int(np.searchsorted(chances, rng.random() * chances[-1], side="right"))
        yield min(token, len(chances) - 1)
        found = logits(model, [token], cache)[-1]


def drawn(model: LlamaWeights, texts: int, tokens: int, seed: int) -> NDArray[np.int64]:
    """Texts `[texts, tokens]` that the model draws after the token 1, each by its probability."""
    rng = np.random.default_rng(seed)
    cache = Cache()
    found = np.ones((texts, 1), np.int64)
    while found.shape[1] < min(tokens, model.shape.positions):
        scores = logits(model, found[:, -1:], cache)[:, -1]
        chances = np.cumsum(np.exp(scores - scores.max(axis=1, keepdims=True)), axis=1)
        points = rng.random(texts)[:, None] * chances[:, -1:]
        chosen = np.minimum((chances <= points).sum(axis=1), scores.shape[1] - 1)
        found = np.concatenate([found, chosen[:, None]], axis=1)
    return found


def normed(x: Reals, gain: NDArray[np.float32]) -> Reals:
    """RMSNorm (B. Zhang and R. Sennrich, 2019) of each row."""
    scale = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + EPSILON)
    found: Reals = x / scale * gain
    return found


def rotated(x: Reals, places: NDArray[np.int64]) -> Reals:
    """Pairs of neighbours of `[..., tokens, heads, head]`, turned by their token's place."""
    turned = (x[..., 0::2] + 1j * x[..., 1::2]) * turns(x.shape[-1], places)[:, None, :]
    return np.stack([turned.real, turned.imag], -1).reshape(x.shape)


def turns(size: int, places: NDArray[np.int64]) -> NDArray[np.complex128]:
    """Turns `[places, pairs]` of the pairs of a head of that size, as complex numbers."""
    angle = places[:, None] * BASE ** (-np.arange(0, size, 2) / size)
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
    rows = h.shape[:-1]
    queries = rotated((h @ layer.queries.T).reshape(*rows, shape.heads, size), places)
    keys = rotated((h @ layer.keys.T).reshape(*rows, shape.kv_heads, size), places)
    values = (h @ layer.values.T).reshape(*rows, shape.kv_heads, size)
    if number < len(cache.keys):
        keys = np.concatenate([cache.keys[number], keys], axis=-3)
        values = np.concatenate([cache.values[number], values], axis=-3)
        cache.keys[number], cache.values[number] = keys, values
    else:
        cache.keys.append(keys)
        cache.values.append(values)
    group = shape.heads // shape.kv_heads
    grouped = queries.reshape(*rows, shape.kv_heads, group, size)
    scores = np.einsum("...tkgs,...uks->...kgtu", grouped, keys) / np.sqrt(size)
    scores = np.where(np.arange(keys.shape[-3]) <= places[:, None], scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed: Reals = np.einsum("...kgtu,...uks->...tkgs", weights, values).reshape(*rows, -1)
    return mixed
