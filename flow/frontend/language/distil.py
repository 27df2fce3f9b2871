"""Codes that the float model teaches: weights, scales, norms and embedding follow the gradient.

The loss is the KL divergence from the float model on texts that it draws itself. A weight is
rounded to its code in every pass and the gradient goes to the real number behind it; scales learn
too (S. Esser et al., "Learned Step Size Quantization", 2020); updates are those of Adam
(D. Kingma and J. Ba, 2015) at a rate that falls as a cosine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.language.coded_models import CodedLlama, coded_model, keys, matrix, with_codes
from flow.frontend.language.codes import VALUES, Code, Coded, nearest
from flow.frontend.language.llama import Reads, logits
from flow.frontend.language.llama2c import LlamaWeights
from flow.frontend.language.steps import fitted
from flow.frontend.language.student import F, Key, Student
from flow.progress import Progress, silent

NORMS = ("attention_norm", "feed_norm")
MEASURED = 4
"""Texts that the steps of activations are measured on."""
MEAN, SQUARE, TINY = 0.9, 0.98, 1e-10
"""Of Adam: how much of the means of gradients, and of their squares, is kept."""
MOST_KEPT = 1 << 25
"""Chances of the float model that are kept from round to round."""
WARM = 10
"""Rounds in which the rate rises."""


@dataclass(frozen=True, slots=True)
class Teaching:
    """Rounds, texts of a round, the highest rate (a step of a value in one round), and the seed of
    the order of texts."""

    rounds: int = 120
    texts: int = 4
    rate: float = 5e-4
    seed: int = 0


def taught_model(
    model: LlamaWeights,
    code: Code,
    texts: NDArray[np.int64],
    teaching: Teaching,
    progress: Progress = silent,
) -> CodedLlama:
    """The model as codes with one scale a neuron, taught on texts `[texts, tokens]`.

    Norms and embedding change too, the sizes stay. Equal arguments give equal codes.
    """
    plain = coded_model(model, code)
    pupil = _Pupil.of(model, plain)
    teacher = _Teacher(model, texts)
    steps = _steps(plain, texts[:MEASURED])
    for number, rows in enumerate(_batches(len(texts), teaching)):
        progress(f"teaching the {code} weights", number, teaching.rounds)
        student = Student(model, pupil.values(), steps)
        answered = student.answers(texts[rows])
        change = (_chances(answered) - teacher.chances(rows)) / np.float32(texts[rows].size)
        rate = teaching.rate * (1 + np.cos(np.pi * number / teaching.rounds)) / 2
        pupil.step(student.learn(change), rate * min(1.0, (number + 1) / WARM))
    return pupil.coded(model)


@dataclass(slots=True)
class _Teacher:
    """What the float model says of each text; kept where that is little."""

    model: LlamaWeights
    texts: NDArray[np.int64]
    kept: dict[int, F] = field(default_factory=dict)

    def chances(self, rows: NDArray[np.int64]) -> F:
        """The chances of all tokens, `[rows, tokens, vocabulary]`."""
        if self.texts.size * self.model.shape.vocabulary > MOST_KEPT:
            return _chances(logits(self.model, self.texts[rows]))
        new = [row for row in rows.tolist() if row not in self.kept]
        if new:
            found = _chances(logits(self.model, self.texts[new]))
            self.kept |= dict(zip(new, found, strict=True))
        return np.stack([self.kept[row] for row in rows.tolist()])


def _chances(scores: NDArray[np.floating[Any]]) -> F:
    shifted = scores - scores.max(axis=-1, keepdims=True)
    found: F = np.exp(shifted, out=shifted).astype(np.float32)
    found /= found.sum(axis=-1, keepdims=True)
    return found


@dataclass(slots=True)
class _Pupil:
    """What learns: real numbers behind codes, logarithms of scales, norms and embedding."""

    code: Code
    hidden: dict[Key, F]
    scales: dict[Key, F]
    free: dict[Key, F]
    means: dict[tuple[str, Key], tuple[F, F]]
    rounds: int = 0

    @staticmethod
    def of(model: LlamaWeights, plain: CodedLlama) -> _Pupil:
        depth = len(model.layers)
        free: dict[Key, F] = {(0, "embedding"): model.embedding, (depth, "norm"): model.norm}
        for n, layer in enumerate(model.layers):
            free |= {(n, name): getattr(layer, name) for name in NORMS}
        scales = {
            key: np.log(found.scales).astype(np.float32) for key, found in plain.matrices.items()
        }
        code = plain.matrices[0, "queries"].code
        return _Pupil(code, {key: matrix(model, key) for key in keys(model)}, scales, free, {})

    def integers(self, key: Key) -> F:
        """The codes of a matrix."""
        ratio = (self.hidden[key] / np.exp(self.scales[key])).astype(np.float64)
        return nearest(ratio, np.array(VALUES[self.code], np.float64)).astype(np.float32)

    def values(self) -> dict[Key, F]:
        """Everything that a student computes with."""
        return self.free | {
            key: self.integers(key) * np.exp(scale) for key, scale in self.scales.items()
        }

    def step(self, gradients: Mapping[Key, F], rate: float) -> None:
        """Follows the gradients of the values."""
        self.rounds += 1
        least, most = VALUES[self.code][0], VALUES[self.code][-1]
        for key in self.free:
            self.free[key] = self._moved("free", key, self.free[key], gradients[key], rate)
        for key, log in self.scales.items():
            scale, hidden, found = np.exp(log), self.hidden[key], gradients[key]
            inside = (hidden >= least * scale) & (hidden <= most * scale)
            means = self.integers(key) * scale
            lost = np.where(inside, means - hidden, means)
            of_scale = (found * lost).sum(axis=1, keepdims=True)
            self.hidden[key] = self._moved("hidden", key, hidden, found * inside, rate)
            self.scales[key] = self._moved("scale", key, log, of_scale, rate)

    def _moved(self, kind: str, key: Key, value: F, gradient: F, rate: float) -> F:
        mean, square = self.means.get((kind, key), (np.zeros_like(value), np.zeros_like(value)))
        mean = MEAN * mean + (1 - MEAN) * gradient
        square = SQUARE * square + (1 - SQUARE) * gradient * gradient
        self.means[kind, key] = mean, square
        spread = np.sqrt(square / (1 - SQUARE**self.rounds)) + TINY
        moved: F = (value - rate / (1 - MEAN**self.rounds) * mean / spread).astype(np.float32)
        return moved

    def coded(self, model: LlamaWeights) -> CodedLlama:
        """The model of what was learnt."""
        matrices = {
            key: Coded(self.code, self.integers(key).astype(np.int8), np.exp(scale.astype(float)))
            for key, scale in self.scales.items()
        }
        norms: list[dict[str, Any]] = [
            {name: self.free[n, name] for name in NORMS} for n in range(len(model.layers))
        ]
        layers = tuple(
            replace(layer, **gains) for layer, gains in zip(model.layers, norms, strict=True)
        )
        depth = len(layers)
        learnt = replace(
            model, embedding=self.free[0, "embedding"], layers=layers, norm=self.free[depth, "norm"]
        )
        return with_codes(learnt, matrices)


def _batches(count: int, teaching: Teaching) -> Iterator[NDArray[np.int64]]:
    """Rows of texts for each round: all of them in a new order, then again."""
    rng = np.random.default_rng(teaching.seed)
    size = min(teaching.texts, count)
    left: NDArray[np.int64] = np.zeros(0, np.int64)
    for _ in range(teaching.rounds):
        if len(left) < size:
            left = rng.permutation(count)
        yield left[:size]
        left = left[size:]


def _steps(model: CodedLlama, texts: NDArray[np.int64]) -> dict[Key, float]:
    """The INT8 step of each vector that rounds, by what reads it."""
    reads: Reads = {}
    logits(model.real, texts, reads=reads)
    depth = len(model.real.layers)
    found = {(depth, "classifier"): fitted(reads[depth, "classifier"])}
    for n, layer in enumerate(model.real.layers):
        found |= {
            (n, name): fitted(reads[n, name]) for name in ("queries", "output", "gate", "down")
        }
        h = reads[n, "queries"]
        found[n, "keys"] = fitted(h @ layer.keys.T)
        found[n, "values"] = fitted(h @ layer.values.T)
    return found
