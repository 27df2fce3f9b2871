"""Test vectors of a built circuit: made, replayed by another simulator, written for a tester."""

from __future__ import annotations

import json

import numpy as np

from flow.analysis.stuck_at import Faults, faults_of
from flow.backends.tester import hex_words, stil
from flow.errors import CheckFailed, ToolNotFound
from flow.pipeline.faulting import Subject
from flow.progress import Progress, silent
from flow.report.faults import Vectors
from flow.verify.atpg import FaultVectors, vectors_for
from flow.verify.replay import Replayed, first_shown, replay

REPLAYED = 100
"""Shown faults that Icarus replays, and redundant ones at most a fifth of that."""
PERIOD_NS = 1_000_000
"""Between two vectors of the file: 1 ms, slow enough for silicon; printed circuits need more."""


def make_vectors(
    subject: Subject, limit_s: float, seed: int, progress: Progress = silent
) -> tuple[FaultVectors, Vectors]:
    """Vectors for every testable fault of a circuit, with what a report says of them.

    CheckFailed where the replay in Icarus Verilog sees a fault elsewhere than our own simulator.
    """
    faults = faults_of(subject.netlist, subject.technology)
    made = vectors_for(faults, limit_s=limit_s, seed=seed, progress=progress)
    progress("replay in Icarus Verilog")
    found, wanted = _replayed(subject, faults, made, seed)
    agree = None
    if found is not None:
        agree = sum(a == b for a, b in zip(found.first, wanted, strict=True))
        if agree < len(wanted) or not found.clean:
            raise CheckFailed(
                f"Icarus Verilog sees {len(wanted) - agree} of {len(wanted)} faults elsewhere",
                where=subject.netlist.name,
                hint="this is a bug of flow or of Icarus: please report it",
            )
    facts = Vectors(
        len(made.vectors), len(faults.classes), len(made.shown), made.by_chance,
        len(made.redundant), len(made.undecided),
        None if found is None else len(wanted), agree,
    )  # fmt: skip
    return made, facts


def _replayed(
    subject: Subject, faults: Faults, made: FaultVectors, seed: int
) -> tuple[Replayed | None, list[int]]:
    """What Icarus sees of some faults, None where it is not here; and what it should see."""
    rng = np.random.default_rng(seed)
    numbers: list[int] = []
    for pool, most in ((made.shown, REPLAYED), (made.redundant, REPLAYED // 5)):
        count = min(most, len(pool))
        numbers += [pool[i] for i in sorted(rng.choice(len(pool), count, replace=False).tolist())]
    chosen = [faults.classes[k].members[0] for k in numbers]
    wanted = first_shown(faults, numbers, made.vectors)
    try:
        found = replay(
            subject.netlist, subject.technology, faults, chosen, made.vectors, made.answers
        )
    except ToolNotFound:
        return None, wanted
    return found, wanted


def vector_files(subject: Subject, made: FaultVectors) -> dict[str, str]:
    """vectors/: stuck_at.stil, inputs.hex, expected.hex, and layout.json with the order of bits."""
    netlist = subject.netlist
    layout = {
        "vectors": len(made.vectors),
        "inputs": list(netlist.input_bits),
        "outputs": list(netlist.output_bits),
    }
    return {
        "vectors/stuck_at.stil": stil(
            netlist.name, netlist.inputs, netlist.outputs, made.vectors, made.answers, PERIOD_NS
        ),
        "vectors/inputs.hex": hex_words(made.vectors),
        "vectors/expected.hex": hex_words(made.answers),
        "vectors/layout.json": json.dumps(layout, indent=1) + "\n",
    }
