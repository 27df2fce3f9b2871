"""Stage `import`: model file and data become a Network and integer samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flow.ir.network import Network, evaluate_network
from flow.ir.network_text import print_network
from flow.passes.fold_layers import FoldLayers
from flow.passes.lower_layers import port_names
from flow.pipeline.approximating import approximated_import
from flow.pipeline.folder import write_file
from flow.pipeline.importing import Imported, encode_samples
from flow.pipeline.lanes import flat
from flow.pipeline.picking import import_point, is_front
from flow.pipeline.reading_out import import_with_readout
from flow.pipeline.self_test import watched_import
from flow.pipeline.state import State
from flow.pipeline.storing import stored_weights
from flow.pipeline.studying import studied

UNLABELLED_VECTORS = 256
"""Random vectors that stand in where the user gives no data."""


@dataclass(frozen=True)
class Import:
    """Read the model and the data; quantise; fold what needs no hardware."""

    name = "import"

    def run(self, state: State, out: Path, own: Path) -> State:
        """network.json, notes.txt; and what the network answers to every sample."""
        technology = state.recipe.choose(state.config)
        if is_front(state.config.model):
            imported = import_point(state.config)
        else:
            imported = import_with_readout(state.config, state.progress, state.recipe.most)
        fixed = FoldLayers().run(imported.network)
        fixed, said = approximated_import(imported, fixed, state.config, technology)
        watched, told = watched_import(imported, fixed, state.config)
        fixed, notes = watched, [*imported.notes, *said, *told]
        stored = stored_weights(fixed, state.config, state.recipe)
        network = stored.network
        inputs = _inputs(imported, fixed, state.config.seed, notes)
        inputs = stored.with_weights(inputs, len(imported.samples or ()), state.config.seed)
        notes += stored.notes
        state.progress("the network answers the samples")
        answers = evaluate_network(network, inputs)
        stored.require_same(inputs, answers)
        write_file(own, "network.json", print_network(network))
        write_file(own, "notes.txt", "".join(f"{note}\n" for note in notes))
        x_ports = port_names("x", len(network.inputs))
        y_ports = port_names("y", len(network.outputs))
        names = [layer.name for layer in network.inputs]
        return replace(
            state,
            source=imported.source,
            samples=imported.samples,
            network=network,
            freed=stored.freed,
            notes=tuple(notes),
            quantisation=studied(imported),
            technology=technology,
            inputs={p: flat(inputs[n]) for p, n in zip(x_ports, names, strict=True)},
            expected={p: flat(answers[n]) for p, n in zip(y_ports, network.outputs, strict=True)},
        )

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The samples are needed, so the import runs again; it is quick and gives the same."""
        return self.run(state, out, own)


def _inputs(imported: Imported, network: Network, seed: int, notes: list[str]) -> dict[str, Any]:
    if imported.samples is not None:
        return encode_samples(network, imported.samples)
    notes.append(f"no data: {UNLABELLED_VECTORS} random vectors stand in for a test set")
    rng = np.random.default_rng(seed)
    result = {}
    for layer in network.inputs:
        lo, hi = layer.tensor.lo.astype(np.int64), layer.tensor.hi.astype(np.int64)
        shape = (UNLABELLED_VECTORS, *layer.tensor.shape)
        result[layer.name] = rng.integers(lo, hi, size=shape, endpoint=True)
    return result
