"""The top of benchmarks/models.md: for each kind of row how many there are, and how good."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from common import Row

_KINDS = (
    (r"area, .*, (EGFET 1.0 V|OSU 0.18 um), (abc map|abc amap|adders amap|extract amap)$",
     "area, {}, {}"),
    (r"area, .*, (EGFET 1.0 V|OSU 0.18 um), best of ours against (.*)$",
     "area, {}, best of ours against {}"),
    (r"(LUTs|LUTs and CARRY4), ", "{}"),
    (r"(file to Verilog, whole commands|file to Verilog, in one process), (\w+), ", "{}, {}"),
    (r"compiled evaluator, .* against (alkaid's interpreter|Verilator)$",
     "compiled evaluator against {}"),
)  # fmt: skip
_MEAN = re.compile(r"area, (.*, \w+ amap|.*, abc map)")


def ordered(rows: Sequence[Row]) -> list[Row]:
    """The rows, those of one kind together."""
    heads = ("area, geometric", "area, ", "LUTs", "file to Verilog", "effort curve",
             "compiled evaluator", "models")  # fmt: skip

    def place(row: Row) -> int:
        return next((i for i, head in enumerate(heads) if row.what.startswith(head)), len(heads))

    return sorted(rows, key=place)


def means(rows: Sequence[Row]) -> list[Row]:
    """The geometric mean of the ratios of each library and script."""
    found = []
    for kind, members in _by_kind(rows).items():
        ratios = _ratios(members)
        if not ratios or not _MEAN.fullmatch(kind):
            continue
        mean = _mean(ratios)
        what = f"area, geometric mean of the ratios, {kind.removeprefix('area, ')}"
        found.append(
            Row(what, mean, "", "the better rival", 1.0, "at most 0.92", mean <= 0.92,
                note=f"{len(ratios)} designs")
        )  # fmt: skip
    return found


def summary(rows: Sequence[Row]) -> str:
    """A table of a line a kind."""
    lines = [
        "| what | reach | met | missed | not measured | geometric mean | worst |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, members in _by_kind(rows).items():
        ratios = _ratios(members)
        high = members[0].reach.startswith("at least")
        worst = (min if high else max)(ratios.items(), key=lambda r: r[1], default=None)
        cells = [
            kind,
            members[0].reach,
            *(str(sum(row.met is met for row in members)) for met in (True, False, None)),
            f"{_mean(ratios):.3f}" if ratios else "-",
            f"{worst[1]:.3f}, {_case(worst[0], kind)}" if worst else "-",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _by_kind(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each kind, in the order of the kinds and, within them, of their first rows."""
    found: dict[str, list[Row]] = {}
    for pattern, name in _KINDS:
        for row in rows:
            match = re.match(pattern, row.what)
            if match and row.reach and not row.what.startswith("area, geometric"):
                found.setdefault(name.format(*match.groups()), []).append(row)
    return found


def _ratios(rows: Sequence[Row]) -> dict[str, float]:
    return {row.what: row.ratio for row in rows if row.ratio}


def _mean(ratios: dict[str, float]) -> float:
    return math.exp(sum(map(math.log, ratios.values())) / len(ratios))


def _case(what: str, kind: str) -> str:
    """The design's own name in the name of a row."""
    parts = [part for part in what.split(", ") if part not in kind and not kind.startswith(part)]
    return ", ".join(part.partition(" against ")[0] for part in parts)
