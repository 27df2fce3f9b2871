"""What a circuit costs, and who can say so: search asks, the rooms above it answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flow.ir.network import Network
from flow.ir.tensor import IntArray
from flow.search.space import Space


@dataclass(frozen=True, slots=True, order=True)
class Cost:
    """The cells of a mapped circuit: area in um2 and mean leakage in nW, whole numbers."""

    area: int
    leakage: int


class MappedArea(Protocol):
    """Synthesises candidates; equal candidates cost the same in any batch and on any machine."""

    def genomes(self, space: Space, genomes: IntArray) -> list[Cost]:
        """The cost of every genome (P, genes)."""
        ...

    def networks(self, networks: Sequence[Network]) -> list[Cost]:
        """The cost of every network."""
        ...
