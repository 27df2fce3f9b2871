"""Stage `lower`: the Network becomes a Circuit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.errors import UnsupportedModel
from flow.ir.evaluate import evaluate
from flow.ir.layers import Dense
from flow.ir.spec import check
from flow.ir.text import parse_circuit, print_circuit
from flow.passes.lower_layers import LowerLayers
from flow.pipeline.comparing import require_equal
from flow.pipeline.folder import write_file
from flow.pipeline.reading import read_text
from flow.pipeline.state import State, have

MAX_WEIGHTS = 4_000_000
"""More weights than this are not unrolled into one circuit."""


@dataclass(frozen=True)
class Lower:
    """Unroll every layer into scalar integer operations."""

    name = "lower"

    def run(self, state: State, out: Path, own: Path) -> State:
        """circuit.flow; the circuit gives the network's answer to every sample."""
        network = have(state.network)
        weights = sum(layer.weights.size for layer in network.layers if isinstance(layer, Dense))
        if weights > MAX_WEIGHTS:
            raise UnsupportedModel(
                f"{weights} weights are too many for a fully parallel circuit",
                hint=f"at most {MAX_WEIGHTS} are unrolled",
            )
        circuit = LowerLayers().run(network)
        check(circuit)
        require_equal("the lowered circuit", evaluate(circuit, state.inputs), state.expected)
        write_file(own, "circuit.flow", print_circuit(circuit))
        return replace(state, lowered=circuit)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """circuit.flow of the earlier build, compared anew."""
        text = read_text(earlier / "circuit.flow")
        circuit = parse_circuit(text, str(earlier / "circuit.flow"))
        require_equal("the lowered circuit", evaluate(circuit, state.inputs), state.expected)
        write_file(own, "circuit.flow", text)
        return replace(state, lowered=circuit)
