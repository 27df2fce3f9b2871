"""The Verdict: what one check of a design found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["proved", "passed", "disproved", "failed", "timed out", "not checked"]
"""proved: for every input; passed: for every vector that was simulated; disproved: a
counterexample is known; failed: a simulated vector differs, or a tool complains."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one check. `detail` is one line; `seconds` is wall time."""

    check: str
    status: Status
    detail: str
    seconds: float

    @property
    def good(self) -> bool:
        """Whether the check ran and found nothing wrong."""
        return self.status in ("proved", "passed")

    @property
    def bad(self) -> bool:
        """Whether the check found the design wrong."""
        return self.status in ("disproved", "failed")

    def __str__(self) -> str:
        return f"{self.check}: {self.status}" + (f" ({self.detail})" if self.detail else "")
