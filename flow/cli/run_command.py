"""`flow run`: a chip of the target lpu tells a text, in Verilator."""

from __future__ import annotations

from pathlib import Path

import click

from flow.cli.options import FILE, JSON


@click.command("run")
@click.argument("folder", type=FILE)
@click.option("--prompt", default="", help="How the text begins.")
@click.option("--tokens", type=int, help="Tokens that the chip says.  [100, or what it holds]")
@click.option("--temperature", type=float, default=0.0, help="0 takes the likeliest.  [0]")
@click.option("--seed", type=int, default=1, help="Where the chip's random numbers begin.  [1]")
@JSON
def command(
    folder: Path, prompt: str, tokens: int | None, temperature: float, seed: int, as_json: bool
) -> None:
    """Let the chip in FOLDER go on with a text: its RTL itself, simulated, token by token.

    FOLDER is what `flow build MODEL --target lpu -o FOLDER` has written. Verilator compiles the
    chip once; the program is kept for later runs. The model ends a text where it likes.
    """
    from flow.cli.output import print_json
    from flow.cli.progress import Bars
    from flow.pipeline.running import RunOptions, open_chip

    with Bars() as bars:
        chip = open_chip(folder, RunOptions(prompt, tokens, temperature, seed), bars.steps)
    if not as_json:
        click.echo(chip.begin, nl=False)
    for piece in chip.told():
        if not as_json:
            click.echo(piece, nl=False)
    if as_json:
        print_json(chip.facts())
        return
    click.echo()
    click.echo(chip.summary(), err=True)
