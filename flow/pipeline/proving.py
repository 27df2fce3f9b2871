"""The proofs of a design: its chain from circuit to netlist, and every exact pass."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from flow.backends.emission import Emission
from flow.ir.circuit import Circuit
from flow.pipeline.state import PassStep
from flow.progress import Progress, counted, silent
from flow.tech.technology import Technology
from flow.verify.chain import prove_chain
from flow.verify.passes import SAT_SECONDS, prove_pass
from flow.verify.verdict import Verdict


def prove_design(
    circuit: Circuit,
    emission: Emission,
    technology: Technology | None,
    passes: Sequence[PassStep],
    *,
    steps: Sequence[tuple[str, Path]],
    netlist: str | None,
    held: Sequence[str],
    limit_s: float,
    seed: int,
    progress: Progress = silent,
) -> tuple[Verdict, ...]:
    """A verdict for each link of `prove_chain`, then for each pass, within the time limit."""
    begin = time.monotonic()
    # Passes first: algebra proves most of them at once, where a link may take all the time.
    rest = [
        _pass(k, step, begin + limit_s / 2, seed + k)
        for k, step in enumerate(counted(passes, "passes proved", progress))
    ]
    chain = prove_chain(
        circuit, emission, technology,
        steps=steps, netlist=netlist, held=held, seed=seed,
        timeout_s=max(0.0, limit_s - (time.monotonic() - begin)), progress=progress,
    )  # fmt: skip
    return (*chain, *rest)


def _pass(index: int, step: PassStep, deadline: float, seed: int) -> Verdict:
    name = f"{index + 1:02d} {step.text}"
    left = deadline - time.monotonic()
    if not step.exact:
        detail = "it is an approximation: its circuit is what the rest is proved against"
        return Verdict(f"pass {name}", "not checked", detail, 0.0)
    if left <= 0:
        return Verdict(f"pass {name}", "not checked", "the time limit was reached before", 0.0)
    return prove_pass(name, step.before, step.after, seed=seed, timeout_s=min(left, SAT_SECONDS))
