"""What is measured: constant matrices and trained networks, as Verilog of every compiler."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, ROOT
from mapped import CACHE, Design, cached, key_of

from flow.backends.verilog import emit_verilog
from flow.errors import FlowError
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.read import read_model
from flow.ir.circuit import Circuit
from flow.ir.layers import Dense, Input
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import fractions, tensor_type
from flow.passes.base import run_passes
from flow.passes.fold_layers import FoldLayers
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipeline_text import parse_pipeline

RIVALS = ("alkaid", "da4ml")
LUT_RIVALS = (*RIVALS, "alkaid-ternary")
"""On look-up tables alkaid's adders of three, its default, may be smaller."""
PYTHON = HERE / ".venv" / "bin" / "python"
"""The rivals' own environment: `make bench-setup`."""
SEED = 1
SHARED = ROOT.parent / "shared" / "models"
_QKERAS = "qkeras_jet_3layer/qkeras_3layer"
MODELS = (
    *((f"da4ml_rand_mat {name}", f"da4ml_rand_mat/{name}.keras", "")
      for name in ("N=8-bw=8", "N=16-bw=4")),
    *((f"hgq2_jsc_openml {name}", f"hgq2_jsc_openml/{name}_traced.keras", "")
      for name in ("val0.733_ebops530", "val0.758_ebops2571", "val0.768_ebops7229")),
    ("hgq_lut_jsc_openml", "hgq_lut_jsc_openml/val0.761_ebops1439.keras", ""),
    *((f"da4ml_jsc_hgq1 {name}", f"da4ml_jsc_hgq1/test_{name}.h5", "")
      for name in ("acc76.47", "acc76.86")),
    ("da4ml_rand_mat N=32-bw=8", "da4ml_rand_mat/N=32-bw=8.keras", ""),
    ("qkeras_jet_3layer", f"{_QKERAS}.json", f"{_QKERAS}_weights.h5"),
)  # fmt: skip
"""Name, file and weights of the trained networks, below the shared models."""


def matrix(n: int, bits: int) -> np.ndarray:
    """An n x n matrix of uniform random weights."""
    half = 1 << (bits - 1)
    return np.random.default_rng(SEED).integers(-half, half, size=(n, n))


def matrix_network(weights: np.ndarray) -> Network:
    """The product with signed 8-bit inputs."""
    n, m = weights.shape
    layer = Input("x", (), "", tensor_type((n,), -128, 127), fractions(0, (n,)))
    dense = Dense("y", ("x",), "", weights, np.zeros(m, int), fractions(1, ()))
    return Network("matrix", (layer, dense), ("y",))


def circuit_of(network: Network, passes: str) -> Circuit:
    """The circuit by a pipeline of passes."""
    return run_passes(LowerLayers().run(network), parse_pipeline(passes))


def fractions_of(network: Network) -> tuple[list[int], list[int]]:
    """The binary fraction digits of each input and output."""
    tensor = network.inputs[0].tensor
    result = network.types[network.outputs[0]]
    rows = [np.broadcast_to(t.scale.astype(float), t.shape).ravel() for t in (tensor, result)]
    return tuple([-int(np.log2(x)) for x in row] for row in rows)  # type: ignore[return-value]


def ours(case: str, network: Network, passes: str) -> Design:
    """Our Verilog of a network."""
    emission = emit_verilog(circuit_of(network, passes))
    fraction = fractions_of(network)

    def fields(name: str, digits: Sequence[int]) -> Any:
        port = next(p for p in emission.ports if p.direction == name)
        lanes = zip(port.lanes, digits, strict=True)
        return port.name, tuple((lane.width, int(lane.range.signed), f) for lane, f in lanes)

    text = "\n".join(t for path, t in sorted(emission.files.items()) if path.suffix == ".v")
    return Design(case, f"flow {passes}", text, emission.top, fields("input", fraction[0]),
                  fields("output", fraction[1]), grid_of(network), model(network))  # fmt: skip


def model(network: Network) -> Any:
    """The real outputs for real inputs, by the integer meaning of the network."""
    steps, digits = fractions_of(network)

    def run(x: np.ndarray) -> np.ndarray:
        values = np.rint(x * 2.0 ** np.array(steps)).astype(np.int64)
        shape = network.inputs[0].tensor.shape
        found = evaluate_network(
            network, {network.inputs[0].name: values.reshape(len(values), *shape)}
        )[network.outputs[0]].reshape(len(values), -1)
        return np.asarray(found.astype(float) * 2.0 ** -np.array(digits))

    return run


def rival(
    case: str, network: Network, tool: str, timeout_s: float, model_file: Path | None = None
) -> Design | str:
    """The Verilog of another compiler of the same weights, or why there is none.

    A network with other layers than a specification can say is read from its own file.
    """
    try:
        text = json.dumps(specification(network), sort_keys=True)
    except ValueError as error:
        if model_file is None or model_file.suffix != ".keras":
            return f"not traced: {error}"
        tensor = network.inputs[0].tensor
        inputs = _kif(tensor.lo, tensor.hi, tensor)
        text = json.dumps({"keras": str(model_file), "inputs": inputs})
    key = key_of("rival", tool, text, (HERE / "rivals.py").read_text())

    def work() -> dict[str, Any]:
        folder = CACHE / key
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "spec.json").write_text(text)
        try:
            done = subprocess.run(
                [PYTHON, HERE / "rivals.py", tool, folder / "spec.json", folder],
                capture_output=True, text=True, timeout=timeout_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"failed": f"timed out after {timeout_s:.0f} s"}
        if done.returncode:
            return {"failed": " ".join(done.stderr.split("\n")[-3:]).strip()[-160:]}
        return {"seconds": json.loads((folder / "layout.json").read_text())["seconds"]}

    if not PYTHON.is_file():
        return "not measured: make bench-setup"
    found = cached(key, work)
    if "failed" in found:
        return str(found["failed"])
    layout = json.loads((CACHE / key / "layout.json").read_text())

    def fields(rows: Sequence[Sequence[int]]) -> tuple[tuple[int, int, int], ...]:
        return tuple((k + i + f, k, f) for k, i, f in rows)

    rtl = (CACHE / key / "rtl.v").read_text()
    return Design(case, tool, rtl, "rival",
                  ("model_inp", fields(layout["inputs"])),
                  ("model_out", fields(layout["outputs"])),
                  grid_of(network), model(network))  # fmt: skip


def specification(network: Network) -> dict[str, Any]:
    """Dense layers, rectifiers and requantisations as numbers, for the rivals' tracers.

    ValueError names what is not among them.
    """
    tensor = network.inputs[0].tensor
    layers: list[dict[str, Any]] = []
    for layer in network.layers[1:]:
        before, here = network.types[layer.sources[0]], network.types[layer.name]
        step, old = step_sizes(here), step_sizes(before)
        match layer.kind:
            case "dense":
                weights = layer.weights.astype(float) * step[None, :] / old[:, None]
                layers.append({"weights": weights.tolist(),
                               "bias": (layer.bias.astype(float) * step).tolist()})  # fmt: skip
            case "requantize":
                exact = layer.multiplier.astype(float) * np.ones(here.shape)
                idle = (exact % 1 == 0) & (layer.offset >= 0) & (layer.offset < 1)
                added = (layer.offset != 0) & ~(idle & (layer.rounding == "floor"))
                if (exact.ravel() != old / step).any() or added.any():
                    raise ValueError("a requantisation that is not a rounding alone")
                layers.append({"quantize": [*_kif(layer.lo, layer.hi, here),
                                            layer.overflow, layer.rounding]})  # fmt: skip
            case "relu":
                layers.append({"relu": True})
            case "reshape":
                layers.append({"shape": list(here.shape)})
            case "gather" if layer.fill == 0:
                layers.append({"gather": layer.indices.astype(int).tolist()})
            case "conv" if layer.groups == 1:
                if len(set(step)) > 1 or len(set(old)) > 1:
                    raise ValueError("a convolution of several scales")
                layers += _convolution(layer, before.shape, here.shape, step[0], old[0])
            case "pool" if layer.pool == "max" and not any(sum(layer.padding, ())):
                layers.append({"max": list(layer.window)})
            case kind:
                raise ValueError(f"a layer {kind}")
    return {"inputs": _kif(tensor.lo, tensor.hi, tensor), "layers": layers}


def _convolution(
    layer: Any, before: tuple[int, ...], shape: tuple[int, ...], step: float, old: float
) -> list[dict[str, Any]]:
    """A convolution of one or two axes: zeros around, the product, its own shape again."""
    kernel = layer.weights.astype(float) * step / old
    places = np.pad(
        np.arange(np.prod(before)).reshape(before), (*layer.padding, (0, 0)),
        constant_values=int(np.prod(before)),
    )  # fmt: skip
    strides = tuple(layer.strides)
    if kernel.ndim == 3:
        places, kernel, strides = places[None], kernel[None], (1, *strides)
    padded = {"gather": places.tolist()} if any(sum(layer.padding, ())) or len(shape) < 3 else None
    product = {"kernel": kernel.tolist(), "bias": (layer.bias.astype(float) * step).tolist(),
               "strides": list(strides)}  # fmt: skip
    return [*([padded] if padded else []), product, *([{"shape": list(shape)}] * (len(shape) < 3))]


def step_sizes(tensor: Any) -> np.ndarray:
    """The real size of one step of each element."""
    return np.array(np.broadcast_to(tensor.scale, tensor.shape).astype(float).ravel())


def _kif(lo: Any, hi: Any, tensor: Any) -> list[list[int]]:
    """Sign, integer and fraction bits of the intervals of a tensor's elements."""
    low, high = (np.broadcast_to(x, tensor.shape).ravel().astype(int) for x in (lo, hi))
    rows = []
    for a, b, s in zip(low, high, step_sizes(tensor), strict=True):
        f, k = -int(np.log2(s)), int(a < 0)
        width = max(int(b), -int(a) - 1).bit_length() + k
        rows.append([k, width - k - f, f])
    return np.array(rows).T.tolist()


def grid_of(network: Network) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The integers of each input element and the real size of a step."""
    tensor = network.inputs[0].tensor
    ends = (
        np.broadcast_to(x, tensor.shape).ravel().astype(np.int64) for x in (tensor.lo, tensor.hi)
    )
    lo, hi = ends
    return lo, hi, step_sizes(tensor)


def plain(case: str, weights: np.ndarray) -> Design:
    """`*` and `+` in Verilog, as a user would write a matrix."""
    n, m = weights.shape
    width = 8 + int(np.abs(weights).sum(0).max()).bit_length() + 1
    lines = [f"module plain(input [{8 * n - 1}:0] x, output [{width * m - 1}:0] y);"]
    lines += [f"wire signed [7:0] x{i} = x[{8 * i + 7}:{8 * i}];" for i in range(n)]
    for j in range(m):
        terms = [
            f"{w} * x{i}" if w >= 0 else f"({w}) * x{i}" for i, w in enumerate(weights[:, j]) if w
        ]
        lines.append(f"wire signed [{width - 1}:0] y{j} = {' + '.join(terms) or 0};")
        lines.append(f"assign y[{width * (j + 1) - 1}:{width * j}] = y{j};")
    text = "\n".join([*lines, "endmodule"]) + "\n"
    fields = tuple((8, 1, 0) for _ in range(n)), tuple((width, 1, 0) for _ in range(m))
    network = matrix_network(weights)
    return Design(case, "plain", text, "plain", ("x", fields[0]), ("y", fields[1]),
                  grid_of(network), model(network))  # fmt: skip


def trained(only: str) -> Iterator[tuple[str, Path, Network | str]]:
    """The trained networks by name and file, as integer networks or as what is in the way."""
    for name, model_file, weights in MODELS:
        if only not in name:
            continue
        path = SHARED / model_file
        if not path.is_file():
            yield name, path, "not measured: the shared models are not here"
            continue
        try:
            yield name, path, read_network(path, SHARED / weights if weights else None)
        except (FlowError, NotImplementedError) as error:
            yield name, path, f"not built yet: {error}"


def read_network(model_file: Path, weights: Path | None) -> Network:
    """The integer network of a quantised model."""
    source = read_model(model_file, weights)
    options = QuantiseOptions(input_bits=16)
    return FoldLayers().run(to_network(source, options).network)


def golden_counts() -> tuple[dict[str, int] | None, list[str]]:
    """What the acceptance script counts over all shared models, and its complaints."""
    script = ROOT.parent / "shared" / "accept" / "goldens.py"
    if not script.is_file():
        return None, []
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [sys.executable, script, SHARED], capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": path},
    )  # fmt: skip
    *bad, last = done.stdout.strip().splitlines()
    counts: dict[str, int] = ast.literal_eval(last)
    return counts, [line[:160] for line in bad]
