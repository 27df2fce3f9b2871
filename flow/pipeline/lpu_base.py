"""The base of a chip in its folder: read again for other weights, and held byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from flow.backends.lpu import WIRED, LpuEmission
from flow.errors import UsageError
from flow.frontend.files import guards
from flow.ir.language import CODES
from flow.mapping.hardwired.neuron import Base
from flow.mapping.lpu.assemble import PLANES
from flow.mapping.lpu.base import ChipBase

CHIP = "chip.json"
MOST_SLACK = 16.0
MOST_REGIONS = 256
MOST_PORTS, MOST_MAGNITUDE = 1 << 20, 1 << 24


def base_facts(base: ChipBase) -> dict[str, Any]:
    """A base as JSON has it."""
    return {
        "code": base.code,
        "slack": base.slack,
        "arrays": [
            {"kind": kind, "magnitudes": list(cells.magnitudes), "ports": list(cells.ports)}
            for kind, cells in base.kinds.items()
        ],
    }


def read_base(folder: Path, rows: int) -> ChipBase:
    """The base of a chip in its folder, whose cells serve `rows` neurons; UsageError for none."""
    path = folder / CHIP
    facts = guards.parse_json(guards.read_bytes(path, guards.JSON_BYTES), path.name)
    made = facts.get("base") if isinstance(facts, dict) else None
    if not isinstance(made, dict):
        _no_base(folder)
    code, slack, arrays = (made.get(name) for name in ("code", "slack", "arrays"))
    if not isinstance(arrays, list) or not isinstance(slack, (int, float)):
        _no_base(folder)
    if isinstance(slack, bool) or not 0 <= slack <= MOST_SLACK:
        _no_base(folder)
    if facts.get("rows") != rows:
        raise UsageError(
            f"in the base {facts.get('rows')} neurons share the cells of one, here {rows}",
            where=str(folder), hint=f"give --rows {facts.get('rows')}",
        )  # fmt: skip
    kinds = {}
    for array in arrays:
        if not isinstance(array, dict) or not isinstance(array.get("kind"), str):
            _no_base(folder)
        kinds[array["kind"]] = _cells(array.get("magnitudes"), array.get("ports"), folder)
    found = next((known for known in CODES if known == code), None)
    if found is None:
        _no_base(folder)
    return ChipBase(found, float(slack), kinds)


def _cells(magnitudes: Any, ports: Any, folder: Path) -> Base:
    for numbers, limit in ((magnitudes, MOST_MAGNITUDE), (ports, MOST_PORTS)):
        whole = isinstance(numbers, list) and 1 <= len(numbers) <= MOST_REGIONS
        if not whole or not all(type(n) is int and 0 <= n < limit for n in numbers):
            _no_base(folder)
    if len(magnitudes) != len(ports) or sorted({0, *magnitudes}) != [0, *magnitudes]:
        _no_base(folder)
    return Base(tuple(ports), PLANES, tuple(magnitudes))


def _no_base(folder: Path) -> NoReturn:
    raise UsageError(
        "this is no folder of a chip, so it is no base", where=str(folder),
        hint="flow build MODEL --target lpu --slack 0.5 -o FOLDER makes one",
    )  # fmt: skip


def hold_base(emission: LpuEmission, folder: Path) -> None:
    """UsageError unless all files of the chip but its wires are those of the base's folder."""
    for name, content in emission.files.items():
        if name.name.startswith(WIRED):
            continue
        text = content.encode() if isinstance(content, str) else content
        try:
            kept = (folder / name).read_bytes()
        except OSError:
            kept = None
        if kept != text:
            raise UsageError(
                f"{name} would not stay what it is in the base",
                where=str(folder),
                hint="a base holds other weights of the same model, by the same version of flow",
            )
