"""Stage `simulate` of the array: cycle model, RTL in Verilator, cocotb on whole samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.pipeline.lanes import port_inputs
from flow.pipeline.state import State, have
from flow.pipeline.tulip import array_inputs
from flow.pipeline.verdicts import read_verdicts, require_good, write_verdicts
from flow.verify.lint import lint
from flow.verify.simulate import simulate_cocotb
from flow.verify.tulip import check_model, check_rtl


@dataclass(frozen=True)
class SimulateTulip:
    """Hold the model of the elements and the RTL against the network, on the user's samples."""

    name = "simulate"

    def run(self, state: State, out: Path, own: Path) -> State:
        """verdicts.json; raises CheckFailed where the array disagrees with the network."""
        made, chosen = have(state.tulip), state.config.simulator
        network = have(state.network)
        inputs = array_inputs(network, port_inputs(network, state.inputs))
        state.progress("the cycle model answers the samples")
        verdicts = [check_model(made.plan, inputs, next(iter(state.expected.values())))]
        state.progress("linters")
        verdicts += lint(out, have(made.emission).top)
        if chosen in ("verilator", "both"):
            state.progress("RTL in Verilator")
            verdicts += check_rtl(out, made.plan)
        if chosen in ("icarus", "both"):
            state.progress("cocotb test in Icarus Verilog")
            verdicts.append(simulate_cocotb(out))
        verdicts.sort(key=lambda verdict: verdict.check)
        write_verdicts(own, verdicts)
        require_good(verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The verdicts of the earlier build: its RTL was made of the same network."""
        verdicts = read_verdicts(earlier)
        write_verdicts(own, verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))
