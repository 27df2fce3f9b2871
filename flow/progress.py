"""How long work tells what it does, without knowing who listens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Told what is being done: `done` of `total` steps are ready, None where nobody knows.

    It is called from any thread, often, and returns at once; it never raises.
    """

    def __call__(self, what: str, done: int = 0, total: int | None = None) -> None:
        """Take note."""
        ...


def silent(what: str, done: int = 0, total: int | None = None) -> None:
    """The Progress that nobody listens to."""


def counted(items: Sequence[T], what: str, progress: Progress) -> Iterator[T]:
    """The items; before each and at the end the progress is told how many are done."""
    for done, item in enumerate(items):
        progress(what, done, len(items))
        yield item
    progress(what, len(items), len(items))
