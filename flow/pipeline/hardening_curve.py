"""The curve of area against harm: several hardenings of one circuit, each simulated whole."""

from __future__ import annotations

from collections.abc import Sequence

from flow.pipeline.fault_harm import Harm, harm_of
from flow.pipeline.faulting import Subject
from flow.pipeline.hardening import Hardener, harmful_count, mean_loss, parse_hardening
from flow.progress import Progress, silent
from flow.report.faults import CurvePoint

CURVE = ("10%", "25%", "50%", "100%", "all")
"""The hardenings of a curve."""


def curve(
    subject: Subject,
    plain: Harm,
    chosen_on: Subject | None = None,
    texts: Sequence[str] = CURVE,
    progress: Progress = silent,
) -> tuple[CurvePoint, ...]:
    """What hardenings of the circuit take and leave, each simulated whole on the samples.

    The cells are chosen on the samples of `chosen_on`, by default on the same ones.
    """
    chooser = chosen_on or subject
    hardener = Hardener(subject.netlist, subject.technology, chooser.bits, chooser.judge, progress)
    before = harmful_count(plain)
    points = [
        CurvePoint("none", 0, 0, 0.0, plain.faults.count, before, before, mean_loss(plain))
    ]  # fmt: skip
    for text in texts:
        made = hardener.run(parse_hardening(text))
        progress(f"faults of the circuit hardened by {text}")
        harm = harm_of(made.netlist, subject.technology, subject.bits, subject.judge, most=1 << 40)
        area = subject.technology.area(made.netlist.histogram()) / subject.area - 1
        points.append(
            CurvePoint(
                text, made.tripled, made.voters, area, harm.faults.count, harmful_count(harm),
                before, mean_loss(harm),
            )
        )  # fmt: skip
    return tuple(points)
