"""Eight relations on 200 networks: changes of a network that must not change its function.

    python benchmarks/metamorphic.py [--networks N]

The relations are those of tests/test_metamorphic.py, with more seeds; the last one asks that names
of layers change no byte of the mapped netlist. The record goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import ROOT
from records import kept, opened

sys.path.insert(0, str(ROOT / "tests"))

import test_metamorphic as relations


def names(seed: int) -> None:
    """The relation on names, in a folder of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        relations.test_names_of_layers_change_names_only(Path(scratch), seed)


RELATIONS: dict[str, Callable[[int], None]] = {
    "order of neurons": relations.test_the_order_of_hidden_neurons_does_not_matter,
    "order of inputs": relations.test_inputs_may_be_permuted_with_their_weights,
    "a layer scaled up and down": lambda seed: (
        relations.test_a_layer_may_be_scaled_up_and_down_again(seed, 1 + seed % 6)
    ),
    "all scores scaled": relations.test_scaling_all_scores_keeps_the_decision,
    "a neuron without weights": relations.test_a_neuron_without_weights_adds_nothing,
    "a neuron split in two": relations.test_a_neuron_may_be_split_in_two_halves,
    "inputs without weights": relations.test_inputs_without_weights_change_nothing,
    "names": names,
}


def main(words: list[str]) -> int:
    """The command line; 1 where a relation is violated."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--networks", type=int, default=200)
    given = parser.parse_args(words)
    record: dict[str, Any] = {"networks": 0, "relations": list(RELATIONS), "violations": []}
    record |= opened("metamorphic", 0)
    while record["networks"] < given.networks:
        seed = record["networks"]
        for name, relation in RELATIONS.items():
            try:
                relation(seed)
            except AssertionError as error:
                said = str(error).splitlines()[:1]
                record["violations"].append({"network": seed, "relation": name, "message": said})
        record["networks"] += 1
        kept("metamorphic", record)
    return int(bool(record["violations"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
