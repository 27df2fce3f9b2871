"""Quantisation-aware training with QKeras, where it is installed: weights are powers of two.

The network is that of Afentaki et al., ICCAD 2023: a dense layer of `quantized_po2` weights and
biases, `quantized_relu`, and a second dense layer of the same kind; training begins at the weights
of the same network without quantisers. `flow build` reads its file.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any

from flow.errors import UsageError
from flow.train.dataset import Dataset

WEIGHT_BITS, HIDDEN_BITS = 7, 8
EPOCHS, BATCH, PATIENCE = 200, 16, 20


def installed() -> bool:
    """Whether QKeras and TensorFlow are here; neither is loaded."""
    return all(importlib.util.find_spec(name) is not None for name in ("qkeras", "tensorflow"))


def train_qkeras(
    data: Dataset, hidden: int, seed: int = 0, max_value: int = 2, epochs: int = EPOCHS
) -> tuple[bytes, float]:
    """The HDF5 file of the trained model, and its accuracy in validation.

    The model takes level / 2**bits. Weights and biases are at most `max_value`. UsageError where
    QKeras is not installed. Equal seeds give equal weights on one machine.
    """
    if not installed():
        raise UsageError(
            "QKeras is not installed",
            hint="pip install 'flow[train]', or leave --qat out: flow trains powers of two itself",
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # QKeras is made for Keras 2.
    exact = _model(data, hidden, seed, None)
    _fit(exact, data, epochs)
    model = _model(data, hidden, seed, max_value)
    model.set_weights(exact.get_weights())
    history = _fit(model, data, epochs)
    best = min(range(len(history["val_loss"])), key=history["val_loss"].__getitem__)
    accuracy = float(history["val_accuracy"][best])
    with tempfile.TemporaryDirectory(prefix="flow-qkeras-") as folder:
        file = Path(folder) / "model.h5"
        model.save(file)
        return file.read_bytes(), accuracy


def _fit(model: Any, data: Dataset, epochs: int) -> dict[str, list[float]]:
    """Train, and keep the weights that were best in validation; the history."""
    import tensorflow as tf

    model.compile(
        tf.keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    stop = tf.keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=max(PATIENCE, epochs // 4), restore_best_weights=True
    )
    scale = 2.0**data.scaler.bits
    history: dict[str, list[float]] = model.fit(
        data.x_train / scale,
        data.y_train,
        validation_data=(data.x_valid / scale, data.y_valid),
        epochs=epochs,
        batch_size=BATCH,
        verbose=0,
        callbacks=[stop],
    ).history
    return history


def _model(data: Dataset, hidden: int, seed: int, max_value: int | None) -> Any:
    """The network; without quantisers where there is no largest value."""
    import tensorflow as tf
    from qkeras import QActivation, QDense, quantized_po2, quantized_relu

    tf.keras.utils.set_random_seed(seed)
    layers = tf.keras.layers

    def dense(name: str, width: int) -> Any:
        sparse = tf.keras.regularizers.L1(1e-4)
        if max_value is None:
            return layers.Dense(width, kernel_regularizer=sparse, name=name)
        power = (quantized_po2(WEIGHT_BITS, max_value) for _ in range(2))
        return QDense(
            width, kernel_quantizer=next(power), bias_quantizer=next(power),
            kernel_regularizer=sparse, name=name,
        )  # fmt: skip

    relu = quantized_relu(HIDDEN_BITS, 2)
    shown = layers.ReLU(name="relu") if max_value is None else QActivation(relu, name="relu")
    return tf.keras.Sequential(
        [
            layers.Input((data.features,), name="x"),
            dense("hidden", hidden),
            shown,
            dense("scores", data.classes),
            layers.Activation("softmax", name="softmax"),
        ]
    )
