"""`flow array`: a matrix of weights as wires over an array of equal neurons."""

from __future__ import annotations

from pathlib import Path

import click

from flow.cli.options import FILE, JSON


@click.command("array")
@click.argument("weights", type=FILE)
@click.option("-o", "--output", type=FILE, help="A folder for the Verilog.")
@click.option("--tensor", help="The matrix, where the file has several.")
@click.option("--expert", type=int, help="One of a tensor's experts, from 0.")
@click.option("--code", help="fp4, mxfp4, ternary or int4, of float weights.  [fp4]")
@click.option("--bits", type=int, help="Bits of an input, in two's complement.  [8]")
@click.option("--slack", type=float, help="A share of ports more than these weights need.  [0]")
@click.option("--base", type=FILE, help="A folder of `flow array`: only its wires change.")
@click.option("--workers", type=int, help="Processes of this machine.  [1]")
@click.option("--scheduler", help="A Dask cluster: tcp://HOST:PORT.")
@JSON
def command(
    weights: Path,
    output: Path | None,
    tensor: str | None,
    expert: int | None,
    code: str | None,
    bits: int | None,
    slack: float | None,
    base: Path | None,
    workers: int | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Hardwire one matrix: inputs are routed to the region of their weight's value.

    WEIGHTS is a .npy file (a row for each neuron), a .safetensors file, an index of shards, or a
    model's folder; it is read in blocks, so that its size does not matter. Floats are quantised,
    integers are wired as they are. OUTPUT gets neuron.v, array.v and base.json, which do not
    depend on the weights, and wires.v, which is all that other weights change.
    """
    from flow.cli.output import print_json
    from flow.cli.progress import Bars
    from flow.errors import UsageError
    from flow.pipeline.arrays import ArrayOptions, facts, form_of, write_array

    if output is None:
        raise UsageError("no output folder is named", hint="flow array WEIGHTS -o OUT")
    if workers is not None and scheduler is not None:
        raise UsageError("--workers and --scheduler name two places", hint="give one of them")
    options = ArrayOptions(tensor, expert, form_of(code), bits, slack, base)
    with Bars() as bars:
        found = write_array(
            weights, output, options,
            workers=1 if workers is None else workers, scheduler=scheduler, progress=bars.steps,
        )  # fmt: skip
    if as_json:
        print_json(facts(found))
        return
    array = found.array
    click.echo(f"neurons   {array.neurons} of {array.inputs} inputs, {array.base.bits} clocks")
    click.echo(f"weights   {found.weights} that are not zero, on {found.ports} ports")
    click.echo(f"wires     {output / 'wires.v'}")
