"""The output folder of a build: written beside, moved into place at the end, hashed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

from flow.errors import UsageError

MANIFEST = "manifest.json"
MANIFEST_FORMAT = "flow-manifest 1"
AT_FDCWD, RENAME_EXCHANGE = -100, 2
"""Constants of renameat2(2)."""
ATTEMPTS = 20
"""How often a finished build tries to take its place while others take the same."""


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A fresh folder beside `out` that takes its place when the block ends without an error.

    At every moment `out` is the old folder or the new one; absent only where there was none, or
    for an instant where the file system cannot exchange two names. Whatever goes wrong, the new
    folder is removed and the old one stays. Refuses to replace what no build has written.
    """
    out = out.resolve()
    refuse_foreign(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        fresh = out.parent / f".{out.name}.building-{os.getpid()}"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
    except OSError as error:
        raise _unwritable(error, out) from error
    try:
        yield fresh
        _swap(fresh, out)
    except OSError as error:
        raise _unwritable(error, out) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def refuse_foreign(out: Path) -> None:
    """Raise UsageError if `out` exists and is neither empty nor the output of a build."""
    try:
        if not out.exists():
            return
    except OSError as error:
        raise _unwritable(error, out) from error
    if not out.is_dir():
        raise UsageError("the output path is a file", where=str(out), hint="name a folder with -o")
    if any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise UsageError(
            "the output folder holds files that no build has written",
            where=str(out),
            hint="name another folder with -o, or empty this one yourself",
        )


def write_file(folder: Path, name: str, content: str | bytes) -> None:
    """Write one file below the folder, with the folders on its way."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Hash every file and write the manifest last; it marks the folder as whole."""
    manifest = {"format": MANIFEST_FORMAT, **facts, "files": hashes(folder)}
    write_file(folder, MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file below the folder, by its relative path; not of the manifest."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in paths
        if p != folder / MANIFEST
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a build folder. Raises UsageError where there is none."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            "this is not the output folder of a build", where=str(folder),
            hint=f"a build folder has a {MANIFEST}",
        ) from None  # fmt: skip
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError("the manifest cannot be read", where=str(path)) from error
    if not isinstance(manifest, dict) or manifest.get("format") != MANIFEST_FORMAT:
        raise UsageError(
            "the manifest has another format", where=str(path), hint=f"expected {MANIFEST_FORMAT}"
        )
    return manifest


def _swap(fresh: Path, out: Path) -> None:
    old = out.parent / f".{out.name}.old-{os.getpid()}"
    for path in fresh.rglob("*"):
        _sync(path)
    _sync(fresh)
    if out.exists() and _exchange(fresh, out):
        # At no moment was there no folder; the old one has the name of the new one now.
        _sync(out.parent)
        return
    for attempt in range(ATTEMPTS):
        if out.exists():
            out.rename(old)
        try:
            fresh.rename(out)
            break
        except OSError:
            # Another build of this name has ended in between; the later one wins.
            if not out.exists() and old.exists():
                old.rename(out)
            if attempt == ATTEMPTS - 1 or not out.exists():
                raise
            shutil.rmtree(old, ignore_errors=True)
    _sync(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two folders in one step (Linux, renameat2); whether that was done."""
    import ctypes

    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(rename(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0)


def _unwritable(error: OSError, out: Path) -> UsageError:
    reason = error.strerror or type(error).__name__
    return UsageError(
        f"the output folder cannot be written: {reason}",
        where=str(out),
        hint="name another folder with -o, or make room and rights for this one",
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(out: Path) -> None:
    """Remove what killed builds of this name have left; put back an old folder they had moved."""
    for kind in ("building", "old"):
        for left in sorted(out.parent.glob(f".{escape(out.name)}.{kind}-*")):
            pid = left.name.rpartition("-")[2]
            if pid.isdigit() and _alive(int(pid)):
                continue
            if kind == "old" and not out.exists():
                left.rename(out)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
