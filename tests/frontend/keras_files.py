"""Keras files written by hand, as Keras 2 and Keras 3 lay them out, for the tests of the reader."""

import io
import json
import zipfile

import h5py
import numpy as np


def layer(kind, name, **config):
    """One entry of a Keras 2 configuration."""
    return {"class_name": kind, "config": {"name": name, **config}}


def dense(name, units, **config):
    return layer("Dense", name, units=units, use_bias=True, **config)


def sequential(*layers, inputs=None, name="net", version="2.15.0"):
    """A Keras 2 Sequential; `inputs` is the shape without the batch."""
    entries = [dict(entry, config=dict(entry["config"])) for entry in layers]
    if inputs is not None:
        entries[0]["config"]["batch_input_shape"] = [None, *inputs]
    model = {"class_name": "Sequential", "config": {"name": name, "layers": entries}}
    return model if version is None else {**model, "keras_version": version}


def functional(layers, outputs, name="net", version="2.15.0"):
    """A Keras 2 Functional; `layers` are (entry, names of the sources)."""
    entries = []
    for entry, sources in layers:
        nodes = [[[source, 0, 0, {}] for source in sources]] if sources else []
        entries.append({**entry, "name": entry["config"]["name"], "inbound_nodes": nodes})
    inputs = [[e["name"], 0, 0] for e in entries if e["class_name"] == "InputLayer"]
    config = {
        "name": name,
        "layers": entries,
        "input_layers": inputs,
        "output_layers": [[output, 0, 0] for output in outputs],
    }
    return {"class_name": "Functional", "config": config, "keras_version": version}


def source(name, *shape):
    return layer("InputLayer", name, batch_input_shape=[None, *shape], dtype="float32")


def tensor(name, call=0, output=0):
    """A Keras 3 tensor of a call."""
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, output]}}


def h5(weights, model=None, version="2.15.0", edit=None):
    """The bytes of a Keras 2 file: {layer: {weight: array}}, and the model where it is whole."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["keras_version"] = version
        group = file
        if model is not None:
            file.attrs["model_config"] = json.dumps(model)
            group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for name, arrays in weights.items():
            place = group.create_group(name)
            place.attrs["weight_names"] = [f"{name}/{weight}:0".encode() for weight in arrays]
            for weight, array in arrays.items():
                place[f"{name}/{weight}:0"] = np.asarray(array)
        if edit is not None:
            edit(file)
    return buffer.getvalue()


def numbered(folders, top="layers"):
    """The bytes of a Keras 3 weight file: {folder: (name or None, arrays)}."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for folder, (name, arrays) in folders.items():
            place = file.create_group(f"{top}/{folder}/vars")
            if name is not None:
                place.attrs["name"] = name
            for i, array in enumerate(arrays):
                place[str(i)] = array
    return buffer.getvalue()


def archive(members, compression=zipfile.ZIP_STORED):
    """The bytes of a zip archive of {name: bytes}."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def keras_zip(model, weights, version="3.4.1"):
    """The bytes of a `.keras` file."""
    return archive(
        {
            "metadata.json": json.dumps({"keras_version": version}),
            "config.json": json.dumps(model),
            "model.weights.h5": weights,
        }
    )


KERNEL = np.array([[0.5, -1.25, 2.0], [3.0, 0.125, -0.5]], np.float32)
BIAS = np.array([0.25, -4.0, 1.0], np.float32)
SMALL = sequential(dense("fc1", 3, activation="relu"), inputs=(2,))
SMALL_WEIGHTS = {"fc1": {"kernel": KERNEL, "bias": BIAS}}
