"""`flow verify`: hashes, vectors and proofs of a build folder again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from flow.cli.options import FILE, JSON
from flow.cli.output import print_json
from flow.cli.progress import Bars


@click.command("verify")
@click.argument("folder", type=FILE)
@click.option(
    "--prove-limit", type=click.FloatRange(0, 1e6), default=300.0, show_default=True,
    help="Seconds for all proofs together.",
)  # fmt: skip
@JSON
def command(folder: Path, prove_limit: float, as_json: bool) -> None:
    """Check every file of the build FOLDER, its vectors, its simulations and its proofs again.

    Exit code 5 if a file is not what the build wrote, or a check fails. Nothing is written.
    """
    from flow.cli.tables import show
    from flow.pipeline.verifying import require_sound, verify
    from flow.report.record import Check
    from flow.report.terminal import checks

    with Bars() as bars:
        verdicts = verify(folder, prove_limit, bars.steps)
    rows = [Check(v.check, v.status, v.detail) for v in verdicts]
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        show(checks(rows))
    require_sound(verdicts, folder)
