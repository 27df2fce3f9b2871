"""The state of a search on disk: whole after each generation, whatever moment it is killed at.

`state-N.npz` has the arrays of generation N; `state.json` names it with its hash, and is put in
place last, in one step. What it does not name is rubbish that a killed search has left.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.search.evolution import Archive, State

STATE = "state.json"
FORMAT = "flow-search-state 1"
_ARRAYS = (
    "genomes", "errors", "areas", "mapped", "sample_genomes", "sample_areas", "coefficients",
    "explored", "seen",
)  # fmt: skip
_ARCHIVE = ("genomes", "errors", "areas", "leakage")


def save_state(folder: Path, state: State, identity: Mapping[str, Any]) -> None:
    """Put the state in the place of the one before. `identity` says of what search it is."""
    arrays = {name: getattr(state, name) for name in _ARRAYS}
    arrays |= {f"archive_{name}": getattr(state.archive, name) for name in _ARCHIVE}
    data = npz_bytes(arrays)
    name = f"state-{state.generation:06d}-{state.rounds:04d}.npz"
    write_whole(folder / name, data)
    facts = {
        "format": FORMAT,
        "identity": dict(identity),
        "generation": state.generation,
        "rounds": state.rounds,
        "arrays": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "reference": list(state.reference),
        "history": list(state.history),
    }
    write_whole(folder / STATE, (json.dumps(facts, indent=1) + "\n").encode())
    for left in sorted(folder.glob("state-*.npz")):
        if left.name != name:
            left.unlink(missing_ok=True)


def load_state(folder: Path, identity: Mapping[str, Any]) -> State | None:
    """The state that was saved last; None where there is none.

    UsageError where it belongs to another search, or was damaged.
    """
    place = folder / STATE
    if not place.is_file():
        return None
    try:
        facts = json.loads(place.read_text())
        if facts["format"] != FORMAT:
            raise ValueError("another format")
        data = (folder / str(facts["arrays"])).read_bytes()
        if hashlib.sha256(data).hexdigest() != facts["sha256"]:
            raise ValueError("the hash of its arrays is another one")
        with np.load(io.BytesIO(data), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        state = State(
            generation=int(facts["generation"]),
            rounds=int(facts["rounds"]),
            archive=Archive(*(arrays[f"archive_{name}"] for name in _ARCHIVE)),
            reference=(int(facts["reference"][0]), int(facts["reference"][1])),
            history=tuple(float(share) for share in facts["history"]),
            **{name: arrays[name] for name in _ARRAYS},
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"the state of the search cannot be read: {error}",
            where=str(place),
            hint="remove the folder, or name another one with -o",
        ) from error
    if facts.get("identity") != dict(identity):
        raise UsageError(
            "the output folder holds another search",
            where=str(folder),
            hint="name another folder with -o, or give the same specification, data and seed: "
            + _changed(facts.get("identity"), identity),
        )
    return state


def reached(folder: Path) -> tuple[int, int] | None:
    """The generation and the rounds of refinement of the state in a folder, if there is one."""
    try:
        facts = json.loads((folder / STATE).read_text())
        return int(facts["generation"]), int(facts["rounds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _changed(old: Any, new: Mapping[str, Any]) -> str:
    """Which parts of an identity differ, for a reader."""
    held = old if isinstance(old, dict) else {}
    names = [name for name in new if held.get(name) != new[name]]
    return ", ".join(names) + (" differs" if len(names) == 1 else " differ")


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as an .npz file without times: equal arrays, equal bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as held:
        for name, array in arrays.items():
            one = io.BytesIO()
            np.lib.format.write_array(one, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")
            held.writestr(entry, one.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=1)
    return file.getvalue()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that at every moment it is the old one or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
