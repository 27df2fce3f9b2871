"""Where a Keras file keeps the weights of a layer: the Keras 2 and the Keras 3 order of HDF5."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.files import guards
from flow.frontend.files.hdf5 import WeightFile
from flow.frontend.hgq.weights import Branch
from flow.frontend.keras.config import LayerConfig, ModelConfig

OPTIONAL = frozenset({"count", "iteration", "mask", "threshold", "pruning_step"})
"""Weights that a layer counts in and never reads: of Normalization, folded and pruned layers."""

RENAMED = {"depthwise_kernel": "kernel"}
"""Weights that Keras 3 names otherwise."""

Path = tuple[str, ...]
"""The names of the models around a layer, and its own."""

FOLDED = "Batchnorm"
"""How the names of the classes of QKeras end that hold a normalisation in a group of its own."""

NORM = frozenset({"gamma", "beta", "moving_mean", "moving_variance"})
"""The weights of that normalisation."""

WRAPPERS = frozenset({"TimeDistributed", "PruneLowMagnitude"})
"""Classes whose weights are those of the layer in their setting `layer`."""


class LayerWeights:
    """The weights of each layer, read when asked for; `model` with its inner models.

    `retraced`: constants of HGQ 2 are to have the integer bits that trace_minmax gives them.
    """

    def __init__(self, file: WeightFile, model: ModelConfig, retraced: bool = False) -> None:
        self._file = file
        self._retraced = retraced
        self._root: tuple[str, ...] = ("model_weights",) if file.has(("model_weights",)) else ()
        self._folders: dict[Path, Path] | None = None
        if file.texts(self._root, "layer_names") is None:
            if not file.has(("layers",)) and not file.has(("_layer_checkpoint_dependencies",)):
                raise UsageError(
                    "the file has no Keras weights",
                    where=file.where,
                    hint="save them by model.save or model.save_weights",
                )
            self._folders = dict(_folders(file, model, (), ()))

    def read(self, layer: LayerConfig, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The arrays, as float32, by name; the names are in the order in which Keras makes them.

        UsageError where one is missing, or where the layer has others.
        """
        if not names:
            return {}
        if self._folders is not None:
            return self._read_numbered(layer, names)
        group = (*self._root, layer.path[0])
        stored = self._stored(group, layer)
        stored = tuple(path for path in stored if _base(path) not in OPTIONAL - set(names))
        by_name = {_base(path): path for path in stored}
        for name, other in RENAMED.items():
            if name in names and name not in by_name and other in by_name and other not in names:
                by_name[name] = by_name.pop(other)
        if len(by_name) != len(stored) or set(by_name) - set(names):
            raise self._others(layer, names, tuple(_base(path) for path in stored))
        arrays: dict[str, NDArray[np.float32]] = {}
        for name in names:
            if name not in by_name:
                raise self._others(layer, names, tuple(by_name))
            place = f"{self._file.where}, layer {layer.name!r}, {name}"
            arrays[name] = self._array((*group, by_name[name]), place)
        return arrays

    def _stored(self, group: Path, layer: LayerConfig) -> tuple[str, ...]:
        """The paths of the layer's weights below the group; inner models share one group."""
        stored = self._file.texts(group, "weight_names") or ()
        if len(layer.path) == 1:
            return stored
        return tuple(path for path in stored if layer.path[-1] in path.split("/")[:-1])

    def branch(self, layer: LayerConfig) -> Branch:
        """The variables of the layer and of the layers within it."""
        place = f"{self._file.where}, layer {layer.name!r}"
        if self._folders is not None:
            group = self._folders.get(layer.path, ())
            return Branch(self._file, place, group, None, retraced=self._retraced)
        group = (*self._root, layer.path[0])
        stored = self._stored(group, layer)
        # The names start with those of the models and of the layer: `sequential/dense_1/kernel`.
        head: tuple[str, ...] = ()
        for path in stored[:1]:
            parts = path.split("/")
            own = layer.path[-1]
            head = tuple(parts[: parts.index(own) + 1]) if own in parts else ()
        start = "/".join(head) + "/" if head else ""
        below = tuple(p.removeprefix(start) for p in stored)
        return Branch(self._file, place, (*group, *head), below, retraced=self._retraced)

    def _read_numbered(
        self, layer: LayerConfig, names: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        folder = (self._folders or {}).get(layer.path, ())
        if layer.kind in WRAPPERS:
            folder = (*folder, "layer")
        within = [name for name in names if name in NORM] if layer.kind.endswith(FOLDED) else []
        if within:
            rest = [name for name in names if name not in NORM]
            return {
                **self._numbered(layer, (*folder, "vars"), rest),
                **self._numbered(layer, (*folder, "batchnorm", "vars"), within),
            }
        return self._numbered(layer, (*folder, "vars"), names)

    def _numbered(
        self, layer: LayerConfig, group: Path, names: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        """The arrays of one group, numbered in the order of the names."""
        stored = self._file.children(group) if self._file.has(group) else ()
        counted = layer.kind == "Normalization" or layer.kind.endswith(FOLDED)
        extra = 1 if counted and len(stored) > len(names) else 0
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


def _folders(
    file: WeightFile, model: ModelConfig, root: Path, path: Path
) -> Iterator[tuple[Path, Path]]:
    """The group of each layer in a Keras 3 weight file, of the layers of inner models too.

    A group is named after the class in snake case, the second of a class with `_1`, and so on, in
    the order of the layers; newer files also keep the layer's name beside it, which then counts.
    """
    tops = ("layers", "_layer_checkpoint_dependencies")
    top = next((t for t in tops if file.has((*root, t))), None)
    if top is None:
        return
    stored = file.children((*root, top))
    named = {file.text((*root, top, child, "vars"), "name"): child for child in stored}
    count: dict[str, int] = {}
    for layer in model.layers:
        if layer.kind == "InputLayer" and model.sequential:
            continue
        if (layer.module or "").startswith("keras.src.ops"):
            continue
        kind = snake_case(layer.kind)
        number = count.get(kind, 0)
        count[kind] = number + 1
        guess = kind if number == 0 else f"{kind}_{number}"
        folder = (*root, top, named.get(layer.name, guess))
        yield (*path, layer.name), folder
        if layer.inner is not None:
            yield from _folders(file, layer.inner, folder, (*path, layer.name))


def snake_case(name: str) -> str:
    """`QBatchNormalization` -> `q_batch_normalization`, as Keras 3 names groups."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
