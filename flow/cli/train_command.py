"""`flow train`: classifiers from data alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flow.cli.options import FILE, JSON, Loss, search_options
from flow.errors import UsageError


@click.command("train")
@search_options
@click.option(
    "--genetic", is_flag=True, help="By evolution: weights and hardware together, no gradients."
)
@click.option("--baseline", is_flag=True, help="The exact perceptron: one layer, 8-bit weights.")
@click.option("--clusters", is_flag=True, help="The exact one again, with cheap weights only.")
@click.option("--qat", is_flag=True, help="By QKeras, if it is installed: powers of two.")
@click.option("--binary", is_flag=True, help="Weights -1 and 1, signs between the layers.")
@click.option("--ternary", is_flag=True, help="The same with weights -1, 0 and 1.")
@click.option(
    "--robust", metavar="WHAT",
    help="For what befalls weights: quantisation, faults, variability (with commas), or all.",
)  # fmt: skip
@click.option("--estimator", help="Of --binary, --ternary: ste, reste or biper.  [ste]")
@click.option("--loss", type=Loss(), help="Accuracy that --clusters may lose, e.g. 1%.  [1%]")
@click.option("-o", "--output", type=FILE, help="The folder; an unfinished search goes on.")
@JSON
def command(
    spec: Path,
    output: Path | None,
    genetic: bool,
    baseline: bool,
    clusters: bool,
    qat: bool,
    binary: bool,
    ternary: bool,
    robust: str | None,
    estimator: str | None,
    loss: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train classifiers for the data of a specification.

    With --genetic, evolution learns weights and hardware at once, from chance and decision trees.
    Without it, networks with powers of two as weights are trained by gradients, and nothing
    evolves. Both give a folder as of flow search.

    --robust trains a perceptron, of the first hidden layer of SPEC, that loses less where weights
    are rounded, stuck or spread; it says what is left with 10 % of the weights stuck, and with a
    spread of 30 %.

    --baseline, --clusters, --qat, --binary, --ternary and --robust train one network, and give a
    folder with its model, its data and a flow.toml: flow build --config OUTPUT/flow.toml -o DIR
    builds it.
    """
    from flow.cli.searching import search, train_one

    ways = {"genetic": genetic, "baseline": baseline, "clusters": clusters, "qat": qat,
            "binary": binary, "ternary": ternary, "robust": robust is not None}  # fmt: skip
    chosen = [name for name, given in ways.items() if given]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} are two ways", hint="give one of them")
    if loss is not None and not clusters:
        raise UsageError("--loss is for --clusters", hint="name both, or neither")
    if estimator is not None and not (binary or ternary):
        raise UsageError("--estimator is for --binary and --ternary", hint="name one of them too")
    if chosen and chosen[0] != "genetic":
        data, seed = options["data"], options["seed"]
        train_one(chosen[0], spec, output, data, seed, loss, as_json, estimator, robust)
        return
    if genetic:
        search(spec, output, as_json=as_json, start=("trees",), **options)
        return
    options["generations"] = 0
    search(spec, output, as_json=as_json, start=("gradient",), **options)
