"""What an operation of a Circuit is: an immutable node with operands, attributes and an interval.

An operand field comes before every attribute field. `evaluate` takes one value per operand and
works alike on Python integers and on numpy integer arrays, so a batch of samples costs one
numpy operation per node. Width and sign follow from `range` and are never stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, ClassVar

from flow.ir.interval import IntRange

Value = Any
"""A Python integer, or a numpy array of integers with one entry per sample."""

Reader = Callable[["Node"], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One integer operation. A Builder makes equal nodes the same object.

    Not an ABC: `isinstance` and `match` on one are several times slower.
    """

    mnemonic: ClassVar[str]
    arity: ClassVar[int]
    """Number of operand fields; -1 where the first field is a tuple of operands."""
    _readers: ClassVar[tuple[Reader, Reader]]
    """How to read the operands and the attributes, each as a tuple."""
    _key: ClassVar[Reader | None]
    """How to read what tells the attributes of two nodes apart; None where there are none."""

    range: IntRange = field(init=False, repr=False)
    operands: tuple[Node, ...] = field(init=False, repr=False)

    def __init_subclass__(cls) -> None:
        names = [n for n, kind in cls.__annotations__.items() if not kind.startswith("ClassVar")]
        count = abs(cls.arity)
        operands = attrgetter(names[0]) if cls.arity < 0 else _all_of(names[:count])
        cls._readers = operands, _all_of(names[count:])
        cls._key = attrgetter(*names[count:]) if names[count:] else None

    def __post_init__(self) -> None:
        _SET_OPERANDS(self, self._readers[0](self))
        _SET_RANGE(self, self.infer_range())

    @property
    def attributes(self) -> tuple[Any, ...]:
        """Values of the fields that are not operands, in order of declaration."""
        values: tuple[Any, ...] = self._readers[1](self)
        return values

    def with_operands(self, *operands: Node) -> Node:
        """The same operation on other operands."""
        if self.operands == operands:
            return self
        first: tuple[Any, ...] = (operands,) if self.arity < 0 else operands
        return type(self)(*first, *self._readers[1](self))

    def infer_range(self) -> IntRange:
        """The interval of the result, from the intervals of the operands."""
        raise NotImplementedError

    def evaluate(self, *operands: Value) -> Value:
        """The result for given values of the operands."""
        raise NotImplementedError


# What writes a field of an immutable node once, quicker than by its name.
_SET_OPERANDS = Node.__dict__["operands"].__set__
_SET_RANGE = Node.__dict__["range"].__set__


def field_names(kind: type[Node]) -> tuple[str, ...]:
    """Names of the fields of an operation: operands, then attributes."""
    names: tuple[str, ...] = getattr(kind, "__match_args__", ())
    return names


def _all_of(names: list[str]) -> Reader:
    match names:
        case []:
            return lambda node: ()
        case [name]:
            one = attrgetter(name)
            return lambda node: (one(node),)
    return attrgetter(*names)
