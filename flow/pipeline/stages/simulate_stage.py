"""Stage `simulate`: the emitted Verilog runs on every sample, in two simulators and cocotb."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from flow.pipeline.state import State, have
from flow.pipeline.verdicts import read_verdicts, require_good, write_verdicts
from flow.progress import counted
from flow.verify.lint import lint
from flow.verify.simulate import (
    AXIS,
    CHIP,
    simulate_axis,
    simulate_chip,
    simulate_cocotb,
    simulate_icarus,
    simulate_verilator,
)
from flow.verify.verdict import Verdict

Check = Callable[[], tuple[Verdict, ...]]


@dataclass(frozen=True)
class Simulate:
    """Lint the Verilog; run the plain bench and the cocotb test on the user's samples."""

    name = "simulate"

    def run(self, state: State, out: Path, own: Path) -> State:
        """verdicts.txt; raises CheckFailed where a simulator disagrees with the network."""
        chosen = state.config.simulator
        top, axis = have(state.emission).top, have(state.emission).axis
        checks: list[Check] = [lambda: lint(out, top)]
        if axis is not None:
            checks.append(lambda: lint(out, axis.top, of=AXIS))
            if chosen != "none":
                checks.append(lambda: (simulate_axis(out),))
        if (store := have(state.emission).store) is not None:
            chip, size = store.top, store.bytes
            # The circuit has a lint of its own: Yosys reads its ports alone.
            checks.append(lambda: lint(out, chip, of=CHIP, boxes=f"{top}."))
            if chosen != "none":
                checks.append(lambda: (simulate_chip(out, size, chosen),))
        if chosen in ("icarus", "both"):
            checks.append(lambda: (simulate_icarus(out),))
            checks.append(lambda: (simulate_cocotb(out),))
        if chosen in ("verilator", "both"):
            checks.insert(0, lambda: (simulate_verilator(out),))
        with ThreadPoolExecutor(max_workers=2) as pool:
            ended = counted(checks, "linters and simulators", state.progress)
            running = pool.map(lambda check: check(), checks)
            verdicts = [v for _, found in zip(ended, running, strict=True) for v in found]
        verdicts.sort(key=lambda verdict: verdict.check)
        write_verdicts(own, verdicts)
        require_good(verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The verdicts of the earlier build: its Verilog was made of the same circuit."""
        verdicts = read_verdicts(earlier)
        write_verdicts(own, verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))
