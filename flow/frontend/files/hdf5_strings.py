"""How long the strings of an HDF5 attribute say that they are, read from the bytes of the file.

The HDF5 library takes memory for a string of variable length by a number in the file, up to
4 GiB, before it looks for the string; so that number is looked at first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

HEADERS = ((1, 8, 8), (2, 8, 1), (3, 9, 1))
"""Version of an attribute message, size of its header, and multiple that its parts fill."""

VARIABLE = 9
"""The class of datatypes of variable length."""

PLACES = 100_000
"""The most places of a name that are looked at."""

REFERENCE = struct.Struct("<I12x")
"""A length, and where in the file the string is."""


def declared_lengths(data: bytes, name: str) -> tuple[int, ...]:
    """The lengths in every attribute message of this name in the file, none if there is none.

    More than the length of the file where the name is in too many places to look at.

    The layout is that of the HDF5 File Format Specification 3.0, IV.A.2.m.
    """
    key = name.encode() + b"\0"
    if data.count(key) > PLACES:
        return (len(data) + 1,)
    lengths: list[int] = []
    at = data.find(key)
    while at >= 0:
        for version, header, multiple in HEADERS:
            if at >= header and data[at - header] == version:
                lengths.extend(_lengths(data, at, header, multiple, len(key)))
        at = data.find(key, at + 1)
    return tuple(lengths)


def _lengths(data: bytes, at: int, header: int, multiple: int, key: int) -> Iterator[int]:
    sizes = struct.unpack_from("<HHH", data, at - header + 2)
    if sizes[0] != key:
        return
    name, kind, space = (-(-size // multiple) * multiple for size in sizes)
    start = at + name + kind + space
    if at + name >= len(data) or data[at + name] & 15 != VARIABLE:
        return
    shape = data[at + name + kind : start]
    if len(shape) < 2:
        return
    # Dimensions follow a header of 8 bytes in version 1 of a dataspace, of 4 in version 2.
    first = 8 if shape[0] == 1 else 4
    count = 1
    for axis in range(shape[1]):
        count *= int.from_bytes(shape[first + 8 * axis : first + 8 * axis + 8], "little")
    room = max(0, len(data) - start) // REFERENCE.size
    for index in range(min(count, room)):
        yield REFERENCE.unpack_from(data, start + index * REFERENCE.size)[0]
