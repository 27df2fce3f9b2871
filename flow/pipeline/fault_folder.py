"""The output folder of a fault study: page, JSON, every fault, test vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flow import __version__
from flow.pipeline.faulting import fault_table, open_subject, study
from flow.pipeline.folder import MANIFEST, replacing, write_file, write_manifest
from flow.pipeline.hardening_curve import curve
from flow.pipeline.tester_vectors import make_vectors, vector_files
from flow.progress import Progress, silent
from flow.report.faults import (
    CURVE_TITLES,
    SITE_TITLES,
    TITLES,
    curve_row,
    share_rows,
    site_row,
    to_html,
    to_json,
    vector_lines,
    verdict,
)
from flow.verify.atpg import FaultVectors

Table = tuple[str, list[tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The choices of a fault study; files of samples, and what is done beside the simulation."""

    data: Path | None = None
    choose_on: Path | None = None
    curve: bool = False
    vectors: bool = False
    most: int = 20_000
    limit_s: float = 600.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """What a study found: its JSON, lines for the reader, and tables with their titles."""

    json: str
    line: str
    tables: tuple[Table, ...]


def write_faults(folder: Path, wanted: Wanted, out: Path, progress: Progress = silent) -> Written:
    """Study the faults of a build folder into the folder `out`, which is replaced whole.

    UsageError where the folder is no combinational circuit of cells.
    """
    subject = open_subject(folder, wanted.data)
    found, harm = study(subject, most=wanted.most, seed=wanted.seed, progress=progress)
    if wanted.curve:
        chosen = open_subject(folder, wanted.choose_on) if wanted.choose_on else None
        found = replace(found, curve=curve(subject, harm, chosen, progress=progress))
    made: FaultVectors | None = None
    if wanted.vectors:
        made, facts = make_vectors(subject, wanted.limit_s, wanted.seed, progress)
        found = replace(found, vectors=facts)
    text = to_json(found)
    tables: list[Table] = [
        ("faults", [TITLES, *share_rows(found)]),
        ("worst", [SITE_TITLES, *(site_row(site) for site in found.worst)]),
    ]
    if found.curve:
        tables.append(("hardening", [CURVE_TITLES, *(curve_row(p) for p in found.curve)]))
    with replacing(out) as fresh:
        write_file(fresh, "faults.json", text)
        write_file(fresh, "faults.html", to_html(found))
        write_file(fresh, "faults.csv", fault_table(subject, harm))
        if made is not None:
            for name, content in vector_files(subject, made).items():
                write_file(fresh, name, content)
        choices = {"curve": wanted.curve, "vectors": wanted.vectors, "most": wanted.most}
        files = {"data": wanted.data, "choose_on": wanted.choose_on}
        write_manifest(fresh, study_facts(folder, files, wanted.seed, choices))
    lines = [verdict(found), *(vector_lines(found.vectors) if found.vectors else ())]
    return Written(text, "\n".join(lines), tuple(tables))


def study_facts(
    folder: Path, files: Mapping[str, Path | None], seed: int, choices: Mapping[str, Any]
) -> dict[str, Any]:
    """What a study stands on: the build by its manifest, the samples by their hashes."""
    hashes = {name: path and _hash(path) for name, path in files.items()}
    return {
        "flow": __version__,
        "faults_of": _hash(folder / MANIFEST),
        "stages": [],
        "seed": seed,
        "choices": {**hashes, **choices},
    }


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
