"""`flow list`: what there is, from the docstrings."""

from __future__ import annotations

from typing import Any

import click

from flow.cli.options import JSON
from flow.cli.output import print_json

KINDS = ("targets", "passes", "approximations", "technologies", "stages", "primitives")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS))
@JSON
def command(kind: str, as_json: bool) -> None:
    """List targets, passes, approximations, technologies, stages or primitives."""
    found = rows(kind)
    if as_json:
        print_json([{"name": name, "summary": text} for name, text in found])
        return
    width = max((len(name) for name, _ in found), default=0)
    for name, text in found:
        click.echo(f"{name:{width}}  {text}")


def rows(kind: str) -> list[tuple[str, str]]:
    """Name and summary of everything of one of KINDS."""
    return _ROWS[kind]()


def _targets() -> list[tuple[str, str]]:
    from flow.targets.registry import TARGETS

    return [(recipe.name, recipe.summary) for recipe in TARGETS]


def _passes() -> list[tuple[str, str]]:
    from flow.passes.registry import PASSES

    return _with_options(PASSES)


def _approximations() -> list[tuple[str, str]]:
    from flow.passes.approximate.registry import GATE_APPROXIMATIONS, NETWORK_APPROXIMATIONS

    return _with_options((*NETWORK_APPROXIMATIONS, *GATE_APPROXIMATIONS))


def _with_options(kinds: tuple[Any, ...]) -> list[tuple[str, str]]:
    from flow.passes.base import option_names

    rows = []
    for kind in kinds:
        options = ",".join(name for name in option_names(kind))
        summary = (kind.__doc__ or "").strip().splitlines()[0]
        rows.append((kind.name + (f"{{{options}}}" if options else ""), summary))
    return rows


def _technologies() -> list[tuple[str, str]]:
    from flow.tech.debian import LIBRARIES
    from flow.tech.parts import load_part, parts
    from flow.tech.registry import load, technologies, voltages

    cells = [
        (f"{name}@{voltage:g}", load(name, voltage).title)
        for name in technologies()
        for voltage in voltages(name)
    ]
    debian = [(library.name, library.title) for library in LIBRARIES]
    return [*cells, *debian, *((name, load_part(name).title) for name in parts())]


def _stages() -> list[tuple[str, str]]:
    from flow.pipeline.circuit_stages import STAGES

    return [(stage.name, (type(stage).__doc__ or "").strip().splitlines()[0]) for stage in STAGES]


def _primitives() -> list[tuple[str, str]]:
    from flow.assets import asset

    folder = asset("rtl")
    files = sorted(folder.glob("*.v")) if folder.is_dir() else []
    return [(file.stem, _first_comment(file.read_text())) for file in files]


def _first_comment(text: str) -> str:
    return next((line[2:].strip() for line in text.splitlines() if line.startswith("//")), "")


_ROWS = {
    "targets": _targets,
    "passes": _passes,
    "approximations": _approximations,
    "technologies": _technologies,
    "stages": _stages,
    "primitives": _primitives,
}
