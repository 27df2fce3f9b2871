"""Bars for work that takes its time: on stderr, and only where that is a terminal."""

from __future__ import annotations

from threading import Lock
from typing import Any

from flow.errors import printable


class Bars:
    """Two rows that appear while work runs and vanish after: stages, and the current step.

    `stages` and `steps` are Progress functions. Rows without a total pulse.
    """

    def __enter__(self) -> Bars:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        console = Console(stderr=True)
        self._lock = Lock()
        self._rows: dict[str, Any] = {}
        self._bar = Progress(
            TextColumn("{task.description:32}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            Elapsed(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def stages(self, what: str, done: int = 0, total: int | None = None) -> None:
        """The upper row; a new stage empties the lower one."""
        self._show("stages", what, done, total)
        with self._lock:
            if (row := self._rows.pop("steps", None)) is not None:
                self._bar.remove_task(row)

    def steps(self, what: str, done: int = 0, total: int | None = None) -> None:
        """The lower row, or the only one."""
        self._show("steps", what, done, total)

    def _show(self, name: str, what: str, done: int, total: int | None) -> None:
        text = printable(what, 60)
        with self._lock:
            if name not in self._rows:
                self._rows[name] = self._bar.add_task(text, total=total, completed=done)
            else:
                self._bar.update(self._rows[name], description=text, completed=done, total=total)
