"""HDF5 files read with guards: hard links only, sizes checked before memory, floats only.

The bytes are parsed by the HDF5 library, which is C code with a history of memory errors and
endless loops on hostile input. The checks here keep its callers from asking for anything dangerous,
and `trial.survive` goes first where a whole model is read; what a defect of the library lets a
file do without a crash is a risk that remains.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.files import guards
from flow.frontend.files.hdf5_strings import declared_lengths

MAGIC = b"\x89HDF\r\n\x1a\n"

DEPTH = 64
"""The most parts of a path."""

FILTERS = frozenset({1, 2, 3, 32000})
"""The filters that may unpack data: deflate, shuffle, Fletcher-32, LZF; no plug-ins."""


class WeightFile:
    """An HDF5 file in memory. Every access checks what it meets; `where` names the file."""

    def __init__(self, data: bytes, where: str) -> None:
        import h5py

        self.where = where
        self._data = data
        self._size = len(data)
        self._longest: dict[str, int] = {}
        self._read = 0
        with self._damage():
            self._root: Any = h5py.File(h5py.h5f.open_file_image(data), "r")
        self._places: dict[tuple[str, ...], Any] = {(): self._root}

    def __enter__(self) -> WeightFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._root.close()

    def has(self, path: tuple[str, ...]) -> bool:
        """Whether a group or an array is there, behind hard links only."""
        return self._find(path) is not None

    def children(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """The sorted names in a group; UsageError if there is none."""
        group = self._group(path)
        with self._damage():
            if len(group) > 10 * guards.LAYERS:
                self._refuse(f"a group has {len(group)} members", path)
            return tuple(sorted(str(name) for name in group))

    def text(self, path: tuple[str, ...], attribute: str) -> str | None:
        """An attribute that is one string; None if it is absent."""
        value = self._attribute(path, attribute)
        if value is None:
            return None
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(-1)[0]
        return self._string(value, path, attribute)

    def texts(self, path: tuple[str, ...], attribute: str) -> tuple[str, ...] | None:
        """An attribute that is a list of strings, also where Keras cut it; None if absent.

        Keras stores a list above 64 kB as `name0`, `name1`, ... (its HDF5 saving format).
        """
        value = self._attribute(path, attribute)
        if value is not None:
            return self._strings(value, path, attribute)
        parts: list[str] = []
        for index in range(1000):
            value = self._attribute(path, f"{attribute}{index}")
            if value is None:
                break
            parts.extend(self._strings(value, path, attribute))
        return tuple(parts) if parts else None

    def array(self, path: tuple[str, ...], where: str) -> NDArray[Any]:
        """A finite array of floats or integers, in the type of the file, or UsageError.

        `where` names the layer and the weight.
        """
        import h5py

        dataset = self._find(path)
        with self._damage():
            if not isinstance(dataset, h5py.Dataset):
                raise UsageError(
                    "the weight is missing in the file",
                    where=where,
                    hint="save the model again, or give the weights that belong to it",
                )
            self._check(dataset, path)
            values: NDArray[Any] = np.asarray(dataset[()])
        guards.check_finite(values, where)
        return values

    def _check(self, dataset: Any, path: tuple[str, ...]) -> None:
        if dataset.external or dataset.is_virtual:
            self._refuse("the array lies in another file", path)
        kind = dataset.dtype
        if kind.kind not in "fiu" or kind.itemsize > 8 or dataset.shape is None:
            self._refuse(f"the array holds {kind} and not numbers", path)
        shape = guards.check_shape(dataset.shape, self._place(path))
        declared = math.prod(shape) * int(kind.itemsize)
        stored = int(dataset.id.get_storage_size())
        if declared > guards.EXPANSION * stored or stored > self._size:
            self._refuse(f"the array says that {stored} bytes unpack to {declared}", path)
        if dataset.chunks and math.prod(dataset.chunks) > guards.ELEMENTS:
            self._refuse(f"the array has chunks of shape {list(dataset.chunks)}", path)
        plan = dataset.id.get_create_plist()
        for index in range(plan.get_nfilters()):
            if plan.get_filter(index)[0] not in FILTERS:
                self._refuse("the array is packed by an unknown filter", path)
        self._read += declared
        if self._read > 4 * guards.FILE_BYTES:
            self._refuse("the arrays of the file are too large", path)

    def _find(self, path: tuple[str, ...]) -> Any:
        """The object at the path or None; refuses every link that is not a hard one."""
        names = tuple(part for step in path for part in step.split("/") if part)
        if len(names) > DEPTH:
            self._refuse(f"a path has more than {DEPTH} parts", path)
        for end in range(1, len(names) + 1):
            if names[:end] not in self._places:
                parent = self._places[names[: end - 1]]
                with self._damage():
                    self._places[names[:end]] = self._follow(parent, names[end - 1], path)
        return self._places[names]

    def _follow(self, parent: Any, name: str, path: tuple[str, ...]) -> Any:
        import h5py

        if not isinstance(parent, h5py.Group) or name in (".", ".."):
            return None
        link = parent.get(name, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            self._refuse("the file has a link to another place", path)
        return parent[name]

    def _group(self, path: tuple[str, ...]) -> Any:
        import h5py

        group = self._find(path)
        if not isinstance(group, h5py.Group):
            raise UsageError(
                f"the file has no group {'/'.join(path)!r}",
                where=self.where,
                hint="save the model again",
            )
        return group

    def _attribute(self, path: tuple[str, ...], name: str) -> Any:
        import h5py

        place = self._find(path)
        if place is None:
            return None
        with self._damage():
            if name not in place.attrs:
                return None
            attribute = place.attrs.get_id(name)
            count, kind = math.prod(attribute.shape), attribute.dtype
            if kind.kind == "O":
                if h5py.check_string_dtype(kind) is None:
                    self._refuse(f"the attribute {name!r} is not text", path)
                if name not in self._longest:
                    lengths = declared_lengths(self._data, name)
                    self._longest[name] = max(lengths, default=self._size + 1)
                # Several strings may lie on the same bytes of the file.
                size = count * self._longest[name]
                if self._longest[name] > self._size:
                    self._refuse(f"the attribute {name!r} is longer than the file", path)
            else:
                size = count * int(kind.itemsize)
            if count > 10 * guards.LAYERS or size > guards.FILE_BYTES:
                self._refuse(f"the attribute {name!r} is too large", path)
            return place.attrs[name]

    def _strings(self, value: Any, path: tuple[str, ...], name: str) -> tuple[str, ...]:
        array = np.asarray(value)
        if array.size == 0:
            return ()
        return tuple(self._string(item, path, name) for item in array.reshape(-1).tolist())

    def _string(self, value: Any, path: tuple[str, ...], name: str) -> str:
        with self._damage():
            if isinstance(value, bytes):
                return value.decode("utf-8")
            if isinstance(value, str):
                return value.encode("utf-8").decode("utf-8")
        self._refuse(f"the attribute {name!r} is not text", path)

    def _place(self, path: tuple[str, ...]) -> str:
        return f"{self.where}, {'/'.join(path)[:200]}" if path else self.where

    def _refuse(self, message: str, path: tuple[str, ...]) -> NoReturn:
        raise UsageError(
            message,
            where=self._place(path),
            hint="no framework writes this; do not trust the file",
        )

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Turns what h5py raises on damaged files into one message."""
        try:
            yield
        except (
            OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError,
            NotImplementedError, AttributeError, SystemError,
        ) as error:  # fmt: skip
            raise UsageError(
                "the HDF5 file is damaged or cut short",
                where=self.where,
                hint="copy or save the file again",
            ) from error
