"""Records of long campaigns: one JSON file, replaced whole after each piece of work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from common import HERE

RESULTS = HERE / "results"


def opened(name: str, seed: int) -> dict[str, Any]:
    """The record of that name and seed; a new one where there is none."""
    path = RESULTS / f"{name}.json"
    if path.is_file():
        known: dict[str, Any] = json.loads(path.read_text())
        if known["seed"] == seed:
            return known
    return {"seed": seed}


def kept(name: str, record: Mapping[str, Any]) -> None:
    """Put it in the place of the old one."""
    path = RESULTS / f"{name}.json"
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(record, indent=1) + "\n")
    beside.replace(path)
