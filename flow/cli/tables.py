"""Tables of reports on stdout."""

from __future__ import annotations

from rich.console import Console, RenderableType

PLAIN_WIDTH = 120
"""Columns where stdout is no terminal."""


def show(table: RenderableType) -> None:
    """Print to stdout, as wide as the terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    console.print(table)
