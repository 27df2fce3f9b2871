"""Writes the network of the muon chamber as a QKeras file, without QKeras."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from chamber import GROUPS, STRIPS
from network import PAIRED, PAIRS, Floats, Mlp, Precision, Quantiser

BIT = Quantiser(1, 1, False)
"""0 and 1."""
TERNARY = Quantiser(1, 1, True)
"""-2 to 1."""
Weights = dict[str, dict[str, Floats]]


def write_model(path: Path, mlp: Mlp, precision: Precision) -> None:
    """A Keras 2 file in HDF5 of inputs x0, x1, x2 (50, gaps) and the output in 64 mrad."""
    layers: list[dict[str, Any]] = []
    weights: Weights = {}
    for i, group in enumerate(GROUPS):
        shape = [None, STRIPS, group.stop - group.start]
        layers.append(_layer("InputLayer", f"x{i}", [], batch_input_shape=shape, dtype="float32"))
        layers.append(_activation(f"hits{i}", f"x{i}", BIT))
    for pairs, (a, b, reach) in zip(PAIRS, PAIRED, strict=True):
        kernel, k = _kernel(pairs, a, b, reach), 2 * reach + 1
        both, found, bits = f"groups{a}{b}", f"pairs{a}{b}", f"bits{a}{b}"
        layers += [
            _layer("Concatenate", both, [f"hits{a}", f"hits{b}"], axis=-1),
            _layer("QConv1D", found, [both], filters=len(pairs), kernel_size=[k], strides=[1],
                   padding="same", dilation_rate=[1], activation="linear", use_bias=True,
                   kernel_quantizer=_bits(TERNARY), bias_quantizer=_bits(TERNARY)),
            _activation(f"and{a}{b}", found, BIT),
            _layer("GlobalMaxPooling1D", bits, [f"and{a}{b}"], keepdims=False),
        ]  # fmt: skip
        weights[found] = {"kernel:0": kernel, "bias:0": np.full(len(pairs), -1, np.float32)}
    layers.append(_layer("Concatenate", "bits", [f"bits{a}{b}" for a, b, _ in PAIRED], axis=-1))
    last, source = len(mlp.weights) - 1, "bits"
    for i, (w, b) in enumerate(zip(mlp.weights, mlp.biases, strict=True)):
        name = f"dense{i}" if i < last else "angle"
        layers.append(
            _layer("QDense", name, [source], units=len(w), activation="linear", use_bias=True,
                   kernel_quantizer=_bits(precision.weights[i]),
                   bias_quantizer=_bits(precision.biases[i]))
        )  # fmt: skip
        weights[name] = {"kernel:0": np.ascontiguousarray(w.T), "bias:0": b}
        if i < last:
            layers.append(_activation(f"relu{i}", name, precision.activations[i]))
            source = f"relu{i}"
    _write(path, layers, weights)


def read_dense(path: Path) -> tuple[list[Floats], list[Floats]]:
    """Weights (outputs, inputs) and biases of the dense layers of a file, first to last."""
    with h5py.File(path, "r") as file:
        groups = [file["model_weights"][name][name] for name in ("dense0", "dense1", "angle")]
        return [g["kernel:0"][:].T.copy() for g in groups], [g["bias:0"][:] for g in groups]


def _kernel(pairs: Sequence[tuple[int, int, int]], a: int, b: int, reach: int) -> Floats:
    """(taps, gaps of both groups, pairs): 1 at both strips of a pair."""
    first, second = GROUPS[a], GROUPS[b]
    gaps = first.stop - first.start + second.stop - second.start
    kernel = np.zeros((2 * reach + 1, gaps, len(pairs)), np.float32)
    for f, (i, j, d) in enumerate(pairs):
        kernel[reach, i - first.start, f] = 1
        kernel[reach + d, first.stop - first.start + j - second.start, f] = 1
    return kernel


def _layer(kind: str, name: str, sources: Sequence[str], **config: Any) -> dict[str, Any]:
    nodes = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {"class_name": kind, "name": name, "config": {"name": name, **config},
            "inbound_nodes": nodes}  # fmt: skip


def _activation(name: str, source: str, q: Quantiser) -> dict[str, Any]:
    return _layer("QActivation", name, [source], activation=f"quantized_relu({q.bits},{q.integer})")


def _bits(q: Quantiser) -> dict[str, Any]:
    """QKeras counts the sign among the bits."""
    settings = {"bits": q.bits + 1, "integer": q.integer, "symmetric": 0, "keep_negative": True,
                "alpha": 1}  # fmt: skip
    return {"class_name": "quantized_bits", "config": settings}


def _write(path: Path, layers: Sequence[dict[str, Any]], weights: Weights) -> None:
    inputs = [[x["name"], 0, 0] for x in layers if x["class_name"] == "InputLayer"]
    whole = {"name": "muon", "layers": layers, "input_layers": inputs,
             "output_layers": [[layers[-1]["name"], 0, 0]]}  # fmt: skip
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": whole})
        file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
        group = file.create_group("model_weights")
        names = [layer["name"] for layer in layers]
        group.attrs["layer_names"] = np.array([name.encode() for name in names])
        for name in names:
            arrays = weights.get(name, {})
            place = group.create_group(name)
            place.attrs["weight_names"] = np.array([f"{name}/{key}".encode() for key in arrays])
            for key, array in arrays.items():
                place.create_dataset(
                    f"{name}/{key}", data=array.astype(np.float32), compression="gzip",
                    track_times=False,
                )  # fmt: skip
