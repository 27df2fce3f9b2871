"""What a layer of a Network is: an immutable operation on integer tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from flow.ir.tensor import IntArray, TensorType


@dataclass(frozen=True, slots=True, eq=False)
class Layer(ABC):
    """One operation on integer tensors."""

    kind: ClassVar[str]

    name: str
    sources: tuple[str, ...]
    place: str

    @abstractmethod
    def infer_type(self, *sources: TensorType) -> TensorType:
        """The type of the result; IRError where the sources do not fit."""

    @abstractmethod
    def evaluate(self, *sources: IntArray) -> IntArray:
        """The result for a batch; int64, or Python integers where the source is that."""

    @property
    def decides(self) -> bool:
        """Whether the result is the index of a class, and no score."""
        return False

    def peak(self, *sources: TensorType) -> int:
        """A bound of every intermediate value's magnitude, beside source and result."""
        return 0
