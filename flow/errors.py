"""The whole exception tree.

FlowError                 shown to the user without a traceback
  UsageError              exit 2   the command line, the configuration, or an unreadable input
  UnsupportedModel        exit 3   the model cannot be represented exactly
  ToolError               exit 4
    ToolNotFound                   an external program is missing
    ToolFailed                     an external program ended badly, or in no time
  CheckFailed             exit 5
    Mismatch                       two levels of the design gave different results
  InternalError           exit 70  our bug: says what to attach to a report
    IRError                        a graph is malformed
    PassError                      a pass broke its promise
"""

from __future__ import annotations

from typing import ClassVar


class FlowError(Exception):
    """An error that a user can read: what, where, and what to do.

    `message` is one line; `where` names file, layer and index; `hint` says what to do.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)

    def show(self) -> str:
        """The text for the terminal: `error:`, then where, then a hint, a line each."""
        lines = [f"error: {printable(self.message)}"]
        if self.where:
            lines.append(f"  at {printable(self.where)}")
        if self.hint:
            lines.append(f"  hint: {printable(self.hint)}")
        return "\n".join(lines)

    def facts(self) -> dict[str, object]:
        """The same for machines: message, where, hint, and the exit code."""
        return {
            "message": self.message,
            "where": self.where,
            "hint": self.hint,
            "code": self.exit_code,
        }


class UsageError(FlowError):
    """The command line or the configuration is wrong, or an input cannot be read."""

    exit_code = 2


class UnsupportedModel(FlowError):
    """The model cannot be represented exactly. `obstacles` names every one that was found."""

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        obstacles: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.obstacles = obstacles

    def show(self) -> str:
        """The text for the terminal, with a line for each obstacle."""
        return "\n".join([super().show(), *(f"  - {printable(o)}" for o in self.obstacles)])

    def facts(self) -> dict[str, object]:
        """The same for machines, with a list of obstacles."""
        return super().facts() | {"obstacles": list(self.obstacles)}


class ToolError(FlowError):
    """An external program is missing or failed."""

    exit_code = 4


class ToolNotFound(ToolError):
    """An external program is not installed."""


class ToolFailed(ToolError):
    """An external program ended with an error or ran out of time. `log` holds its last lines."""

    def __init__(
        self, message: str, *, log: str = "", where: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.log = log

    def show(self) -> str:
        """The text for the terminal, with the last lines of the tool's log."""
        tail = [f"  | {printable(line)}" for line in self._tail()]
        return "\n".join([super().show(), *tail])

    def facts(self) -> dict[str, object]:
        """The same for machines, with the last lines of the tool's log."""
        return super().facts() | {"log": self._tail()}

    def _tail(self) -> list[str]:
        return self.log.splitlines()[-12:]


class ToolTimedOut(ToolFailed):
    """An external program ran out of time and was stopped."""


class CheckFailed(FlowError):
    """A check of the design failed; nothing was written."""

    exit_code = 5


class Mismatch(CheckFailed):
    """Two levels of the design differ on an input."""


class InternalError(FlowError):
    """A bug of flow, never of the user's model."""

    exit_code = 70


class IRError(InternalError):
    """A graph is malformed."""


class PassError(InternalError):
    """A pass broke its promise."""


def printable(text: str, limit: int = 500) -> str:
    """The text with control characters escaped, and cut, so that it is safe on a terminal."""
    safe = "".join(c if c.isprintable() or c == " " else ascii(c)[1:-1] for c in text[: limit + 1])
    return safe if len(text) <= limit else safe[:limit] + "..."


def _rebuild(
    kind: type[FlowError], args: tuple[object, ...], state: dict[str, object]
) -> FlowError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error
