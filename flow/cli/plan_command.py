"""`flow plan`: a chip set for a language model that is far too large to build here."""

from __future__ import annotations

from pathlib import Path

import click

from flow.cli.options import FILE, JSON


@click.command("plan")
@click.argument("config", type=FILE)
@click.option("--constants", type=FILE, help="A TOML file of constants, edited.")
@click.option("--grid", help="Rows and columns of chips: 4x4.  [the fewest that fit]")
@click.option("--context", type=int, help="Tokens that a token attends to.  [2048]")
@click.option("-o", "--output", type=FILE, help="A folder for the page and all figures.")
@JSON
def command(
    config: Path,
    constants: Path | None,
    grid: str | None,
    context: int | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Plan the chips that hold a language model as wires: area, speed, power, masks, cost, carbon.

    CONFIG is a config.json of Hugging Face (Llama or gpt-oss), the folder of one, a safetensors
    index beside one, or a llama2.c .bin. The model behind the figures is fitted to one published
    machine; what is weak about it is said beside the figures. OUTPUT gets plan.html, plan.json
    and constants.toml, which says where each constant comes from and can be edited.
    """
    from flow.cli.output import print_document
    from flow.cli.tables import show
    from flow.pipeline.planning import PAGE, PlanOptions, plan, write_plan
    from flow.report.plan import to_json
    from flow.report.plan_terminal import plan_to_terminal

    found = plan(config, PlanOptions(constants, grid, context))
    if output is not None:
        write_plan(found, output)
    if as_json:
        print_document(to_json(found))
        return
    show(plan_to_terminal(found))
    if output is not None:
        click.echo(f"page: {output / PAGE}")
