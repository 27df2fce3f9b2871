"""Where a Keras file keeps the weights of a layer: the Keras 2 and the Keras 3 order of HDF5."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend import guards
from flow.frontend.hdf5 import WeightFile
from flow.frontend.keras_config import LayerConfig, ModelConfig

OPTIONAL = frozenset({"count"})
"""Weights that a layer counts in and never reads: those of Normalization."""


class LayerWeights:
    """The weights of each layer, read when asked for."""

    def __init__(self, file: WeightFile, model: ModelConfig) -> None:
        self._file = file
        self._root: tuple[str, ...] = ("model_weights",) if file.has(("model_weights",)) else ()
        self._folders: dict[str, str] | None = None
        if file.texts(self._root, "layer_names") is None:
            if not file.has(("layers",)) and not file.has(("_layer_checkpoint_dependencies",)):
                raise UsageError(
                    "the file has no Keras weights",
                    where=file.where,
                    hint="save them by model.save or model.save_weights",
                )
            self._folders = _folders(file, model)

    def read(self, layer: LayerConfig, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The arrays, as float32, by name; the names are in the order in which Keras makes them.

        UsageError where one is missing, or where the layer has others.
        """
        if not names:
            return {}
        if self._folders is not None:
            return self._read_numbered(layer, names)
        group = (*self._root, layer.name)
        stored = self._file.texts(group, "weight_names") or ()
        by_name = {_base(path): path for path in stored}
        if len(by_name) != len(stored) or set(by_name) - set(names) - OPTIONAL:
            raise self._others(layer, names, tuple(_base(path) for path in stored))
        arrays: dict[str, NDArray[np.float32]] = {}
        for name in names:
            if name not in by_name:
                raise self._others(layer, names, tuple(by_name))
            place = f"{self._file.where}, layer {layer.name!r}, {name}"
            arrays[name] = self._array((*group, by_name[name]), place)
        return arrays

    def _read_numbered(
        self, layer: LayerConfig, names: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        folder = (self._folders or {}).get(layer.name)
        group = () if folder is None else (*folder.split("/"), "vars")
        stored = self._file.children(group) if folder and self._file.has(group) else ()
        extra = 1 if layer.kind == "Normalization" and len(stored) > len(names) else 0
        if stored != tuple(sorted(str(i) for i in range(len(names) + extra))):
            raise self._others(layer, names, stored)
        where = self._file.where
        return {
            name: self._array((*group, str(i)), f"{where}, layer {layer.name!r}, {name}")
            for i, name in enumerate(names)
        }

    def _array(self, path: tuple[str, ...], place: str) -> NDArray[np.float32]:
        """The weight as Keras holds it."""
        with np.errstate(over="ignore"):
            values = self._file.array(path, place).astype(np.float32)
        guards.check_finite(values, place)
        return values

    def _others(
        self, layer: LayerConfig, names: Sequence[str], stored: Sequence[str]
    ) -> UsageError:
        found = ", ".join(stored) or "none"
        return UsageError(
            f"the layer {layer.name!r} needs the weights {', '.join(names)}; the file has {found}",
            where=f"{self._file.where}, layer {layer.name!r}",
            hint="give the weights that belong to this model",
        )


def _base(path: str) -> str:
    """`fc1/kernel:0` -> `kernel`"""
    return path.rsplit("/", 1)[-1].split(":", 1)[0]


def _folders(file: WeightFile, model: ModelConfig) -> dict[str, str]:
    """The group of each layer in a Keras 3 weight file.

    A group is named after the class in snake case, the second of a class with `_1`, and so on, in
    the order of the layers; newer files also keep the layer's name beside it, which then counts.
    """
    top = "layers" if file.has(("layers",)) else "_layer_checkpoint_dependencies"
    stored = file.children((top,))
    named = {file.text((top, child, "vars"), "name"): child for child in stored}
    count: dict[str, int] = {}
    folders: dict[str, str] = {}
    for layer in model.layers:
        if layer.kind == "InputLayer" and model.sequential:
            continue
        kind = snake_case(layer.kind)
        number = count.get(kind, 0)
        count[kind] = number + 1
        guess = kind if number == 0 else f"{kind}_{number}"
        folders[layer.name] = f"{top}/{named.get(layer.name, guess)}"
    return folders


def snake_case(name: str) -> str:
    """`QBatchNormalization` -> `q_batch_normalization`, as Keras 3 names groups."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
