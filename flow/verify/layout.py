"""Reads vectors/layout.json of an output folder, and names the lane where two words differ."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow.errors import UsageError


@dataclass(frozen=True, slots=True)
class Layout:
    """What a bench needs to know of a design; `outputs` are the ports as in the file.

    The words of vectors/ are those of the samples, then those of the probes.
    """

    top: str
    samples: int
    work: int
    outputs: tuple[dict[str, Any], ...]
    width: int
    probes: int = 0

    @property
    def words(self) -> int:
        """How many words each side of vectors/ has."""
        return self.samples + self.probes

    def extent(self, words: int) -> str:
        """What the first so many words are."""
        parts = [_part(min(words, self.samples), self.samples, "samples")]
        if self.probes and words >= self.samples:
            parts.append(_part(words - self.samples, self.probes, "probes"))
        return ", ".join(parts)

    def title(self, word: int) -> str:
        """What a word is: sample 3, or probe 7."""
        own = word < self.samples
        return f"sample {word}" if own else f"probe {word - self.samples}"

    def difference(self, expected: str, got: str) -> str:
        """The first port and lane where two hexadecimal words differ, with both numbers.

        A digit of `got` may be x or z, as simulators print unknown bits.
        """
        want, have = _binary(expected, self.width), _binary(got, self.width)
        for port in self.outputs:
            for i, lane in enumerate(port["lanes"]):
                end = self.width - port["offset"] - lane["offset"]
                field = slice(end - lane["width"], end)
                if want[field] != have[field]:
                    signed = bool(lane["signed"])
                    return (
                        f"port {port['name']}, lane {i}: expected {_number(want[field], signed)}, "
                        f"got {_number(have[field], signed)}"
                    )
        return "no lane differs"


def read_layout(folder: Path) -> Layout:
    """The layout of an output folder. UsageError where there is none that can be read."""
    path = folder / "vectors" / "layout.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Layout(
            top=str(data["top"]),
            samples=int(data["samples"]),
            work=max(1, int(data["work"])),
            outputs=tuple(data["outputs"]["ports"]),
            width=max(1, int(data["outputs"]["width"])),
            probes=int(data.get("probes", 0)),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "the layout of the vectors cannot be read",
            where="vectors/layout.json",
            hint="give a folder that `flow build` wrote",
        ) from error


def _part(some: int, every: int, what: str) -> str:
    if some == every:
        return f"{every} {what}"
    return f"the first {some} of {every} {what}" if some else f"none of {every} {what}"


def _binary(text: str, width: int) -> str:
    digits = (c * 4 if c in "xXzZ" else f"{int(c, 16):04b}" for c in text)
    return "".join(digits).rjust(width, "0")[-width:]


def _number(bits: str, signed: bool) -> str:
    if not set(bits) <= {"0", "1"}:
        return f"unknown bits ({bits})"
    value = int(bits, 2)
    return str(value - (1 << len(bits)) if signed and bits[0] == "1" else value)
