"""What every benchmark writes: rows with a rival beside them, as a table and as JSON."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


@dataclass
class Row:
    """One figure. `reach` is the bound asked for, as text; `met` whether it holds."""

    what: str
    value: float | None
    unit: str
    rival: str = ""
    rival_value: float | None = None
    reach: str = ""
    met: bool | None = None
    seed: int = 0
    note: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """value / rival_value, where both were measured."""
        if self.value is None or not self.rival_value:
            return None
        return self.value / self.rival_value


def seconds(work: Callable[[], object], runs: int = 5) -> float:
    """The median wall time of some runs."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def paired(
    first: Callable[[], object], second: Callable[[], object], runs: int = 5
) -> tuple[float, float]:
    """Median seconds of two pieces of work that take turns, so that both see the same machine."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for work, found in zip((first, second), times, strict=True):
            start = time.perf_counter()
            work()
            found.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def process_seconds(arguments: Sequence[str], runs: int = 5) -> float:
    """The median wall time of a whole process, after one run that does not count."""
    command = [sys.executable, *arguments]

    def work() -> None:
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)

    work()
    return seconds(work, runs)


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python and of packages, and the machine's processor count."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def merged(name: str, rows: Sequence[Row]) -> list[Row]:
    """The rows of the last record of that name, with the new ones in their places."""
    path = HERE / "results" / f"{name}.json"
    old = [Row(**row) for row in json.loads(path.read_text())] if path.is_file() else []
    new = {row.what: row for row in rows}
    kept = [new.pop(row.what, row) for row in old]
    return [*kept, *new.values()]


def write(
    name: str, title: str, rows: Sequence[Row], remarks: Sequence[str] = (), summary: str = ""
) -> None:
    """Print the table; write benchmarks/NAME.md and benchmarks/results/NAME.json."""
    top = f"{summary}\n" if summary else ""
    text = f"# {title}\n\n{top}{_table(rows)}\n" + "".join(f"\n{remark}\n" for remark in remarks)
    print(text)
    (HERE / f"{name}.md").write_text(text)
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / f"{name}.json").write_text(
        json.dumps([asdict(row) for row in rows], indent=1) + "\n"
    )


def _table(rows: Sequence[Row]) -> str:
    lines = [
        "| what | value | rival | rival's value | ratio | reach | met |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        met = {True: "yes", False: "**no**", None: "-"}[row.met]
        cells = [
            row.what + (f" ({row.note})" if row.note else ""),
            _figure(row.value, row.unit),
            row.rival or "-",
            _figure(row.rival_value, row.unit) if row.rival else "-",
            "-" if row.ratio is None else f"{row.ratio:.2f}",
            row.reach or "-",
            met,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _figure(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:.3g} {unit}"
