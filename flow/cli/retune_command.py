"""`flow retune`: flash cells of a build get other threshold voltages, for paths that are late."""

from __future__ import annotations

import json
from pathlib import Path

import click

from flow.cli.options import FILE, JSON
from flow.cli.output import print_document
from flow.cli.progress import Bars


@click.command("retune")
@click.argument("folder", type=FILE)
@click.option(
    "--slack",
    type=FILE,
    required=True,
    help="Lines `NAME SLACK`: a flash cell, and ps it has left.",
)
@JSON
def command(folder: Path, slack: Path, as_json: bool) -> None:
    """Program flash cells of the build FOLDER anew, after fabrication.

    Each cell of negative slack gets voltages that make it faster by what is missing. That it
    still decides as its gate is proved from the new file at every minimal true and maximal false
    point, and simulated in SPICE. The new programming file, flash/program-N.txt, is added to
    FOLDER; where a cell cannot be made fast enough, nothing is written.
    """
    from flow.pipeline.retuning import retune_folder

    with Bars() as bars:
        found = retune_folder(folder, slack, bars.steps)
    if as_json:
        document = {
            "file": found.file,
            "cells": [
                {
                    "name": one.after.name,
                    "before_ps": one.before.delay_ps,
                    "after_ps": one.after.delay_ps,
                    "margin_ua": round(one.after.voltages.margin_ua, 3),
                }
                for one in found.cells
            ],
            "checks": [{"check": v.check, "status": v.status} for v in found.verdicts],
        }
        print_document(json.dumps(document, indent=2))
        return
    for one in found.cells:
        click.echo(f"{one.after.name}: {one.before.delay_ps} ps -> {one.after.delay_ps} ps")
    for verdict in found.verdicts:
        click.echo(str(verdict))
    click.echo(f"programming file: {found.file}")
