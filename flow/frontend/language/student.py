"""A Llama that learns: answers to a batch of texts with INT8 activations, and their gradients.

What rounds passes the gradient as if it did not (Y. Bengio et al., 2013), but nothing where it
saturates. Everything is float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.language.llama import turns
from flow.frontend.language.llama2c import LlamaWeights

F = NDArray[np.float32]
Key = tuple[int, str]
"""A matrix, a norm or the embedding by its layer and name, as in LlamaLayer."""
INT8 = 127


@dataclass(slots=True)
class Student:
    """A model with other values; `steps` are those of the INT8 vectors, by what reads them."""

    model: LlamaWeights
    values: Mapping[Key, F]
    steps: Mapping[Key, float]
    tape: list[Any] = field(default_factory=list)
    gradients: dict[Key, F] = field(default_factory=dict)

    def answers(self, tokens: NDArray[np.int64]) -> F:
        """Logits `[texts, tokens, vocabulary]` after each token."""
        shape, values = self.model.shape, self.values
        size = tokens.shape[1]
        turn = turns(self.model, np.arange(size)).astype(np.complex64)[:, None, :]
        mask = np.where(np.tri(size, dtype=bool), np.float32(0), np.float32(-1e9))
        self.tape = [tokens]
        x: F = values[0, "embedding"][tokens]
        for n in range(shape.layers):
            x = self._feed(n, self._attention(n, x, turn, mask))
        h = self._norm(shape.layers, "norm", "classifier", x)
        found: F = h @ values[shape.layers, "classifier"].T
        return found

    def learn(self, change: F) -> Mapping[Key, F]:
        """The gradient of everything, of that of the logits of the last answers."""
        last = self.model.shape.layers
        d = self._norm_back(self._linear_back((last, "classifier"), change, self.tape[-1][-1]))
        for n in reversed(range(last)):
            d = self._attention_back(n, self._feed_back(n, d))
        table = np.zeros_like(self.values[0, "embedding"])
        np.add.at(table, self.tape.pop().ravel(), d.reshape(-1, d.shape[-1]))
        self.gradients[0, "embedding"] = table
        return self.gradients

    def _rounded(self, key: Key, x: F) -> tuple[F, NDArray[np.bool_]]:
        """INT8 values, and where they do not saturate."""
        step = np.float32(self.steps[key])
        found = np.rint(x / step)
        inside = np.abs(found) <= INT8
        return np.clip(found, -INT8 - 1, INT8) * step, inside

    def _linear_back(self, key: Key, d: F, x: F) -> F:
        flat = d.reshape(-1, d.shape[-1])
        self.gradients[key] = flat.T @ x.reshape(-1, x.shape[-1])
        found: F = d @ self.values[key]
        return found

    def _norm(self, n: int, gain: str, reader: str, x: F) -> F:
        inverse = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self.model.epsilon))
        unit = x * inverse
        h, inside = self._rounded((n, reader), unit * self.values[n, gain])
        self.tape.append((n, gain, inverse, unit, inside, h))
        return h

    def _norm_back(self, d: F) -> F:
        n, gain, inverse, unit, inside, _ = self.tape.pop()
        d = d * inside
        self.gradients[n, gain] = (d * unit).reshape(-1, d.shape[-1]).sum(axis=0)
        d = d * self.values[n, gain]
        found: F = inverse * (d - unit * (d * unit).mean(-1, keepdims=True))
        return found

    def _attention(self, n: int, x: F, turn: NDArray[np.complex64], mask: F) -> F:
        shape, values = self.model.shape, self.values
        texts, size = x.shape[:2]
        groups = (texts, size, shape.kv_heads, -1, shape.head_dim)
        h = self._norm(n, "attention_norm", "queries", x)
        kv = (texts, size, shape.kv_heads, -1)
        q: F = _turned((h @ values[n, "queries"].T).reshape(texts, size, shape.heads, -1), turn)
        k: F = _turned((h @ values[n, "keys"].T).reshape(kv), turn)
        v: F
        k, k_inside = self._rounded((n, "keys"), k)
        v, v_inside = self._rounded((n, "values"), (h @ values[n, "values"].T).reshape(kv))
        q = np.moveaxis(q.reshape(groups), 1, 3) / np.float32(shape.head_dim**0.5)
        k, v = np.moveaxis(k, 1, 2)[:, :, None], np.moveaxis(v, 1, 2)[:, :, None]
        share: F = q @ k.swapaxes(-1, -2) + mask
        share -= share.max(axis=-1, keepdims=True)
        np.exp(share, out=share)
        share /= share.sum(axis=-1, keepdims=True)
        joined: F = np.moveaxis(share @ v, 3, 1)
        mixed, inside = self._rounded((n, "output"), joined.reshape(texts, size, -1))
        self.tape.append((q, k, v, share, k_inside, v_inside, inside, mixed, turn))
        found: F = x + mixed @ values[n, "output"].T
        return found

    def _attention_back(self, n: int, d: F) -> F:
        q, k, v, share, k_inside, v_inside, inside, mixed, turn = self.tape.pop()
        shape, h = self.model.shape, self.tape[-1][-1]
        texts, size = d.shape[:2]
        back = self._linear_back((n, "output"), d, mixed) * inside
        back = np.moveaxis(back.reshape(texts, size, shape.kv_heads, -1, shape.head_dim), 1, 3)
        dv = (share.swapaxes(-1, -2) @ back).sum(axis=2)
        ds = back @ v.swapaxes(-1, -2)
        ds -= (ds * share).sum(axis=-1, keepdims=True)
        ds *= share
        dq = (ds @ k) / np.float32(shape.head_dim**0.5)
        dk = (ds.swapaxes(-1, -2) @ q).sum(axis=2)
        dq = np.moveaxis(dq, 3, 1).reshape(texts, size, shape.heads, -1)
        dk = np.moveaxis(dk, 1, 2) * k_inside
        dv = np.moveaxis(dv, 1, 2) * v_inside
        dq, dk = (_turned(one, turn.conj()) for one in (dq, dk))
        dh = self._linear_back((n, "queries"), dq.reshape(texts, size, -1), h)
        dh = dh + self._linear_back((n, "keys"), dk.reshape(texts, size, -1), h)
        dh = dh + self._linear_back((n, "values"), dv.reshape(texts, size, -1), h)
        found: F = d + self._norm_back(dh)
        return found

    def _feed(self, n: int, x: F) -> F:
        values = self.values
        h = self._norm(n, "feed_norm", "gate", x)
        gate, up = h @ values[n, "gate"].T, h @ values[n, "up"].T
        sigmoid = 1 / (1 + np.exp(-gate))
        inner, inside = self._rounded((n, "down"), gate * sigmoid * up)
        self.tape.append((gate, up, sigmoid, inside, inner))
        found: F = x + inner @ values[n, "down"].T
        return found

    def _feed_back(self, n: int, d: F) -> F:
        gate, up, sigmoid, inside, inner = self.tape.pop()
        back = self._linear_back((n, "down"), d, inner) * inside
        h = self.tape[-1][-1]
        slope = sigmoid * (1 + gate * (1 - sigmoid))
        dh = self._linear_back((n, "gate"), back * up * slope, h)
        dh = dh + self._linear_back((n, "up"), back * gate * sigmoid, h)
        found: F = d + self._norm_back(dh)
        return found


def _turned(x: F, turn: NDArray[np.complex64]) -> F:
    found: F = (np.ascontiguousarray(x).view(np.complex64) * turn).view(np.float32)
    return found
