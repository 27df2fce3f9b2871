"""Codes that are taught by the float model: weights, scales and norms follow the gradient of KL.

The student reads the texts with its weights as codes and its activations as INT8; what rounds is
passed by the gradient as if it did not (Y. Bengio et al., 2013), scales learn too (S. Esser et al.,
"Learned Step Size Quantization", 2020), and steps are those of Adam (D. Kingma and J. Ba, 2015).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.language.llama import EPSILON, logits, turns
from flow.frontend.language.llama2c import LlamaWeights
from flow.frontend.language.measures import log_softmax

F = NDArray[np.float32]
Key = tuple[int, str]


class Pupil:
    """Values and gradients of one pass over texts `[texts, tokens]`."""

    def __init__(self, shape: Any, values: Mapping[Key, F], steps: Mapping[Key, Any]) -> None:
        self.shape, self.values, self.steps = shape, values, steps
        self.grads: dict[Key, F] = {}

    def forward(self, tokens):
        s, v = self.shape, self.values
        self.tokens = tokens
        self.tape = []
        B, T = tokens.shape
        self.turn = turns(s.head_dim, np.arange(T)).astype(np.complex64)[:, None, :]
        self.mask = np.where(np.tri(T, dtype=bool), np.float32(0), np.float32(-1e9))
        x = v[0, "embedding"][tokens]
        for n in range(s.layers):
            x = self._attention(n, x)
            x = self._feed(n, x)
        n = s.layers
        h = self._norm(n, "norm", x, "classifier")
        return h @ v[n, "classifier"].T

    def backward(self, d):
        s, v, n = self.shape, self.values, self.shape.layers
        dh = self._linear_back((n, "classifier"), d)
        dx = self._norm_back(dh)
        for n in reversed(range(s.layers)):
            dx = self._feed_back(n, dx)
            dx = self._attention_back(n, dx)
        g = np.zeros_like(v[0, "embedding"])
        np.add.at(g, self.tokens.ravel(), dx.reshape(-1, dx.shape[-1]))
        self.grads[0, "embedding"] = g
        return self.grads

    # pieces
    def _round(self, key, x):
        step = self.steps.get(key)
        if step is None:
            return x, None
        q = np.rint(x / step)
        inside = np.abs(q) <= 127
        return np.clip(q, -128, 127).astype(np.float32) * step, inside

    def _norm(self, n, gain, x, key):
        g = self.values[n, gain]
        r = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(EPSILON))
        u = x * r
        h, inside = self._round((n, key), u * g)
        self.tape.append((n, gain, r, u, inside, h))
        return h

    def _norm_back(self, dh):
        n, gain, r, u, inside, _ = self.tape.pop()
        if inside is not None:
            dh = dh * inside
        g = self.values[n, gain]
        self.grads[n, gain] = (dh * u).reshape(-1, len(g)).sum(0)
        du = dh * g
        return r * (du - u * (du * u).mean(-1, keepdims=True))

    def _linear_back(self, key, d, x=None):
        x = self.tape[-1][5] if x is None else x
        flat = d.reshape(-1, d.shape[-1])
        self.grads[key] = flat.T @ x.reshape(-1, x.shape[-1])
        return d @ self.values[key]

    def _attention(self, n, x):
        s, v = self.shape, self.values
        B, T, _ = x.shape
        G = s.heads // s.kv_heads
        h = self._norm(n, "attention_norm", x, "queries")
        q = self._turned((h @ v[n, "queries"].T).reshape(B, T, s.heads, -1), self.turn)
        k = self._turned((h @ v[n, "keys"].T).reshape(B, T, s.kv_heads, -1), self.turn)
        k, kin = self._round((n, "key_cache"), k)
        w, win = self._round(
            (n, "value_cache"), (h @ v[n, "values"].T).reshape(B, T, s.kv_heads, -1)
        )
        q = q.reshape(B, T, s.kv_heads, G, -1).transpose(0, 2, 3, 1, 4)
        k, w = k.transpose(0, 2, 3, 1), w.transpose(0, 2, 1, 3)
        q = q * np.float32(s.head_dim**-0.5)
        p = q @ k[:, :, None] + self.mask
        p -= p.max(-1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(-1, keepdims=True)
        mixed = (p @ w[:, :, None]).transpose(0, 3, 1, 2, 4).reshape(B, T, -1)
        mixed, min_ = self._round((n, "output"), mixed)
        self.tape.append((q, k, w, p, kin, win, min_, mixed))
        return x + mixed @ v[n, "output"].T

    def _attention_back(self, n, d):
        s = self.shape
        q, k, w, p, kin, win, min_, mixed = self.tape.pop()
        B, T, _ = d.shape
        dm = self._linear_back((n, "output"), d, mixed)
        if min_ is not None:
            dm = dm * min_
        dm = dm.reshape(B, T, s.kv_heads, -1, s.head_dim).transpose(0, 2, 3, 1, 4)
        dw = (p.swapaxes(-1, -2) @ dm).sum(2)
        dp = dm @ w[:, :, None].swapaxes(-1, -2)
        ds = p * (dp - (dp * p).sum(-1, keepdims=True))
        dq = ds @ k[:, :, None].swapaxes(-1, -2) * np.float32(s.head_dim**-0.5)
        dk = (ds.swapaxes(-1, -2) @ q).sum(2)
        dq = dq.transpose(0, 3, 1, 2, 4).reshape(B, T, s.heads, -1)
        dk, dw = (y.transpose(0, 2, 1, 3) for y in (dk, dw))
        if kin is not None:
            dk, dw = dk * kin, dw * win
        dq, dk = self._turned(dq, self.turn.conj()), self._turned(dk, self.turn.conj())
        dh = self._linear_back((n, "queries"), dq.reshape(B, T, -1))
        dh = dh + self._linear_back((n, "keys"), dk.reshape(B, T, -1))
        dh = dh + self._linear_back((n, "values"), dw.reshape(B, T, -1))
        return d + self._norm_back(dh)

    def _turned(self, x, turn):
        z = np.ascontiguousarray(x, np.float32).view(np.complex64) * turn
        return z.view(np.float32)

    def _feed(self, n, x):
        v = self.values
        h = self._norm(n, "feed_norm", x, "gate")
        a, b = h @ v[n, "gate"].T, h @ v[n, "up"].T
        sig = 1 / (1 + np.exp(-a))
        inner, inside = self._round((n, "down"), a * sig * b)
        self.tape.append((a, b, sig, inside, inner))
        return x + inner @ v[n, "down"].T

    def _feed_back(self, n, d):
        a, b, sig, inside, inner = self.tape.pop()
        di = self._linear_back((n, "down"), d, inner)
        if inside is not None:
            di = di * inside
        db = di * a * sig
        da = di * b * sig * (1 + a * (1 - sig))
        dh = self._linear_back((n, "gate"), da) + self._linear_back((n, "up"), db)
        return d + self._norm_back(dh)
