"""Stage `prove`: passes by algebra or SAT; Verilog, synthesis steps and netlist as a chain."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from flow.backends.netlist_text import netlist_verilog
from flow.pipeline.state import State, have
from flow.pipeline.verdicts import read_verdicts, require_good, write_verdicts
from flow.verify.chain import prove_chain
from flow.verify.passes import SAT_SECONDS, prove_pass
from flow.verify.verdict import Verdict


@dataclass(frozen=True)
class Prove:
    """Prove circuit = Verilog = mapped netlist, and every exact pass, within the time limit."""

    name = "prove"

    def run(self, state: State, out: Path, own: Path) -> State:
        """verdicts.json; raises CheckFailed where something is disproved."""
        limit = state.config.prove_limit
        deadline = time.monotonic() + limit
        synthesis = have(state.synthesis)
        technology = have(state.technology)
        verdicts = list(
            prove_chain(
                have(state.circuit),
                have(state.emission),
                technology,
                steps=synthesis.steps,
                netlist=netlist_verilog(synthesis.netlist, technology),
                held=synthesis.held,
                timeout_s=limit,
                seed=state.config.seed + 1,
            )
        )
        for k, step in enumerate(state.steps):
            left = deadline - time.monotonic()
            name = f"{k + 1:02d} {step.text}"
            if not step.exact:
                detail = "it is an approximation: its circuit is what the rest is proved against"
                verdicts.append(Verdict(f"pass {name}", "not checked", detail, 0.0))
            elif left <= 0:
                detail = "the time limit was reached before"
                verdicts.append(Verdict(f"pass {name}", "not checked", detail, 0.0))
            else:
                seed = state.config.seed + 1 + k
                wait = min(left, SAT_SECONDS)
                verdicts.append(
                    prove_pass(name, step.before, step.after, seed=seed, timeout_s=wait)
                )
        write_verdicts(own, verdicts)
        require_good(verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The verdicts of the earlier build: the same graphs were proved."""
        verdicts = read_verdicts(earlier)
        write_verdicts(own, verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))
