"""`flow eval`: what the integer network answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flow.cli.options import FILE, JSON, configuration, model_options
from flow.cli.output import print_json
from flow.cli.progress import Bars
from flow.errors import printable


@click.command("eval")
@model_options
@click.option("-o", "--output", type=FILE, required=True, help="The .npy or .npz to write.")
@JSON
def command(config: Path | None, output: Path, as_json: bool, **options: Any) -> None:
    """Write what the integer network of MODEL, or of a build folder, answers to --data.

    Values are real: integer * scale, with the model's softmax or sigmoid applied. A float
    network gets 24 bits everywhere unless the options say otherwise; a network that does not
    quantise its inputs sees the samples exactly, up to 32 bits.
    """
    from flow.pipeline.evaluating import answer
    from flow.pipeline.writing import write_arrays

    with Bars() as bars:
        found = answer(configuration(options, config, {}), bars.steps)
    write_arrays(output, list(found.outputs.values()))
    samples = len(next(iter(found.outputs.values())))
    if as_json:
        shapes = {name: list(array.shape[1:]) for name, array in found.outputs.items()}
        print_json(
            {
                "output": str(output),
                "samples": samples,
                "outputs": [{"name": name, "shape": shape} for name, shape in shapes.items()],
                "notes": list(found.notes),
            }
        )
        return
    click.echo(f"{samples} samples -> {output}")
    for note in found.notes:
        click.echo(f"note: {printable(note)}", err=True)
