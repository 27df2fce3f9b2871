"""A llama2.c file (version 0) to the weights of a Llama: float32, outputs first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flow.analysis.plan.shape import ModelShape
from flow.errors import UsageError
from flow.frontend.files import guards
from flow.frontend.language.config import HEADER, shape_of_llama2c
from flow.frontend.language.rotation import Scaling

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LlamaLayer:
    """Weights of a decoder layer, `[outputs, inputs]`, and the gains of its two norms.

    With a `router` `[experts, inputs]`, as in gpt-oss, gate, down and up have an expert for each
    first index. `biases` go by the names of the fields; `sinks` are a score for each head, and a
    `window` above 0 is how many of the last positions a token attends to.
    """

    attention_norm: Matrix
    queries: Matrix
    keys: Matrix
    values: Matrix
    output: Matrix
    feed_norm: Matrix
    gate: Matrix
    down: Matrix
    up: Matrix
    router: Matrix | None = None
    biases: Mapping[str, Matrix] = field(default_factory=dict)
    sinks: Matrix | None = None
    window: int = 0

    @property
    def plain(self) -> bool:
        """Whether it is a layer of the first Llama: no experts, biases, sinks or window."""
        return self.router is None and not self.biases and self.sinks is None and not self.window


@dataclass(frozen=True, slots=True)
class LlamaWeights:
    """A whole model: sizes, embedding `[vocabulary, hidden]`, layers, last norm, classifier.

    `epsilon` is what norms add to the mean square; `base` what rotations are powers of. Experts
    hold gates to `limit` and read them `steepness` times as steep. Texts begin with the token
    `begin`.
    """

    shape: ModelShape
    embedding: Matrix
    layers: tuple[LlamaLayer, ...]
    norm: Matrix
    classifier: Matrix
    epsilon: float = 1e-5
    base: float = 10_000.0
    scaling: Scaling | None = None
    limit: float = 7.0
    steepness: float = 1.702
    begin: int = 1

    @property
    def plain(self) -> bool:
        """Whether all of it is as in the first Llama, but for the angles of rotations."""
        kept = self.scaling is None or self.scaling.gain == 1
        return kept and all(layer.plain for layer in self.layers)


def read_llama2c(path: Path) -> LlamaWeights:
    """The weights of a file; UsageError for one that is damaged, cut short, or has a NaN."""
    data = guards.read_bytes(path)
    if len(data) < HEADER.size:
        raise UsageError(
            "this is no llama2.c file", where=path.name, hint="it is cut short, or of another kind"
        )
    shape = shape_of_llama2c(data[: HEADER.size], len(data), path.stem, path.name)
    if shape.head_dim % 2:
        raise UsageError(
            f"heads of {shape.head_dim} values cannot be rotated in pairs", where=path.name,
            hint="dim / n_heads is even",
        )  # fmt: skip
    numbers = np.frombuffer(data, "<f4", offset=HEADER.size)
    guards.check_finite(numbers, path.name)
    return _parted(shape, numbers)


def _parted(shape: ModelShape, numbers: Matrix) -> LlamaWeights:
    """The arrays in the order of the file; the two tables of rotations follow from the sizes."""
    at = 0

    def take(*sizes: int) -> Matrix:
        nonlocal at
        count = int(np.prod(sizes))
        part = numbers[at : at + count].reshape(sizes)
        at += count
        return part

    depth, hidden, inner = shape.layers, shape.hidden, shape.inner
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    embedding = take(shape.vocabulary, hidden)
    fields = {
        "attention_norm": take(depth, hidden),
        "queries": take(depth, queries, hidden),
        "keys": take(depth, keys, hidden),
        "values": take(depth, keys, hidden),
        "output": take(depth, hidden, queries),
        "feed_norm": take(depth, hidden),
        "gate": take(depth, inner, hidden),
        "down": take(depth, hidden, inner),
        "up": take(depth, inner, hidden),
    }
    norm = take(hidden)
    take(shape.positions, shape.head_dim)
    classifier = embedding if shape.tied else take(shape.vocabulary, hidden)
    layers = tuple(
        LlamaLayer(**{name: stack[i] for name, stack in fields.items()}) for i in range(depth)
    )
    return LlamaWeights(shape, embedding, layers, norm, classifier)
