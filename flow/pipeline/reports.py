"""The reports of build folders, read again, with names that tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flow.errors import UsageError
from flow.pipeline.folder import MANIFEST, read_manifest
from flow.pipeline.reading import read_text
from flow.report.codec import from_json
from flow.report.record import Record

REPORT = "report.json"


def read_report(place: Path) -> Record:
    """The report of a build folder, or a report.json. UsageError says what is not there."""
    if not place.exists():
        raise UsageError(
            "there is no such build folder",
            where=str(place),
            hint="name the folder that flow build was given with -o",
        )
    path = place / REPORT if place.is_dir() else place
    if place.is_dir() and not path.is_file():
        if not (place / MANIFEST).is_file():
            raise UsageError(
                "this is not the output folder of a build",
                where=str(place),
                hint=f"a build folder has a {MANIFEST} and a {REPORT}",
            )
        stages = read_manifest(place).get("stages") or ["nothing"]
        raise UsageError(
            f"this build has no report: it ended after the stage {stages[-1]}",
            where=str(place),
            hint="build it to its end, without --to",
        )
    return from_json(read_text(path), str(path))


def names(places: Sequence[Path]) -> list[str]:
    """The last parts of the paths, as many as tell each place from the others."""
    parts = [place.resolve().parts for place in places]
    result = []
    for i, own in enumerate(parts):
        others = {tuple(other) for k, other in enumerate(parts) if k != i} - {tuple(own)}
        count = next(
            n
            for n in range(1, len(own) + 1)
            if n == len(own) or all(other[-n:] != own[-n:] for other in others)
        )
        result.append("/".join(own[-count:]))
    return result
