"""How the tests store Keras files, read them and ask them."""

import json

import numpy as np
from frontend import keras_files as k

from flow.frontend.float_model import evaluate_source
from flow.frontend.read import read_model


def store(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def read_h5(folder, model, weights, **options):
    return read_model(store(folder, "net.h5", k.h5(weights, model, **options)))


def kinds(model):
    return [(type(layer).__name__, layer.name, layer.sources) for layer in model.layers]


def answer(model, x):
    values = evaluate_source(model, {model.layers[0].name: np.asarray(x, float)})
    return values[model.outputs[0]]
