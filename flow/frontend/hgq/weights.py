"""The variables of a layer that has layers within it, in either order of Keras' HDF5 files.

Keras 3 archives number the variables of each sublayer in a group of its own, named after the
attribute that holds it; whole-model HDF5 files list them by the path of their names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.files.hdf5 import WeightFile

FloatArray32 = NDArray[np.float32]

_SILENT = frozenset({"quantizers", "layers"})
"""Parts that whole-model files leave out."""
_STARTS = {
    "toq": "quantizer", "iq": "multiple_quantizers", "module": "sequential",
    "bn_module": "batch_normalization",
}  # fmt: skip
"""Parts without a name of their own: how the name that Keras gives them starts."""
_COUNTED = re.compile(r"(?:quantizer|einsum_dense)(?:_(\d+))?")


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """A layer or a part of it. `names` are the paths of its variables below `group`, or None where
    they are numbered; `inner` is how many parts of those paths lead to this branch. `retraced`:
    constants get the integer bits that trace_minmax gives them, not those of the file."""

    file: WeightFile
    place: str
    group: tuple[str, ...]
    names: tuple[str, ...] | None
    inner: tuple[str, ...] = ()
    retraced: bool = False

    def part(self, *steps: str) -> Branch:
        """The branch behind the attributes `steps`; UsageError if there is none."""
        branch = self
        for step in steps:
            branch = branch._step(step)
        return branch

    def arrays(self, order: Sequence[str], wanted: Sequence[str]) -> dict[str, FloatArray32]:
        """The wanted variables as float32; `order` has all names as Keras numbers them.

        UsageError where one is missing.
        """
        return {
            name: self.file.array(self._path(name, order), f"{self.place}, {name}").astype(
                np.float32
            )
            for name in wanted
        }

    def count(self) -> int:
        """The number of variables of the layer itself."""
        if self.names is None:
            group = (*self.group, *self.inner, "vars")
            return len(self.file.children(group)) if self.file.has(group) else 0
        return sum(path.count("/") == len(self.inner) for path in self.names)

    def may_have(self, name: str) -> bool:
        """Whether a variable of the name is there; True where they are numbered."""
        depth = len(self.inner)
        return self.names is None or any(
            path.count("/") == depth and path.split("/")[depth].split(":", 1)[0] == name
            for path in self.names
        )

    def _path(self, name: str, order: Sequence[str]) -> tuple[str, ...]:
        if self.names is None:
            return (*self.group, *self.inner, "vars", str(order.index(name)))
        depth = len(self.inner)
        for path in self.names:
            parts = path.split("/")
            if len(parts) == depth + 1 and parts[depth].split(":", 1)[0] == name:
                return (*self.group, path)
        raise self._missing(name)

    def _step(self, step: str) -> Branch:
        if self.names is None:
            inner = (*self.inner, step)
            if not self.file.has((*self.group, *inner)):
                raise self._missing(step)
            return replace(self, inner=inner)
        if step in _SILENT:
            return self
        depth = len(self.inner)
        children = list(
            dict.fromkeys(p.split("/")[depth] for p in self.names if p.count("/") > depth)
        )
        counted = _COUNTED.fullmatch(step)
        if counted:
            number = int(counted[1] or 0)
            found = children[number : number + 1]
        else:
            found = [c for c in children if c.endswith(f"_{step}")] or [
                c for c in children if step in _STARTS and c.startswith(_STARTS[step])
            ]
        if not found:
            raise self._missing(step)
        inner = (*self.inner, found[0])
        head = "/".join(inner) + "/"
        return replace(self, inner=inner, names=tuple(p for p in self.names if p.startswith(head)))

    def _missing(self, what: str) -> UsageError:
        return UsageError(
            f"the layer has no {what!r} in the file",
            where=self.place,
            hint="save the model again as .keras by a current HGQ 2",
        )
