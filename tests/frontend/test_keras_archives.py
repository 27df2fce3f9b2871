"""Archives of Keras 3: weights are found by name, or by the order of their class."""

import hashlib

import numpy as np
import pytest
from frontend import keras_files as k
from frontend.keras_reading import answer, kinds, store

from flow.frontend.keras.weights import snake_case
from flow.frontend.read import read_model


def keras3(names=("fc1", "fc2")):
    """x -> fc1 -> relu -> fc2, added to x; the file lists fc2 before fc1."""
    entries = [
        k.layer("InputLayer", "x", batch_shape=[None, 3], dtype="float32"),
        k.dense(names[1], 3, dtype={"class_name": "DTypePolicy", "config": {"name": "float32"}}),
        k.dense(names[0], 3, activation={"class_name": "function", "config": "relu"}),
        k.layer("Add", "sum"),
    ]
    calls = [[], [[k.tensor(names[0])]], [[k.tensor("x")]], [[[k.tensor(names[1]), k.tensor("x")]]]]
    for entry, args in zip(entries, calls, strict=True):
        entry.update(name=entry["config"]["name"], module="keras.layers")
        entry["inbound_nodes"] = [{"args": a, "kwargs": {"training": False}} for a in args]
    config = {
        "name": "net3", "layers": entries, "input_layers": ["x", 0, 0],
        "output_layers": ["sum", 0, 0],
    }  # fmt: skip
    return {"module": "keras.src.models.functional", "class_name": "Functional", "config": config}


FIRST, SECOND = np.eye(3, dtype=np.float32) * 2, np.eye(3, dtype=np.float32) * -3
ZERO = np.zeros(3, np.float32)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("top", ["layers", "_layer_checkpoint_dependencies"])
def test_a_keras_3_archive_finds_weights_by_name_or_by_order_of_the_class(tmp_path, named, top):
    folders = {
        "dense": ("fc2" if named else None, [SECOND, ZERO]),
        "dense_1": ("fc1" if named else None, [FIRST, ZERO]),
    }
    content = k.keras_zip(keras3(), k.numbered(folders, top))
    read = read_model(store(tmp_path, "net.keras", content))
    assert read.format == "keras-zip"
    assert read.sha256 == hashlib.sha256(content).hexdigest()
    assert kinds(read) == [
        ("SourceInput", "x", ()),
        ("SourceDense", "fc1.0", ("x",)),
        ("SourceActivation", "fc1", ("fc1.0",)),
        ("SourceDense", "fc2", ("fc1",)),
        ("SourceAdd", "sum", ("fc2", "x")),
    ]
    assert answer(read, [[1, -1, 2]]).tolist() == [[-5.0, -1.0, -10.0]]


def test_the_name_beside_the_weights_counts_more_than_their_order(tmp_path):
    folders = {"dense": ("fc1", [FIRST, ZERO]), "dense_1": ("fc2", [SECOND, ZERO])}
    content = k.keras_zip(keras3(), k.numbered(folders))
    read = read_model(store(tmp_path, "net.keras", content))
    assert answer(read, [[1, -1, 2]]).tolist() == [[-5.0, -1.0, -10.0]]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("Dense", "dense"),
        ("QDense", "q_dense"),
        ("BatchNormalization", "batch_normalization"),
        ("QBatchNormalization", "q_batch_normalization"),
        ("ReLU", "re_lu"),
        ("InputLayer", "input_layer"),
    ],
)
def test_keras_3_writes_classes_in_snake_case(name, group):
    assert snake_case(name) == group
