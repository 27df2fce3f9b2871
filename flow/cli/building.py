"""Runs a build for the command line: progress on stderr, tables on stdout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from flow.cli.output import print_document, print_json
from flow.cli.progress import Bars
from flow.cli.tables import show
from flow.errors import UsageError
from flow.pipeline.build import Build, build
from flow.pipeline.config import BuildConfig
from flow.report.codec import to_json
from flow.report.terminal import one
from flow.targets.registry import target

Configure = Callable[[Mapping[str, Any], Path | None, Mapping[str, Any]], BuildConfig]


def run_build(
    configure: Configure,
    options: Mapping[str, Any],
    config: Path | None,
    output: Path | None,
    bounds: tuple[str | None, str | None],
    as_json: bool,
) -> None:
    """Build, then print the report's tables (or its JSON) and where the folder is."""
    given = configure(options, config, {})
    recipe = target(given.target).suited(given)
    chosen = configure(options, config, recipe.defaults)
    if chosen.model is None:
        raise UsageError("no model is named", hint="flow build MODEL, or model in flow.toml")
    if output is None:
        raise UsageError("no output folder is named", hint="flow build MODEL -o OUT")
    with Bars() as bars:
        done = build(
            chosen, recipe, output,
            first=bounds[0], last=bounds[1], stages=bars.stages, progress=bars.steps,
        )  # fmt: skip
    if done.state.report is None:
        stage = done.seconds[-1][0]
        if as_json:
            print_json({"stage": stage, "folder": str(output)})
        else:
            click.echo(f"ended after stage {stage}: {output}")
        return
    if as_json:
        print_document(to_json(done.state.report))
        return
    show(one(done.state.report))
    _footer(done, output)


def _footer(done: Build, output: Path) -> None:
    times = ", ".join(f"{name} {seconds:.1f}" for name, seconds in done.seconds)
    click.echo(f"seconds: {times}; {sum(s for _, s in done.seconds):.1f} in all")
    click.echo(f"report: {output / 'report.html'}")
