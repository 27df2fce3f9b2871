"""`flow opt`: passes on the text form of a circuit."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import click

from flow.cli.options import FILE, JSON
from flow.cli.output import print_json
from flow.cli.progress import Bars


@click.command("opt")
@click.argument("file", type=FILE)
@click.option("-p", "--passes", default="", help='e.g. "simplify,balance-adders{max-depth=4}".')
@click.option("--print-between", is_flag=True, help="Print the circuit after every pass.")
@click.option("--time", "timed", is_flag=True, help="Seconds and nodes of each pass, on stderr.")
@click.option("--check", "checked", is_flag=True, help="Compare on vectors after every exact pass.")
@click.option("--seed", type=int, default=0, help="Of the vectors.", show_default=True)
@JSON
def command(
    file: Path,
    passes: str,
    print_between: bool,
    timed: bool,
    checked: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Read a circuit from FILE (- is stdin), run passes, print the circuit."""
    from flow.ir.circuit import Circuit
    from flow.ir.text import parse_circuit, print_circuit
    from flow.passes.base import Observer, PassManager, Step, check_exact
    from flow.passes.pipeline_text import parse_pipeline
    from flow.pipeline.reading import read_text

    rows: list[dict[str, Any]] = []

    def nodes(circuit: Circuit) -> int:
        return sum(1 for _ in circuit.walk())

    def show_time(step: Step) -> None:
        click.echo(f"{step.name}: {step.seconds:.3f} s, {nodes(step.after)} nodes", err=True)

    def show(step: Step) -> None:
        click.echo(f"# after {step.name}\n{print_circuit(step.after)}", nl=False)

    def keep(step: Step) -> None:
        row: dict[str, Any] = {"pass": step.name, "nodes": nodes(step.after)}
        row |= {"seconds": step.seconds} if timed else {}
        rows.append(row | ({"circuit": print_circuit(step.after)} if print_between else {}))

    observers: list[Observer] = []
    if checked:
        observers.append(check_exact(seed=seed))
    if timed:
        observers.append(show_time)
    if as_json:
        observers.append(keep)
    elif print_between:
        observers.append(show)
    text = sys.stdin.read() if str(file) == "-" else read_text(file)
    chosen = parse_pipeline(passes)
    with Bars() as bars:
        ended = itertools.count(1)
        observers.append(lambda step: bars.steps(step.name, next(ended), len(chosen)))
        circuit = PassManager(chosen, tuple(observers)).run(parse_circuit(text, str(file)))
    if as_json:
        print_json({"passes": rows, "circuit": print_circuit(circuit)})
    elif not print_between:
        click.echo(print_circuit(circuit), nl=False)
