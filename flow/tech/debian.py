"""The cell libraries of Debian's qflow packages: read where they are installed, never copied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.errors import UsageError
from flow.tech.liberty import read_liberty
from flow.tech.technology import Technology

ROOT = Path("/usr/share/qflow/tech")


@dataclass(frozen=True, slots=True)
class Library:
    """A Liberty file of a package: the name of the technology, the package, the file below ROOT."""

    name: str
    title: str
    package: str
    file: str


LIBRARIES: tuple[Library, ...] = (
    Library(
        "osu018",
        "OSU standard cells, 0.18 um, 1.8 V (Debian package qflow-tech-osu018)",
        "qflow-tech-osu018",
        "osu018/osu018_stdcells.lib",
    ),
    Library(
        "osu035",
        "OSU standard cells, 0.35 um, 3.3 V (Debian package qflow-tech-osu035)",
        "qflow-tech-osu035",
        "osu035/osu035_stdcells.lib",
    ),
    Library(
        "osu050",
        "OSU standard cells, 0.5 um, 5 V (Debian package qflow-tech-osu050)",
        "qflow-tech-osu050",
        "osu050/osu05_stdcells.lib",
    ),
)


def debian(name: str) -> Library | None:
    """The library of that name, if there is one."""
    return next((library for library in LIBRARIES if library.name == name), None)


def load_debian(library: Library, root: Path = ROOT) -> Technology:
    """The cells of an installed package; UsageError with the command that installs it."""
    path = root / library.file
    if not path.is_file():
        raise UsageError(
            f"the cells of {library.name} are not installed",
            hint=f"apt-get install {library.package}, or give a Liberty file with --liberty",
        )
    technology = read_liberty(path)
    return replace(
        technology,
        name=library.name,
        title=library.title,
        source=f"Liberty file {path.name} of the Debian package {library.package}",
    )
