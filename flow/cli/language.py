"""What `flow check` and `flow eval` say of a language model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flow.cli.options import FILE, F
from flow.cli.output import print_json
from flow.cli.progress import Bars
from flow.cli.tables import columns
from flow.errors import UsageError, printable

if TYPE_CHECKING:
    from flow.pipeline.config import BuildConfig
    from flow.pipeline.language import Accuracy


def language_options(command: F) -> F:
    """How a language model becomes integers."""
    for option in (
        click.option(
            "--rounding",
            help="Of a language model, to codes: taught, calibrated, nearest.  [auto]",
        ),
        click.option(
            "--code", help="Weights of a language model: fp4, mxfp4, ternary, int4.  [fp4]"
        ),
        click.option("--tokenizer", type=FILE, help="Of a language model.  [the one beside it]"),
    ):
        command = option(command)
    return command


def is_language_model(config: BuildConfig) -> bool:
    """Whether the model of a configuration is a language model."""
    from flow.frontend.language.read import is_language

    return config.model is not None and is_language(config.model)


def check_language(config: BuildConfig, as_json: bool) -> None:
    """Prints the arrays of a language model and its accuracy."""
    from flow.pipeline.language import options_of
    from flow.pipeline.language_facts import examine_language

    assert config.model is not None
    with Bars() as bars:
        found = examine_language(config.model, options_of(config), config.data, bars.steps)
    if as_json:
        print_json(
            {"arrays": found.arrays, "accuracy": _told(found.accuracy), "notes": found.notes}
        )
        return
    columns(list(found.arrays[0]), [[str(cell) for cell in row.values()] for row in found.arrays])
    click.echo("")
    _show(found.accuracy)
    for note in found.notes:
        click.echo(f"note: {printable(note)}")
    click.echo("nothing stands in the way")


def eval_language(config: BuildConfig, output: Path, as_json: bool) -> None:
    """Writes the logits of a language program on a text, and prints its accuracy."""
    from flow.pipeline.language import options_of
    from flow.pipeline.language_facts import answer_language
    from flow.pipeline.writing import write_arrays

    assert config.model is not None
    if config.data is None:
        raise UsageError("there is no text", hint="give one, or tokens as an .npy, with --data")
    with Bars() as bars:
        scores, found = answer_language(config.model, options_of(config), config.data, bars.steps)
    write_arrays(output, [scores])
    if as_json:
        print_json(
            {"output": str(output), "tokens": len(scores), "accuracy": _told(found.accuracy),
             "notes": found.notes}
        )  # fmt: skip
        return
    _show(found.accuracy)
    click.echo(f"{len(scores)} tokens -> {output}")
    for note in found.notes:
        click.echo(f"note: {printable(note)}", err=True)


def _told(found: Mapping[str, Accuracy]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "agreement": one.nearness.agreement, "divergence": one.nearness.divergence,
            "perplexity": one.perplexity, "float_perplexity": one.reference,
        }
        for name, one in found.items()
    }  # fmt: skip


def _show(found: Mapping[str, Accuracy]) -> None:
    titles = ["text", "argmax agrees", "KL, nats", "perplexity", "of the float model"]
    rows: list[list[str]] = []
    for name, one in found.items():
        values: list[Any] = [
            f"{one.nearness.agreement:.3f}", f"{one.nearness.divergence:.4f}",
            f"{one.perplexity:.3f}", f"{one.reference:.3f}",
        ]  # fmt: skip
        rows.append([printable(name), *values])
    columns(titles, rows)
