"""Tables of reports on stdout."""

from __future__ import annotations

import click
from rich.console import Console, RenderableType

PLAIN_WIDTH = 120
"""Columns where stdout is no terminal."""


def show(table: RenderableType) -> None:
    """Print to stdout, as wide as the terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    console.print(table)


def columns(titles: list[str], lines: list[list[str]]) -> None:
    """Print columns of texts, each as wide as its widest cell."""
    widths = [max(len(t), *(len(line[i]) for line in lines)) for i, t in enumerate(titles)]
    for line in [titles, *lines]:
        cells = (f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
