"""`flow train`: classifiers from data alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flow.cli.options import FILE, JSON, search_options


@click.command("train")
@search_options
@click.option(
    "--genetic", is_flag=True, help="By evolution: weights and hardware together, no gradients."
)
@click.option("-o", "--output", type=FILE, help="The search folder; an unfinished one goes on.")
@JSON
def command(spec: Path, output: Path | None, genetic: bool, as_json: bool, **options: Any) -> None:
    """Train classifiers for the data of a specification; the result is a folder as of flow search.

    With --genetic, evolution learns weights and hardware at once, from chance and decision trees.
    Without it, networks with powers of two as weights are trained by gradients, and nothing
    evolves.
    """
    from flow.cli.searching import search

    if genetic:
        search(spec, output, as_json=as_json, start=("trees",), **options)
        return
    options["generations"] = 0
    search(spec, output, as_json=as_json, start=("gradient",), **options)
