"""`flow eval`: what the integer network answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flow.cli.language import is_language_model, language_options
from flow.cli.options import FILE, JSON, configuration, model_options
from flow.cli.output import print_json
from flow.cli.progress import Bars
from flow.cli.tables import columns
from flow.errors import printable


@click.command("eval")
@model_options
@language_options
@click.option("-o", "--output", type=FILE, required=True, help="The .npy or .npz to write.")
@click.option("--layers", is_flag=True, help="Every layer instead of the outputs, in an .npz.")
@click.option("--integers", is_flag=True, help="With --layers: the integers of the network.")
@JSON
def command(
    config: Path | None,
    output: Path,
    layers: bool,
    integers: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write what the integer network of MODEL, or of a build folder, answers to --data.

    Values are real: integer * scale, with the model's softmax or sigmoid applied. A float
    network gets 24 bits everywhere unless the options say otherwise; a network that does not
    quantise its inputs sees the samples exactly, up to 32 bits.

    --layers shows where a difference to the framework arises: what each layer of the model file
    answers (of a build folder: each layer of its network), the ends of its values, and the share
    of them below and above the range of its quantiser.

    Of a language model --data is a text, or tokens as an .npy; OUTPUT gets the logits after each
    token, and the accuracy beside the float model is told.
    """
    from flow.pipeline.evaluating import answer, ask
    from flow.pipeline.layer_answers import layer_answers
    from flow.pipeline.writing import write_arrays, write_named_arrays

    if integers and not layers:
        raise click.UsageError("--integers goes with --layers")
    chosen = configuration(options, config, {})
    if is_language_model(chosen):
        from flow.cli.language import eval_language

        if layers:
            raise click.UsageError("--layers is not for language models")
        eval_language(chosen, output, as_json)
        return
    rows: list[dict[str, Any]] = []
    with Bars() as bars:
        question = ask(chosen, bars.steps)
        if layers:
            found = layer_answers(question, integers, bars.steps)
            arrays = {layer.name: layer.values for layer in found}
            rows = [layer.facts() for layer in found]
        else:
            arrays = answer(question, bars.steps)
    if layers:
        write_named_arrays(output, arrays)
    else:
        write_arrays(output, list(arrays.values()))
    samples = len(next(iter(arrays.values())))
    if as_json:
        shapes = [{"name": name, "shape": list(array.shape[1:])} for name, array in arrays.items()]
        told = {"layers": rows} if layers else {"outputs": shapes}
        notes = list(question.notes)
        print_json({"output": str(output), "samples": samples, **told, "notes": notes})
        return
    if layers:
        _show(rows)
    click.echo(f"{samples} samples -> {output}")
    for note in question.notes:
        click.echo(f"note: {printable(note)}", err=True)


def _show(rows: list[dict[str, Any]]) -> None:
    """The table of the layers."""
    lines = []
    for row in rows:
        word = " wraps" if row["wraps"] else ""
        shares = [row["below"], row["above"]]
        said = ["" if share is None else f"{100 * share:.3g} %{word}" for share in shares]
        shape = "x".join(map(str, row["shape"])) or "1"
        ends = [f"{row[key]:.7g}" for key in ("least", "greatest")]
        lines.append([row["layer"], row["kind"], shape, *ends, *said])
    columns(["layer", "kind", "shape", "least", "greatest", "below", "above"], lines)
