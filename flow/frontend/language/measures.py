"""How near a quantised language model is to the float one: divergence, agreement, perplexity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Nearness:
    """Mean KL divergence (nats) from the float model, and the share of places with its argmax."""

    divergence: float
    agreement: float


def nearness(reference: Reals, other: Reals) -> Nearness:
    """Logits `[..., vocabulary]` of two models after the same tokens."""
    p, q = log_softmax(reference), log_softmax(other)
    divergence = float((np.exp(p) * (p - q)).sum(axis=-1).mean())
    agreement = float((reference.argmax(axis=-1) == other.argmax(axis=-1)).mean())
    return Nearness(divergence, agreement)


def perplexity(logits: Reals, tokens: Sequence[int] | NDArray[np.int64]) -> float:
    """Of texts: exp of the mean surprise at each token after the first; logits after each."""
    wanted = np.asarray(tokens, np.int64)[..., 1:, None]
    found = log_softmax(logits[..., : wanted.shape[-2], :])
    return float(np.exp(-np.take_along_axis(found, wanted, axis=-1).mean()))


def log_softmax(logits: Reals) -> Reals:
    """Logarithms of probabilities."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    found: Reals = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return found
