"""How a build holds its weights: constants, registers, or banks that an input chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flow.errors import UsageError
from flow.ir.network import Network, evaluate_network
from flow.passes.fold_layers import FoldLayers
from flow.passes.free_weights import Freed, bank_weights, free_weights
from flow.pipeline.comparing import require_equal
from flow.pipeline.config import BuildConfig, bank_count
from flow.pipeline.importing import import_model
from flow.pipeline.state import Recipe

RANDOM = 16
"""Samples with weights by chance that are added to the vectors."""


@dataclass(frozen=True)
class Stored:
    """The network to build: `fixed` itself, or with its weights, or their bank, as an input.

    `sets` are the networks that the banks hold.
    """

    network: Network
    fixed: Network
    freed: Freed | None = None
    sets: tuple[Network, ...] = ()
    notes: tuple[str, ...] = ()

    def with_weights(self, inputs: Mapping[str, Any], given: int, seed: int) -> dict[str, Any]:
        """The inputs of the network: the model's weights for the `given` samples, then others.

        With weights in registers, RANDOM samples follow whose weights are any that fit; with
        banks every bank answers the first samples. Without samples of the user's every second
        one has such weights.
        """
        new = [x for x in self.network.inputs if x.name not in inputs]
        if not new:
            return dict(inputs)
        (layer,) = new
        total = len(next(iter(inputs.values())))
        rng = np.random.default_rng(seed)
        rows = np.arange(total)
        if self.freed is not None:
            lo, hi = self.freed.ranges
            own = self.freed.values(self.fixed)
            extra = rng.integers(lo, hi, size=(RANDOM, len(lo)), endpoint=True)
        else:
            own = np.zeros(1, np.int64)
            extra = np.arange(RANDOM)[:, None] % len(self.sets)
        more = np.arange(RANDOM) % max(total, 1) if given else rows[:0]
        values = np.broadcast_to(own, (total, len(own)))
        if not given:
            values = np.where((rows % 2 == 0)[:, None], values, extra[rows // 2 % RANDOM])
            extra = extra[:0]
        found = {n: np.concatenate([x, np.asarray(x)[more]]) for n, x in inputs.items()}
        return found | {layer.name: np.concatenate([values, extra])}

    def require_same(self, inputs: Mapping[str, Any], answers: Mapping[str, Any]) -> None:
        """Mismatch unless `answers` are those of the networks whose weights stand in `inputs`."""
        if self.network is self.fixed:
            return
        (name,) = (x.name for x in self.network.inputs if x.name not in _names(self.fixed))
        held, wanted = np.asarray(inputs[name]), {n: np.array(a) for n, a in answers.items()}
        for values in np.unique(held, axis=0):
            rows = (held == values).all(axis=1)
            if self.freed is not None:
                network = self.freed.load(self.fixed, values)
            else:
                network = self.sets[int(values[0])]
            own = {n: np.asarray(inputs[n])[rows] for n in _names(self.fixed)}
            for output, found in evaluate_network(network, own).items():
                wanted[output][rows] = found
        flat = {n: a.reshape(len(a), -1) for n, a in answers.items()}
        require_equal(
            "the network with weights as an input", flat,
            {n: a.reshape(len(a), -1) for n, a in wanted.items()},
        )  # fmt: skip


def stored_weights(network: Network, config: BuildConfig, recipe: Recipe) -> Stored:
    """The network with its weights as the configuration wants; UsageError where they cannot be."""
    kind = "banks" if bank_count(config) else config.weight_store
    if kind not in recipe.stores:
        raise UsageError(
            f"the target {recipe.name} cannot hold weights in {kind}",
            hint="--target asic can",
        )
    if kind == "registers":
        freed = free_weights(network, config.register_bits)
        held = sum(s.weights * s.weight_bits + s.biases * s.bias_bits for s in freed.slots)
        note = f"{sum(s.count for s in freed.slots)} weights in registers of {held} bits"
        return Stored(freed.network, network, freed, (), (note, *map(_slot_text, freed.slots)))
    if kind == "banks":
        others = [FoldLayers().run(_bank(config, path)) for path in config.bank]
        sets = (network, *others)
        note = f"{len(sets)} banks of weights, chosen by the input bank"
        return Stored(bank_weights(sets), network, None, sets, (note,))
    return Stored(network, network)


def _slot_text(slot: Any) -> str:
    text = f"layer {slot.layer}: {slot.weights} weights of {slot.weight_bits} bits"
    if slot.biases:
        step = f", in steps of {1 << slot.bias_shift}" if slot.bias_shift else ""
        text += f", {slot.biases} biases of {slot.bias_bits} bits{step}"
    return f"{text}, from number {slot.first}"


def _bank(config: BuildConfig, path: Path) -> Network:
    """The network of another model, or of the first one with other weights."""
    if config.weights is not None:
        return import_model(replace(config, weights=path)).network
    return import_model(replace(config, model=path)).network


def _names(network: Network) -> tuple[str, ...]:
    return tuple(layer.name for layer in network.inputs)
