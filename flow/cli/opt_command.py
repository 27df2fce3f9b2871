"""`flow opt`: passes on the text form of a circuit."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flow.cli.options import FILE


@click.command("opt")
@click.argument("file", type=FILE)
@click.option("-p", "--passes", default="", help='e.g. "simplify,balance-adders{max-depth=4}".')
@click.option("--print-between", is_flag=True, help="Print the circuit after every pass.")
@click.option("--time", "timed", is_flag=True, help="Seconds and nodes of each pass, on stderr.")
@click.option("--check", "checked", is_flag=True, help="Compare on vectors after every exact pass.")
@click.option("--seed", type=int, default=0, help="Of the vectors.", show_default=True)
def command(
    file: Path, passes: str, print_between: bool, timed: bool, checked: bool, seed: int
) -> None:
    """Read a circuit from FILE (- is stdin), run passes, print the circuit."""
    from flow.ir.text import parse_circuit, print_circuit
    from flow.passes.base import Observer, PassManager, Step, check_exact
    from flow.passes.pipeline_text import parse_pipeline
    from flow.pipeline.reading import read_text

    def show_time(step: Step) -> None:
        nodes = sum(1 for _ in step.after.walk())
        click.echo(f"{step.name}: {step.seconds:.3f} s, {nodes} nodes", err=True)

    def show(step: Step) -> None:
        click.echo(f"# after {step.name}\n{print_circuit(step.after)}", nl=False)

    observers: list[Observer] = []
    if checked:
        observers.append(check_exact(seed=seed))
    if timed:
        observers.append(show_time)
    if print_between:
        observers.append(show)
    text = sys.stdin.read() if str(file) == "-" else read_text(file)
    circuit = PassManager(parse_pipeline(passes), tuple(observers)).run(
        parse_circuit(text, str(file))
    )
    if not print_between:
        click.echo(print_circuit(circuit), nl=False)
