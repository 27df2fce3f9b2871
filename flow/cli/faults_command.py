"""`flow faults`: what single faults of a built circuit cost, test vectors, and hardening."""

from __future__ import annotations

from pathlib import Path

import click

from flow.cli.options import FILE, JSON
from flow.cli.output import print_document
from flow.cli.progress import Bars


@click.command("faults")
@click.argument("folder", type=FILE)
@click.option("--data", type=FILE, help="Samples with labels.  [the vectors of FOLDER, agreement]")
@click.option("--choose-on", type=FILE, help="Samples that choose what is hardened.  [--data]")
@click.option("--curve", is_flag=True, help="Area and harm of several hardenings.")
@click.option("--vectors", is_flag=True, help="Test vectors for every testable fault.")
@click.option("--upsets", is_flag=True, help="Upsets of flip-flops in place of stuck lines.")
@click.option(
    "--most", type=click.IntRange(1), default=20_000, show_default=True,
    help="Lines, or flip-flops times clocks, beyond which faults are drawn by chance.",
)  # fmt: skip
@click.option(
    "--limit", type=click.FloatRange(0, 1e6), default=600.0, show_default=True,
    help="Seconds for the proofs of --vectors.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True,
              help="Where every choice by chance starts.")  # fmt: skip
@click.option("-o", "--output", type=FILE, help="The output folder.  [FOLDER-faults]")
@JSON
def command(
    folder: Path,
    data: Path | None,
    choose_on: Path | None,
    curve: bool,
    vectors: bool,
    upsets: bool,
    most: int,
    limit: float,
    seed: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Simulate every single stuck-at fault of the netlist in the build FOLDER.

    Writes faults.html with a heat map by layer and neuron, faults.json, and faults.csv with every
    fault, into a folder of their own: FOLDER stays as it is. A combinational circuit of cells is
    needed, as --target printed builds it.

    --vectors adds a set of inputs that shows every fault that can be shown, for a tester, and
    proves that the others change nothing. --curve tries the hardenings of flow build --harden.

    --upsets inverts every flip-flop of a circuit with registers in every clock, one at a time,
    writes upsets.json and upsets.csv, and says whether any upset makes it hang.
    """
    if upsets:
        _upsets(folder, output, most, seed, as_json, bool(data or choose_on or curve or vectors))
        return
    from flow.pipeline.fault_folder import Wanted, write_faults

    wanted = Wanted(data, choose_on, curve, vectors, most, limit, seed)
    place = output or folder.resolve().with_name(f"{folder.resolve().name}-faults")
    with Bars() as bars:
        found = write_faults(folder, wanted, place, bars.steps)
    if as_json:
        print_document(found.json)
        return
    _show(found.tables, found.line)
    click.echo(f"report: {place / 'faults.html'}")


def _upsets(
    folder: Path, output: Path | None, most: int, seed: int, as_json: bool, more: bool
) -> None:
    from flow.errors import UsageError
    from flow.pipeline.upsetting import TITLES, write_upsets

    if more:
        raise UsageError("--upsets stands alone", hint="leave out --data, --curve and --vectors")
    place = output or folder.resolve().with_name(f"{folder.resolve().name}-upsets")
    with Bars() as bars:
        found = write_upsets(folder, place, most, seed, bars.steps)
    if as_json:
        print_document(found.json)
        return
    _show((("registers", [TITLES, *found.rows]),), found.line)
    click.echo(f"report: {place / 'upsets.json'}")


def _show(tables: tuple[tuple[str, list[tuple[str, ...]]], ...], line: str) -> None:
    from flow.cli.tables import columns

    click.echo(line)
    for title, rows in tables:
        click.echo(f"\n{title}")
        columns(list(rows[0]), [list(row) for row in rows[1:]])
