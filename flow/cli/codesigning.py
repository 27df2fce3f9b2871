"""Runs a codesign for the command line: progress on stderr, the designs on stdout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from flow.cli.options import configuration
from flow.cli.output import print_document
from flow.cli.progress import Bars
from flow.cli.tables import columns
from flow.errors import UsageError
from flow.pipeline.build import build
from flow.pipeline.codesigning import (
    BUILD,
    CONFIG,
    PAGE,
    CodesignOptions,
    codesign,
    write_codesign,
)
from flow.pipeline.config import check_config, read_config
from flow.report.codesign import table, to_json
from flow.targets.registry import target as recipe_of


def run_codesign(
    options: Mapping[str, Any],
    config: Path | None,
    asked: Mapping[str, Any],
    target: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Find widths, write the folder, build it where a target is named, and print the designs."""
    if output is None:
        raise UsageError("no output folder is named", hint="flow codesign MODEL --data D -o OUT")
    recipe = None if target is None else recipe_of(target)
    chosen = configuration(options, config, {})
    with Bars() as bars:
        found = codesign(chosen, CodesignOptions(**asked), bars.steps)
        write_codesign(found, output)
    if recipe is not None:
        keys = {**recipe.defaults, **read_config(output / CONFIG), "target": target}
        built = check_config(replace(type(chosen)(), **keys))
        with Bars() as bars:
            build(built, recipe, output / BUILD, stages=bars.stages, progress=bars.steps)
    if as_json:
        print_document(to_json(found.record))
        return
    titles, *rows = table(found.record)
    columns(list(titles), [list(row) for row in rows])
    click.echo(f"page: {output / PAGE}")
    if recipe is None:
        click.echo(f"next: flow build --config {output / CONFIG} -o DIR")
    else:
        click.echo(f"report: {output / BUILD / 'report.html'}")
