"""`flow check`: everything that stands in the way of a model, at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from flow.cli.options import configuration, model_options
from flow.errors import printable


@click.command("check")
@model_options
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(config: Path | None, as_json: bool, **options: Any) -> None:
    """Name every obstacle of MODEL with a way out, or show the integer network it becomes.

    Exit code 3 if something stands in the way. Nothing is built.
    """
    from flow.pipeline.checking import examine

    network, notes = examine(configuration(options, config, {}))
    if as_json:
        click.echo(json.dumps({"layers": network, "notes": notes}, indent=2))
        return
    columns = list(network[0])
    rows = [[str(row[column]) for column in columns] for row in network]
    widths = [max(len(c), *(len(r[i]) for r in rows)) for i, c in enumerate(columns)]
    for row in [columns, *rows]:
        click.echo(
            "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    for note in notes:
        click.echo(f"note: {printable(note)}")
    click.echo("nothing stands in the way")
