"""Runs a build for the command line: progress on stderr, tables on stdout."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from flow.cli.tables import show
from flow.errors import UsageError
from flow.pipeline.build import STAGES, Build, build
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
    recipe = target(configure(options, config, {}).target)
    chosen = configure(options, config, recipe.defaults)
    if chosen.model is None:
        raise UsageError("no model is named", hint="flow build MODEL, or model in flow.toml")
    if output is None:
        raise UsageError("no output folder is named", hint="flow build MODEL -o OUT")
    with _Progress() as progress:
        done = build(
            chosen, recipe, output, first=bounds[0], last=bounds[1], progress=progress.stage
        )
    if done.state.report is None:
        stage = done.seconds[-1][0]
        ended = json.dumps({"stage": stage, "folder": str(output)})
        click.echo(ended if as_json else f"ended after stage {stage}: {output}")
        return
    if as_json:
        click.echo(to_json(done.state.report), nl=False)
        return
    show(one(done.state.report))
    _footer(done, output)


def _footer(done: Build, output: Path) -> None:
    times = ", ".join(f"{name} {seconds:.1f}" for name, seconds in done.seconds)
    click.echo(f"seconds: {times}; {sum(s for _, s in done.seconds):.1f} in all")
    click.echo(f"report: {output / 'report.html'}")


class _Progress:
    """A bar over the stages, on a terminal only."""

    def __enter__(self) -> _Progress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description:12}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bar.start()
        self._task = self._bar.add_task("", total=len(STAGES))
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def stage(self, name: str, seconds: float | None) -> None:
        """A stage begins, or has ended."""
        if seconds is None:
            self._bar.update(self._task, description=name)
        else:
            self._bar.advance(self._task)
