"""Makes the model of this example and its samples: python examples/econ_t/train.py [FOLDER].

The encoder has the structure of ECON-T's: an image of 8 x 8, 8 filters of 3 x 3 with stride 2,
16 outputs, weights of 6 bits, values of 8 and outputs of 9 bits. Without a non-linear function
good weights are known in closed form, so nothing is iterated: the filters are the principal
components of patches, the dense layer maps what is left of the image onto the principal components
of whole images, and the decoder is a least-squares fit from the outputs back to the cells. A
network trained with QKeras has the same structure and takes its place.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from metrics import mover_distance, telescope
from onnx import TensorProto, helper, numpy_helper
from showers import Floats, charges, encode, images

HERE = Path(__file__).resolve().parent
TRAIN, TEST = 4000, 64
FILTERS, OUTPUTS = 8, 16


def quantise(values: Floats, bits: int, integer: int) -> Floats:
    """Nearest multiple of 2**(integer + 1 - bits), saturated: what a signed Quant node does."""
    step = 2.0 ** (integer + 1 - bits)
    most = 2 ** (bits - 1)
    result: Floats = np.clip(np.rint(values / step), -most, most - 1) * step
    return result


def patches(image: Floats) -> Floats:
    """(samples, 4, 4, 9): windows of 3 x 3 with stride 2, a row and a column of 0 at the end."""
    padded = np.pad(image, ((0, 0), (0, 1), (0, 1)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return view[:, ::2, ::2].reshape(len(image), 4, 4, 9)


def components(rows: Floats, count: int) -> Floats:
    """The leading directions of rows, largest first, each with its largest entry positive."""
    _, _, v = np.linalg.svd(rows, full_matrices=False)
    v = v[:count]
    signs = np.sign(v[np.arange(len(v)), np.abs(v).argmax(axis=1)])
    result: Floats = v * signs[:, None]
    return result


def fit(image: Floats) -> tuple[Floats, Floats]:
    """Filters (9, 8) and weights (128, 16), of 6 bits in [-1, 1)."""
    windows = patches(image)
    filters = quantise(components(windows.reshape(-1, 9), FILTERS).T, 6, 0)
    hidden = quantise(windows @ filters, 8, 1).reshape(len(image), -1)
    flat = image.reshape(len(image), -1)
    wanted = flat @ components(flat, OUTPUTS).T
    ridge = 1e-2 * np.eye(hidden.shape[1]) * np.trace(hidden.T @ hidden) / hidden.shape[1]
    dense = np.linalg.solve(hidden.T @ hidden + ridge, hidden.T @ wanted)
    return filters, quantise(0.9 * dense / np.abs(dense).max(axis=0), 6, 0)


def latent(image: Floats, filters: Floats, dense: Floats) -> Floats:
    """The 16 outputs of the encoder."""
    hidden = quantise(patches(image) @ filters, 8, 1)
    return quantise(hidden.reshape(len(image), -1) @ dense, 9, 1)


def save(path: Path, filters: Floats, dense: Floats) -> None:
    """The encoder as ONNX with the Quant nodes of QONNX."""
    constants: list[Any] = []
    nodes: list[Any] = []

    def constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def quant(source: str, result: str, bits: int, integer: int) -> None:
        scale = constant(f"{result}_scale", 2.0 ** (integer + 1 - bits))
        inputs = [source, scale, constant(f"{result}_zero", 0.0), constant(f"{result}_bits", bits)]
        nodes.append(
            helper.make_node("Quant", inputs, [result], name=result, signed=1, narrow=0,
                             rounding_mode="ROUND", domain="qonnx.custom_op.general")
        )  # fmt: skip

    kernel = filters.T.reshape(FILTERS, 1, 3, 3)
    # ONNX has the channels first, so that the rows of the dense layer move.
    order = np.arange(128).reshape(16, FILTERS).T.ravel()
    constant("kernel", kernel)
    constant("matrix", dense[order])
    constants.append(numpy_helper.from_array(np.array([-1, 128]), "shape"))
    quant("image", "image_q", 8, 1)
    quant("kernel", "kernel_q", 6, 0)
    nodes.append(helper.make_node("Conv", ["image_q", "kernel_q"], ["sums"], name="conv",
                                  strides=[2, 2], pads=[0, 0, 1, 1]))  # fmt: skip
    quant("sums", "hidden", 8, 1)
    nodes.append(helper.make_node("Reshape", ["hidden", "shape"], ["flat"], name="flat"))
    quant("matrix", "matrix_q", 6, 0)
    nodes.append(helper.make_node("MatMul", ["flat", "matrix_q"], ["scores"], name="dense"))
    quant("scores", "latent", 9, 1)
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("image", [1, 1, 8, 8]), ("latent", [1, OUTPUTS]))
    ]
    graph = helper.make_graph(nodes, "econ_t", ports[:1], ports[1:], constants)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def main(folder: Path) -> None:
    """Write encoder.onnx, samples.npz, decoder.npy; print what the outputs are worth."""
    folder.mkdir(parents=True, exist_ok=True)
    table = tomllib.loads((HERE / "readout.toml").read_text())
    arrangement = np.array(table["arrangement"])
    codes = encode(charges(TRAIN + TEST, seed=1))
    image = images(codes, arrangement) / 64
    filters, dense = fit(image[:TRAIN])
    save(folder / "encoder.onnx", filters, dense)
    places = np.array([np.flatnonzero(arrangement.ravel() == cell)[0] for cell in range(48)])
    true = image.reshape(len(image), -1)[:, places]
    links = np.arange(TEST)[:, None] % 4
    np.savez(folder / "samples.npz", x0=codes[TRAIN:], x1=links)
    outputs = latent(image, filters, dense)
    decoder = np.linalg.lstsq(outputs[:TRAIN], true[:TRAIN], rcond=None)[0]
    np.save(folder / "decoder.npy", decoder)
    for bits, cleared in zip((3, 5, 7, 9), table["cleared"], strict=True):
        step = 2.0 ** (cleared - 7)
        kept = np.floor(outputs / step) * step + (step / 2 if cleared else 0)
        found = kept[TRAIN:] @ decoder
        moved = np.mean([mover_distance(t, f) for t, f in zip(true[TRAIN:], found, strict=True)])
        loss = telescope(true[TRAIN:], found)
        print(f"{bits} bits: telescope loss {loss:.5f}, energy mover's distance {moved:.3f} cells")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "made")
