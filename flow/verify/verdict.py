"""The Verdict: what one check of a design found."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from flow.errors import ToolError, ToolFailed, ToolNotFound, ToolTimedOut, printable

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


def tool_verdict(check: str, error: ToolError, begin: float) -> Verdict:
    """What a check found whose program is missing, ran out of time or complained.

    `begin` is when the check began, by time.monotonic().
    """
    status: Status = "failed"
    last: list[str] = []
    if isinstance(error, ToolNotFound):
        status = "not checked"
    elif isinstance(error, ToolTimedOut):
        status = "timed out"
    elif isinstance(error, ToolFailed):
        last = error.log.strip().splitlines()[-1:]
    detail = printable(": ".join([error.message, *last]))
    return Verdict(check, status, detail, time.monotonic() - begin)
