"""Runs a search for the command line: progress on stderr, the front on stdout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from flow.cli.output import print_document, print_json
from flow.cli.progress import Bars
from flow.errors import UsageError
from flow.pipeline.searching import open_search, run_search
from flow.search.checkpoint import reached
from flow.search.front import FRONT, Front, print_front, read_front, table

TITLES = ("point", "train", "valid", "cm2", "mW")


def search(
    spec: Path,
    output: Path | None,
    data: Path | None,
    workers: int | None,
    scheduler: str | None,
    generations: int | None,
    seed: int | None,
    as_json: bool,
    start: tuple[str, ...] | None = None,
) -> None:
    """Search, then print the table of the front (or its JSON) and where it is.

    `start` replaces what the specification says of the first population.
    """
    if output is None:
        raise UsageError("no output folder is named", hint="flow search SPEC -o OUT")
    if workers is not None and scheduler is not None:
        raise UsageError("--workers and --scheduler name two places", hint="give one of them")
    found = open_search(spec, data, generations, seed)
    if start is not None:
        found = replace(found, spec=replace(found.spec, start=start))
    try:
        with Bars() as bars:
            front = run_search(
                found, output, workers=workers or 1, scheduler=scheduler, progress=bars.steps
            )
    except BaseException as error:
        if not isinstance(error, Exception):
            error.add_note(_kept(output))
        raise
    _print(front, as_json)
    if not as_json:
        if front.agreement is not None:
            click.echo(f"areas: rank correlation of estimate and mapping {front.agreement:.3f}")
        click.echo(f"front: {output / FRONT}")


def _kept(output: Path) -> str:
    """What an interrupted search leaves in its folder."""
    state = reached(output)
    if state is None:
        return "the search has no generation yet: it begins anew when the command is repeated"
    generation, rounds = state
    return (
        f"generation {generation} and {rounds} rounds of refinement are kept in {output}: "
        "repeat the command to go on from there"
    )


def train_one(
    way: str,
    spec: Path,
    output: Path | None,
    data: Path | None,
    seed: int | None,
    loss: float | None,
    as_json: bool,
    estimator: str | None = None,
    robust: str | None = None,
) -> None:
    """Train one network in a way (baseline, clusters, qat, binary, ternary or robust), then print
    what it reached. `estimator` is of binary networks, `robust` names regularisers."""
    from flow.pipeline import training

    if output is None:
        raise UsageError("no output folder is named", hint=f"flow train --{way} SPEC -o OUT")
    found = open_search(spec, data, None, seed)
    with Bars() as bars:
        if way == "clusters":
            share = 0.01 if loss is None else loss
            done = training.write_retrained(found, output, share, bars.steps)
        elif way == "qat":
            done = training.write_qkeras(found, output, bars.steps)
        elif way == "robust":
            done = training.write_robust(found, output, robust or "all", bars.steps)
        elif way in ("binary", "ternary"):
            passed = training.estimator_of(estimator)
            done = training.write_binary(found, output, passed, way == "ternary", bars.steps)
        else:
            done = training.write_baseline(found, output, bars.steps)
    if as_json:
        print_json({"folder": str(done.folder), **dict(done.facts)})
        return
    wide = max(8, *(len(name) for name, _ in done.facts)) + 2
    for name, value in done.facts:
        click.echo(f"{name:{wide}}{value}")
    click.echo(f"next: flow build --config {done.folder}/flow.toml -o DIR")


def show_front(folder: Path, html: Path | None, as_json: bool) -> None:
    """Print the front of a search folder; with `html`, write its page."""
    from flow.pipeline.writing import write_text
    from flow.report.front import front_to_html

    front = read_front(folder)
    if html is not None:
        write_text(html, front_to_html(front, str(folder)))
    _print(front, as_json)
    if html is not None and not as_json:
        click.echo(f"page: {html}")


def _print(front: Front, as_json: bool) -> None:
    if as_json:
        print_document(print_front(front))
        return
    rows = [TITLES, *table(front)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(TITLES))]
    for row in rows:
        click.echo("  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)))
