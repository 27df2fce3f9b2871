"""Seeded damage to bytes: cuts, flips, and what a fuzzer does to text and to numbers."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
         0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)  # fmt: skip
WORDS = (
    b"-1", b"0", b"1e999", b"NaN", b"Infinity", b"99999999999999999999", b"1.5", b"true", b"null",
    b"[]", b"{}", b'""', b"\\u0000", b"\n", b"\0", b"\xff", b"../../canary", b"/etc/passwd",
    b"$system", b"`include", b"\\", b"%s", b"{{7*7}}", b"9" * 400, b"a" * 3000, b"[" * 200,
    b"(" * 200, b"x.0", b".", b",", b":", b";", b'"', b"#",
)  # fmt: skip


def cuts(data: bytes, parts: int = 64) -> Iterator[tuple[str, bytes]]:
    """The first k/64 of the bytes, for each k; the last one lacks one byte."""
    ends = dict.fromkeys(len(data) * k // parts for k in range(parts))
    for end in (*ends, len(data) - 1):
        yield f"cut at {end}", data[:end]


def flips(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """The bytes with one to four bits changed."""
    chance = random.Random(seed)
    for number in range(count):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            at = chance.randrange(len(changed))
            changed[at] ^= 1 << chance.randrange(8)
        yield f"flip {number}", bytes(changed)


def mutant(data: bytes, chance: random.Random, others: tuple[bytes, ...] = ()) -> bytes:
    """The bytes with one to six damages of any kind."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        _damage(changed, chance, others)
    return bytes(changed)


def _damage(data: bytearray, chance: random.Random, others: tuple[bytes, ...]) -> None:
    size = len(data)
    at = chance.randrange(size + 1)
    length = min(size - at, int(2 ** chance.uniform(0, 10)))
    match chance.randrange(11):
        case 0 if size:
            data[at % size] ^= 1 << chance.randrange(8)
        case 1 if size:
            data[at % size] = chance.randrange(256)
        case 2:
            del data[at : at + length]
        case 3:
            data[at:at] = data[at : at + length]
        case 4:
            data[at:at] = bytes(chance.randrange(256) for _ in range(length % 16))
        case 5:
            value, width = chance.choice(EDGES), chance.choice("BHIQ")
            room = struct.calcsize(width)
            order = chance.choice("<>")
            data[at : at + room] = struct.pack(order + width, value & (1 << 8 * room) - 1)
        case 6:
            data[at : at + chance.choice((0, length))] = chance.choice(WORDS)
        case 7:
            other = chance.choice(others) if others else bytes(data)
            if other:
                begin = chance.randrange(len(other))
                data[at : at + length] = other[begin : begin + length]
        case 8:
            del data[at:]
        case 9:
            _line(data, chance)
        case 10:
            _number(data, chance)


def _line(data: bytearray, chance: random.Random) -> None:
    """Double, drop or move a line."""
    lines = bytes(data).split(b"\n")
    at = chance.randrange(len(lines))
    match chance.randrange(3):
        case 0:
            lines.insert(chance.randrange(len(lines)), lines[at])
        case 1:
            del lines[at]
        case 2:
            other = chance.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
    data[:] = b"\n".join(lines)


def _number(data: bytearray, chance: random.Random) -> None:
    """Put another number in the place of a run of digits."""
    starts = [i for i, c in enumerate(data) if 48 <= c < 58][:4000]
    if not starts:
        return
    at = end = chance.choice(starts)
    while end < len(data) and 48 <= data[end] < 58:
        end += 1
    data[at:end] = chance.choice(
        (b"0", b"-1", b"1", b"3", b"65", b"4294967296", b"1e30", b"18446744073709551616", b"0.5",
         b"100000000")
    )  # fmt: skip
