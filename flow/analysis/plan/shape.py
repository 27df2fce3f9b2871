"""The sizes of a language model, and how many weights they make."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a decoder of the Llama or gpt-oss family; `experts` is 1 for a dense model.

    `inner` is the width inside a feed-forward network, `positions` the longest context (tokens).
    Norms, biases and attention sinks are not counted: they stay outside of the arrays.
    """

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    vocabulary: int
    positions: int
    experts: int = 1
    active_experts: int = 1
    tied: bool = False

    @property
    def attention(self) -> int:
        """Weights of the attention of a layer: queries, keys, values and output."""
        return self.hidden * (2 * self.heads + 2 * self.kv_heads) * self.head_dim

    @property
    def expert(self) -> int:
        """Weights of one expert, or of the feed-forward network of a dense layer."""
        return 3 * self.hidden * self.inner

    @property
    def router(self) -> int:
        """Weights that choose experts in a layer; none in a dense model."""
        return self.hidden * self.experts if self.experts > 1 else 0

    @property
    def unembedding(self) -> int:
        """Weights of the classifier."""
        return self.vocabulary * self.hidden

    @property
    def total(self) -> int:
        """All weights of the model."""
        tables = self.unembedding if self.tied else 2 * self.unembedding
        return self.layers * (self.attention + self.experts * self.expert + self.router) + tables

    @property
    def active(self) -> int:
        """Weights that a token meets in arrays."""
        layer = self.attention + self.active_experts * self.expert + self.router
        return self.layers * layer + self.unembedding

    def hardwired(self, chips: int) -> int:
        """Weights that so many chips hold: the router on each, the embedding table on none."""
        layer = self.attention + self.experts * self.expert + chips * self.router
        return self.layers * layer + self.unembedding
