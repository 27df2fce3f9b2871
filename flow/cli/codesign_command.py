"""`flow codesign`: a width for each layer of a network, within a budget."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from flow.cli.options import FILE, JSON, model_options
from flow.errors import UsageError


class Amount(click.ParamType[float]):
    """A number such as 350000, 350k or 1.5M."""

    name = "amount"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number."""
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kMG]?)", str(value))
        if found is None:
            raise UsageError(f"{value!r} is no amount", hint="write 350000, 350k or 1.5M")
        return float(found[1]) * {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}[found[2]]


@click.command("codesign")
@model_options
@click.option("--bops", type=Amount(), help="Most bit operations of an inference: 350k.")
@click.option("--model-bits", type=Amount(), help="Most bits of all weights together.")
@click.option("--area", type=Amount(), help="Largest area, in bits of adders.")
@click.option("--widths", default="2-8", help="Narrowest and widest of a layer.", show_default=True)
@click.option(
    "--sensitivity", type=click.Choice(["trace", "exact"]), default="trace", show_default=True,
    help="Average trace times squared error, or the error's own curvature.",
)  # fmt: skip
@click.option("--epochs", type=int, default=40, show_default=True, help="Of retraining; 0: none.")
@click.option(
    "--distil", type=float, default=0.0, show_default=True,
    help="The given network's part, 0 to 1, in what is learned.",
)  # fmt: skip
@click.option(
    "--points", type=int, default=5, show_default=True,
    help="Other budgets to draw, each with mixed and with uniform widths.",
)  # fmt: skip
@click.option(
    "--sizes", type=int, default=0, show_default=True,
    help="Networks of other sizes and widths to train, by evolution.",
)  # fmt: skip
@click.option("--test", type=FILE, help="Samples to measure on.  [a quarter of --data]")
@click.option("--seed", type=int, help="Where every choice by chance starts.")
@click.option("--target", help="Build the result for it too, in OUTPUT/build.")
@click.option("-o", "--output", type=FILE, help="The folder.")
@JSON
def command(
    config: Path | None,
    output: Path | None,
    bops: float | None,
    model_bits: float | None,
    area: float | None,
    widths: str,
    sensitivity: str,
    epochs: int,
    distil: float,
    points: int,
    sizes: int,
    test: Path | None,
    target: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find a width for each layer of a network within a budget, and retrain it.

    The quantisers of a network that has some are taken off first, and it teaches the new one.

    The sensitivity of each layer is the trace of the Hessian of its loss; an integer program
    chooses widths. OUTPUT gets a QONNX file, a flow.toml for flow build, and a page with designs
    of other budgets, mixed widths beside uniform ones.
    """
    from flow.cli.codesigning import run_codesign

    limits = {"bops": bops, "model_bits": model_bits, "area": area}
    asked = {
        "limits": {name: value for name, value in limits.items() if value is not None},
        "widths": _range(widths), "measure": sensitivity, "epochs": epochs, "distil": distil,
        "points": points, "sizes": sizes, "test": test,
    }  # fmt: skip
    run_codesign(options, config, asked, target, output, as_json)


def _range(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,3})-([0-9]{1,3})", text)
    if found is None:
        raise UsageError(f"--widths {text} are no widths", hint="write two numbers: 2-8")
    return int(found[1]), int(found[2])
