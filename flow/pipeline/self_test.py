"""Circuits that watch themselves: the head with the output `alarm`, and what is left to judge."""

from __future__ import annotations

from flow.ir.network import Network, evaluate_network
from flow.passes.fold_layers import FoldLayers
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import Imported, encode_samples
from flow.train.fingerprint import ALARM, with_fingerprint


def watched_import(
    imported: Imported, network: Network, config: BuildConfig
) -> tuple[Network, tuple[str, ...]]:
    """The network with a fingerprint, where the configuration asks for one, and notes on it.

    It is trained on the samples of --calibrate, else on those of --data. UsageError where there
    are none.
    """
    if not config.fingerprint:
        return network, ()
    samples = imported.calibration or imported.samples
    inputs = {} if samples is None else encode_samples(network, samples)
    found = FoldLayers().run(with_fingerprint(network, inputs))
    notes = [f"a fingerprint watches the network, trained on {len(samples or ())} samples"]
    if imported.samples is not None:
        alarms = evaluate_network(found, encode_samples(found, imported.samples))[ALARM]
        share = 100 * float(alarms.mean())
        notes.append(f"the alarm is raised at {share:.2f} % of the samples without any fault")
    return found, tuple(notes)


def answering(network: Network) -> tuple[str, ...]:
    """The outputs of a network that answer: all but the alarm."""
    outputs = network.outputs
    return outputs[:-1] if len(outputs) > 1 and outputs[-1] == ALARM else outputs
