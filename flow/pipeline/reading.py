"""Text files of the user, read with a limit."""

from __future__ import annotations

from pathlib import Path

from flow.errors import UsageError

MAX_BYTES = 1 << 28


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """The text of a file of at most `limit` bytes; UsageError where it cannot be read."""
    try:
        if path.stat().st_size > limit:
            raise UsageError(f"the file is larger than {limit} bytes", where=str(path))
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError("the file is not text", where=str(path)) from error
    except OSError as error:
        raise UsageError(
            f"the file cannot be read: {error.strerror}",
            where=str(path),
            hint="check the path and its rights",
        ) from error
