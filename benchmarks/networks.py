"""The networks of the benchmarks, as model files and as what alkaid makes of the same weights."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

WIDTHS = (16, 64, 32, 32, 5)
"""The network of jet taggers: 16 features, three hidden layers, 5 classes."""


def write_qkeras(
    folder: Path, widths: tuple[int, ...] = WIDTHS, weight_bits: int = 4, seed: int = 0
) -> Path:
    """A QKeras .h5 with random weights of all values of `weight_bits` bits.

    Inputs are quantized_bits(8, 3), hidden activations quantized_relu(6, 3).
    """
    rng = np.random.default_rng(seed)
    half = 1 << (weight_bits - 1)
    layers: list[dict[str, Any]] = [
        {"class_name": "InputLayer",
         "config": {"name": "x", "batch_input_shape": [None, widths[0]], "dtype": "float32"}},
        _activation("q_in", "quantized_bits",
                    {"bits": 8, "integer": 3, "symmetric": 0, "keep_negative": True, "alpha": 1}),
    ]  # fmt: skip
    arrays: dict[str, dict[str, Any]] = {}
    quantiser = {
        "class_name": "quantized_bits",
        "config": {"bits": weight_bits, "integer": 0, "symmetric": 0, "keep_negative": True,
                   "alpha": 1},
    }  # fmt: skip
    for i, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        name = f"dense_{i}"
        layers.append(
            {"class_name": "QDense",
             "config": {"name": name, "units": outputs, "activation": "linear", "use_bias": True,
                        "kernel_quantizer": quantiser, "bias_quantizer": quantiser}}
        )  # fmt: skip
        kernel = rng.integers(-half, half, size=(inputs, outputs)) / half
        bias = rng.integers(-half, half, size=outputs) / half
        arrays[name] = {"kernel:0": kernel.astype("float32"), "bias:0": bias.astype("float32")}
        if i + 2 < len(widths):
            layers.append(
                _activation(f"relu_{i}", "quantized_relu",
                            {"bits": 6, "integer": 3, "use_sigmoid": 0, "negative_slope": 0.0})
            )  # fmt: skip
    path = folder / f"{'_'.join(map(str, widths))}_{weight_bits}b.h5"
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([c["config"]["name"].encode() for c in layers])
        for layer in layers:
            name = layer["config"]["name"]
            place = group.create_group(name)
            found = arrays.get(name, {})
            place.attrs["weight_names"] = np.array([f"{name}/{k}".encode() for k in found])
            for key, array in found.items():
                place.create_dataset(f"{name}/{key}", data=array)
    return path


def _activation(name: str, quantiser: str, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "class_name": "QActivation",
        "config": {"name": name, "activation": {"class_name": quantiser, "config": config}},
    }


def alkaid_trace(network: Any) -> Any:
    """What alkaid's tracer makes of the dense layers and requantisations of a Network of ours.

    Values are the same reals: integers times the scale of the tensors.
    """
    from alkaid.trace import FVArray, trace

    x = network.layers[0]
    tensor = x.tensor
    scale = float(tensor.scale.ravel()[0])
    width = tensor.hull.width
    fraction = -int(np.log2(scale))
    count = tensor.size
    signed = int(tensor.hull.signed)
    inputs = FVArray.from_kif(
        np.full(count, signed), np.full(count, width - signed - fraction), np.full(count, fraction)
    )
    value = inputs
    for layer in network.layers[1:]:
        here = network.types[layer.name]
        step = float(here.scale.ravel()[0])
        match layer.kind:
            case "dense":
                ratio = step / float(network.types[layer.sources[0]].scale.ravel()[0])
                value = value @ (layer.weights.astype(float) * ratio)
                value = value + layer.bias.astype(float) * step
            case "requantize":
                bits = int(layer.hi.max()).bit_length()
                f = -int(np.log2(step))
                mode = {"half_even": "RND_CONV", "floor": "TRN", "half_up": "RND"}[layer.rounding]
                value = value.relu().quantize(0, bits - f, f, "SAT", mode)
            case "relu":
                value = value.relu()
            case _:
                raise ValueError(layer.kind)
    return trace(inputs, value)
