"""Options that several commands share, and how they become a BuildConfig."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from flow.pipeline.config import (
    BuildConfig,
    check_config,
    is_store,
    parse_loss,
    parse_period,
    read_config,
)

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)


JSON = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on stdout, for machines."
)


class Loss(click.ParamType[float]):
    """A share such as 0.01 or 1%."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The share as a number."""
        return value if isinstance(value, float) else parse_loss(str(value))


class Clock(click.ParamType[float]):
    """A clock period such as 6.25ns, 160MHz or 6.25."""

    name = "clock"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The period in ns."""
        return value if isinstance(value, float) else parse_period(str(value))


def model_options(command: F) -> F:
    """The model, its data, and its quantisation."""
    for option in reversed(
        (
            click.argument("model", type=FILE, required=False),
            click.option(
                "--weights",
                multiple=True,
                help="Weights of a Keras .json model; or how a circuit holds them: constants, "
                "registers, banks=N.",
            ),
            click.option("--data", type=FILE, help="Samples: .npy, .npz, or .csv with labels."),
            click.option("--calibrate", type=FILE, help="Samples for quantisation.  [--data]"),
            click.option("--pick", help='Of a search folder: "loss<=1%", "area<=1cm2", an index.'),
            click.option("--config", type=FILE, help="A flow.toml with any of these options."),
            click.option("--input-bits", type=int, help="Bits of each input."),
            click.option("--weight-bits", type=int, help="Bits of each weight of a float net."),
            click.option(
                "--activation-bits", type=int, help="Bits of each hidden value; 0 is full width."
            ),
            click.option("--layer-bits", help="Widths of single layers: fc1=4,fc2=6:8."),
            click.option(
                "--per-channel/--per-tensor", default=None, help="A step for each output, or one."
            ),
            click.option(
                "--per-input/--not-per-input", default=None, help="A step for each input too."
            ),
            click.option("--weight-step", help="power_of_two, or best of any."),
            click.option("--weight-rounding", help="nearest, or adaptive: answers change least."),
            click.option(
                "--equalise/--no-equalise", default=None, help="Ranges of channels made alike."
            ),
            click.option(
                "--bias-correction/--no-bias-correction",
                default=None,
                help="Biases take mean errors back.  [on]",
            ),
            click.option("--range", help="Of activations: max, percentile, mse or cross_entropy."),
            click.option("--percentile", type=float, help="For --range percentile.  [99.9]"),
            click.option(
                "--loss", type=Loss(), help="Accuracy that may be lost, e.g. 1%: searches widths."
            ),
            click.option("--head", help="auto, decision (a class) or logits."),
        )
    ):
        command = option(command)
    return command


def configuration(
    options: Mapping[str, Any], config: Path | None, defaults: Mapping[str, Any]
) -> BuildConfig:
    """Options over the keys of flow.toml over the defaults of a target, checked."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    for value in given.pop("weights", ()):
        if is_store(value):
            given["weight_store"] = value
        else:
            given["weights"] = Path(value)
    from_file = read_config(config) if config is not None else {}
    return check_config(replace(BuildConfig(), **{**defaults, **from_file, **given}))


def search_options(command: F) -> F:
    """The specification of a search, its data, and where it runs."""
    for option in reversed(
        (
            click.argument("spec", type=FILE),
            click.option("--data", type=FILE, help="The table, in place of the one SPEC names."),
            click.option("--workers", type=int, help="Processes of this machine.  [1]"),
            click.option("--scheduler", help="A Dask cluster: tcp://HOST:PORT."),
            click.option("--generations", type=int, help="In place of those of SPEC."),
            click.option("--seed", type=int, help="In place of that of SPEC."),
        )
    ):
        command = option(command)
    return command
