"""Trains the encoder of this example with QKeras: python examples/econ_t/train_qkeras.py [FOLDER].

needs pip install 'flow[train]'. The structure and widths of `train.py`, but found by gradients:
encoder and a linear decoder learn together, with quantisers in place, to give the 48 normalised
charges back. FOLDER gets encoder.h5, which takes the place of encoder.onnx in flow.toml, and the
decoder; samples.npz comes from `train.py`.
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from metrics import telescope
from showers import charges, encode, images

HERE = Path(__file__).resolve().parent
EVENTS, TEST, EPOCHS, BATCH = 20_000, 1000, 30, 64
FILTERS, OUTPUTS, CELLS = 8, 16, 48


def encoder() -> Any:
    """8 x 8 image, 8 filters of 3 x 3 with stride 2, 16 outputs of 9 bits; weights of 6 bits."""
    import tensorflow as tf
    from qkeras import QActivation, QConv2D, QDense, quantized_bits

    layers = tf.keras.layers

    def weights() -> Any:
        return quantized_bits(6, 0, alpha=1)

    return tf.keras.Sequential(
        [
            layers.Input((8, 8, 1), name="image"),
            QActivation(quantized_bits(8, 1, alpha=1), name="image_q"),
            layers.ZeroPadding2D(((0, 1), (0, 1)), name="padded"),
            QConv2D(FILTERS, 3, strides=2, kernel_quantizer=weights(), bias_quantizer=weights(),
                    name="conv"),
            QActivation(quantized_bits(8, 1, alpha=1), name="hidden"),
            layers.Flatten(name="flat"),
            QDense(OUTPUTS, kernel_quantizer=weights(), bias_quantizer=weights(), name="dense"),
            QActivation(quantized_bits(9, 1, alpha=1), name="latent"),
        ],
        name="econ_t",
    )  # fmt: skip


def main(folder: Path, events: int = EVENTS, epochs: int = EPOCHS) -> None:
    """Write encoder.h5 and decoder.npz; print the loss of both on showers of another seed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # QKeras is made for Keras 2.
    import tensorflow as tf

    tf.keras.utils.set_random_seed(1)
    table = tomllib.loads((HERE / "readout.toml").read_text())
    arrangement = np.array(table["arrangement"])
    places = np.array([np.flatnonzero(arrangement.ravel() == cell)[0] for cell in range(CELLS)])

    def made(count: int, seed: int) -> tuple[Any, Any]:
        image = images(encode(charges(count, seed)), arrangement) / 64
        return image[..., None], image.reshape(count, -1)[:, places]

    front, back = encoder(), tf.keras.layers.Dense(CELLS, name="decoder")
    both = tf.keras.Sequential([front, back])
    x, y = made(events, 2)
    both.compile(tf.keras.optimizers.Adam(2e-3), "mse")
    slower = tf.keras.callbacks.LearningRateScheduler(
        lambda epoch: 2e-3 * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
    )
    both.fit(x, y, BATCH, epochs, verbose=0, callbacks=[slower])
    folder.mkdir(parents=True, exist_ok=True)
    front.save(folder / "encoder.h5")
    kernel, bias = back.get_weights()
    np.savez(folder / "decoder.npz", kernel=kernel, bias=bias)
    x, y = made(TEST, 3)
    loss = telescope(y, np.asarray(both.predict(x, verbose=0), np.float64))
    print(f"{events} showers, {epochs} epochs: telescope loss {loss:.5f} at 9 bits")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "made")
