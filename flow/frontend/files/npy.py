"""Parses the bytes of a numpy file: the declared size is compared with the bytes before use."""

from __future__ import annotations

import math
import warnings
from io import BytesIO
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from flow.errors import UsageError

MAX_HEADER = 10_000
KINDS = "biufSU"
"""Booleans, integers, floats and text; never Python objects, records or dates."""

_BAD_HEADER = (
    ValueError, TypeError, SyntaxError, RecursionError, MemoryError, EOFError, TokenError,
    OverflowError,
)  # fmt: skip


def parse_npy(data: bytes, where: str) -> NDArray[Any]:
    """The array of an .npy file, as a read-only view of its bytes.

    Raises UsageError for anything but a whole array of numbers or text; no pickle is loaded, and
    nothing is allocated by a size that the header only claims.
    """
    shape, column_major, dtype, begin = parse_header(data, len(data), where)
    if 0 in shape:
        return np.empty(tuple(0 for _ in shape), dtype=dtype)
    flat: NDArray[Any] = np.frombuffer(data, dtype=dtype, offset=begin)
    return flat.reshape(shape, order="F" if column_major else "C")


def parse_header(
    head: bytes, size: int, where: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether columns come first, type, and where the numbers begin, of a file of `size`
    bytes whose first ones are `head`; UsageError as above."""
    file = BytesIO(head)
    try:
        version = npy_format.read_magic(file)
        read = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
        if version not in read:
            raise ValueError("unknown version")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers of Python 2 are fine
            shape, column_major, dtype = read[version](file, max_header_size=MAX_HEADER)
    except _BAD_HEADER as error:
        raise UsageError(
            "this is not a numpy file", where=where, hint="save the array with numpy.save"
        ) from error
    if dtype.kind not in KINDS or dtype.hasobject or dtype.itemsize == 0 or dtype.subdtype:
        raise UsageError(
            f"arrays of the type {dtype} are not read",
            where=where,
            hint="save numbers: array.astype('float64')",
        )
    if any(not 0 <= n < 1 << 62 for n in shape) or len(shape) > 32:
        raise UsageError("the header declares an impossible shape", where=where)
    declared, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if declared != there:
        raise UsageError(
            f"the header declares {declared} bytes, but the file holds {there}",
            where=where,
            hint="the file is damaged or cut short; save it again",
        )
    return shape, column_major, dtype, file.tell()
