"""`flow check`: everything that stands in the way of a model, at once."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from flow.cli.language import is_language_model, language_options
from flow.cli.options import JSON, configuration, model_options
from flow.cli.output import print_json
from flow.cli.progress import Bars
from flow.cli.tables import columns
from flow.errors import printable


@click.command("check")
@model_options
@language_options
@JSON
def command(config: Path | None, as_json: bool, **options: Any) -> None:
    """Name every obstacle of MODEL with a way out, or show the integer network it becomes.

    With --data, also what the quantisation of each layer costs: bits, the range of what it
    reads and what of it saturates; for a float model the noise and the accuracy if this layer
    alone is quantised. Exit code 3 if something stands in the way. Nothing is built.

    Of a language model (llama2.c .bin, or the folder of a Hugging Face Llama or gpt-oss): the
    arrays of neurons it becomes, and how near its integers are to the float model on its own
    greedy story and on --data, a text or tokens.
    """
    from flow.pipeline.checking import examine
    from flow.report.quantisation import TITLES, rows

    chosen = configuration(options, config, {})
    if is_language_model(chosen):
        from flow.cli.language import check_language

        check_language(chosen, as_json)
        return
    with Bars() as bars:
        found = examine(chosen, bars.steps)
    if as_json:
        quantisation = [asdict(row) for row in found.quantisation]
        print_json({"layers": found.layers, "quantisation": quantisation, "notes": found.notes})
        return
    titles = list(found.layers[0])
    columns(titles, [[str(row[title]) for title in titles] for row in found.layers])
    if found.quantisation:
        click.echo("")
        columns(
            list(TITLES), [[printable(cell) for cell in row] for row in rows(found.quantisation)]
        )
    for note in found.notes:
        click.echo(f"note: {printable(note)}")
    click.echo("nothing stands in the way")
