"""`flow search`: a front of small classifiers from data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flow.cli.options import FILE, JSON, search_options


@click.command("search")
@search_options
@click.option("-o", "--output", type=FILE, help="The search folder; an unfinished one goes on.")
@JSON
def command(spec: Path, output: Path | None, as_json: bool, **options: Any) -> None:
    """Search the front of accuracy against area for the data of a specification.

    SPEC is a TOML file; examples/printed has some. The last 30 % of the data are never seen.
    A search that was stopped goes on from its last generation when the command is repeated.
    `flow build OUTPUT --pick "loss<=1%" -o DIR` builds a point of the front.
    """
    from flow.cli.searching import search

    search(spec, output, as_json=as_json, **options)
