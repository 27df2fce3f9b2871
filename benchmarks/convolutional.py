"""Convolutional networks for the evaluators: ours, alkaid's interpreter, Verilator."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from designs import SEED, SHARED, grid_of, model, specification

from flow.errors import FlowError
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.read import read_model
from flow.ir.network import Network
from flow.passes.fold_layers import FoldLayers
from flow.passes.lower_layers import LowerLayers

NETWORKS = (
    ("econ_t_cae_9bit", "encoder_vanilla_AE", ".hdf5", 20_000),
    ("keras_conv1d_small", "KERAS_conv1d_small", "_weights.h5", 20_000),
    ("keras_jet_conv2d_bn", "jetTagger_Conv2D_Small", "_weights.h5", 5_000),
    ("qkeras_mnist_cnn", "qkeras_mnist_cnn", "_weights.h5", 1_000),
)
"""Folder, stem, ending of the weights, samples to evaluate."""


def convolutional(only: str) -> Iterator[tuple[str, Any]]:
    """Networks as (circuit, samples, alkaid's run), or what is missing.

    alkaid takes as many of the first layers as its tracer gets, and so do all.
    """
    from alkaid.trace import FVArray, trace
    from rivals import layered

    for folder, stem, ending, samples in NETWORKS:
        if only not in folder:
            continue
        model_file = SHARED / folder / f"{stem}.json"
        if not model_file.is_file():
            yield folder, "not measured: the shared models are not here"
            continue
        try:
            source = read_model(model_file, SHARED / folder / f"{stem}{ending}")
            options = QuantiseOptions(input_bits=8, activation_bits=8)
            whole = FoldLayers().run(to_network(source, options).network)
        except FlowError as error:
            yield folder, f"not built yet: {error}"
            continue
        network = next((n for n in _prefixes(whole) if _traceable(n)), None)
        if network is None:
            yield folder, "not traced by alkaid"
            continue
        text = specification(network)
        shape = network.inputs[0].tensor.shape
        x = FVArray.from_kif(*(np.array(k).reshape(shape) for k in text["inputs"]))
        logic = trace(x, layered(x, text["layers"]).reshape(-1))
        lo, hi, step = grid_of(network)
        values = np.random.default_rng(SEED).integers(lo, hi + 1, size=(samples, len(lo)))
        real = values * step
        if not np.array_equal(logic.predict(real[:64]), model(network)(real[:64])):
            yield folder, "alkaid's graph answers otherwise"
            continue
        name = f"{folder}, {len(network.layers)} of {len(whole.layers)} layers"
        yield name, (LowerLayers().run(network), values, partial(logic.predict, real, n_threads=2))


def _prefixes(network: Network) -> Iterator[Network]:
    """The network, then without its last layer, and so on."""
    for count in range(len(network.layers), 1, -1):
        layers = network.layers[:count]
        yield Network(network.name, layers, (layers[-1].name,))


def _traceable(network: Network) -> bool:
    try:
        specification(network)
    except ValueError:
        return False
    return True
