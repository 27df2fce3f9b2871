"""Verdicts of a stage, written down and enforced."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from flow.errors import CheckFailed
from flow.pipeline.folder import write_file
from flow.verify.verdict import Verdict

TIMING = "timing"
"""The check whether a circuit keeps its period: no question of right and wrong."""
FILE = "verdicts.json"


def write_verdicts(own: Path, verdicts: Sequence[Verdict]) -> None:
    """verdicts.json, without times: equal builds give equal bytes."""
    rows = [{"check": v.check, "status": v.status, "detail": v.detail} for v in verdicts]
    write_file(own, FILE, json.dumps(rows, indent=2) + "\n")


def read_verdicts(own: Path) -> tuple[Verdict, ...]:
    """The verdicts that a stage of an earlier build wrote."""
    rows = json.loads((own / FILE).read_text())
    return tuple(Verdict(row["check"], row["status"], row["detail"], 0.0) for row in rows)


def require_right(verdicts: Sequence[Verdict]) -> None:
    """Raise CheckFailed where a netlist is wrong; one that is only too slow is right."""
    require_good([verdict for verdict in verdicts if verdict.check != TIMING])


def require_good(verdicts: Sequence[Verdict]) -> None:
    """Raise CheckFailed where a check found the design wrong; `not checked` is no failure."""
    bad = [verdict for verdict in verdicts if verdict.bad]
    if bad:
        more = f"; and {len(bad) - 1} more checks" if len(bad) > 1 else ""
        raise CheckFailed(
            f"{bad[0].check}: {bad[0].status}: {bad[0].detail}{more}",
            hint="nothing was written; please report it with the model or 03-optimise/circuit.flow",
        )
