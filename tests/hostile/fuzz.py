"""A seeded fuzzer of every kind of input: damages whole files, some inside their packing.

    python -m hostile.fuzz RECORD [--seconds S] [KIND ...]        in the folder of the tests

Input k of a kind is the same in every run, and a run goes on at the number where RECORD ends.
Inputs run in forks, a batch in each, with the limits and the watch of `hostile.arena`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from hostile import arena
from hostile.arena import Case
from hostile.corpus import KINDS, by_hand
from hostile.mutate import mutant
from hostile.wholes import whole

BATCH = 50
SECONDS = 10
SEED = 8
LARGEST = 200_000
"""Bytes of a file that is a seed."""
READERS = {"blif": "circuit", "threshold": "circuit", "verilog": "circuit"}
REAL = {
    "keras h5": ("keras_*/*.h5",), "keras json": ("keras_*/*.json",), "qkeras": ("qkeras_jet*/*",),
    "keras zip": (), "hgq 1": ("hgq1_*/*.h5",), "hgq 2": ("hgq2_*/*.keras", "da4ml_rand*/*.keras"),
    "onnx": ("onnx_*/*.onnx",), "qonnx": ("qonnx_*/*.onnx",),
}  # fmt: skip
"""Real files that are seeds too, where the shared models are beside the project."""


def base_of(kind: str) -> Case:
    """The whole case, read by its reader alone where a command would start programs."""
    case = whole(kind)
    if kind in READERS:
        case = replace(case, words=(f"read:{READERS[kind]}", next(iter(case.files))))
    return case


@cache
def seeds(kind: str) -> tuple[bytes, ...]:
    """Files to damage: the whole one, the small ones by hand, and real ones."""
    base = base_of(kind)
    name = next(iter(base.files))
    found = [base.files[name]] * 8
    found += [c.files[name] for c in by_hand(kind) if name in c.files]
    models = arena.ROOT.parent / "shared" / "models"
    for pattern in REAL.get(kind, ()):
        found += [p.read_bytes() for p in sorted(models.glob(pattern)) if p.suffix != ".md"]
    return tuple(data for data in found if data and len(data) <= LARGEST)


def made(kind: str, number: int) -> bytes:
    """Input `number` of a kind."""
    chance = random.Random(f"{SEED}:{kind}:{number}")
    data = chance.choice(seeds(kind))
    if chance.random() < 0.5:
        with contextlib.suppress(Exception):
            return _inside(kind, data, chance)
    return mutant(data, chance, seeds(kind))


def _inside(kind: str, data: bytes, chance: random.Random) -> bytes:
    """Damage behind the check sums of an archive, or in the configuration of an HDF5 file."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = {name: file.read(name) for name in file.namelist()}
        name = chance.choice(sorted(members))
        members[name] = _deeper(members[name], chance)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for other, content in members.items():
                file.writestr(zipfile.ZipInfo(other), content)
        return buffer.getvalue()
    return _deeper(data, chance)


def _deeper(data: bytes, chance: random.Random) -> bytes:
    if data.startswith(b"\x89HDF"):
        import h5py

        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as file:
            text = file.attrs.get("model_config")
            if text is not None:
                text = text.encode() if isinstance(text, str) else text
                file.attrs["model_config"] = _deeper(text, chance)
                return buffer.getvalue()
    if data[:1] in (b"{", b"["):
        value = json.loads(data)
        _twist(value, chance)
        return json.dumps(value).encode()
    return mutant(data, chance)


VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 64, 1 << 31, 1 << 70, 0.5, -2.5, 1e308, "", "x", "../x",
    "same", "relu", "linear", "\n", [], [0], [-1], [1, 1], [None, 2], {}, {"class_name": "Dense"},
)  # fmt: skip


def _twist(value: Any, chance: random.Random) -> None:
    """Change some places of a JSON value: another value, one from elsewhere, gone, or twice."""
    places = [(value, key) for key in (value if isinstance(value, dict) else range(len(value)))]
    for parent, key in places:
        item = parent[key]
        if isinstance(item, dict):
            places.extend((item, k) for k in item)
        elif isinstance(item, list):
            places.extend((item, k) for k in range(len(item)))
    if not places:
        return
    for _ in range(chance.choice((1, 1, 2, 3))):
        parent, key = chance.choice(places)
        with contextlib.suppress(LookupError):
            match chance.randrange(5):
                case 0 | 1:
                    parent[key] = chance.choice(VALUES)
                case 2:
                    other, name = chance.choice(places)
                    parent[key] = json.loads(json.dumps(other[name]))
                case 3:
                    del parent[key]
                case 4 if isinstance(parent, list):
                    parent.insert(int(key), json.loads(json.dumps(parent[key])))


def _late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


def _batch(case: Case, box: Path, first: int, count: int, note: int) -> None:
    """Run inputs in this process, which then ends; what is wrong goes to `note` as JSON lines."""

    def tell(**facts: Any) -> None:
        os.write(note, (json.dumps(facts) + "\n").encode())

    work = box / "work"
    os.chdir(work)
    sink = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(sink, stream)
    os.environ.update(TMPDIR=str(box / "tmp"), VERILATOR="/nonexistent", IVERILOG="/nonexistent")
    tempfile.tempdir = None
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = held + arena.SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (count * SECONDS, count * SECONDS))
    signal.signal(signal.SIGALRM, _late)
    name = next(iter(case.files))
    inputs = [(number, made(case.kind, number)) for number in range(first, first + count)]
    kept = _names(box)
    path = work / name
    arena.watch(box, case.tools or case.kind == "verilog", own=str(path))
    allowed = {0, 2, 3, *((5,) if case.kind == "manifest" else ())}
    for number, data in inputs:
        tell(begin=number)
        path.write_bytes(data)
        err, out = io.StringIO(), io.StringIO()
        begin = time.process_time()
        signal.setitimer(signal.ITIMER_REAL, 6 * SECONDS)
        try:
            with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
                code = arena.run_words(case.words)
        except BaseException as error:  # noqa: BLE001 - this is what is looked for
            tell(number=number, fault=f"{type(error).__name__}: {str(error)[:200]}")
            continue
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        text = err.getvalue()
        if code not in allowed:
            tell(number=number, fault=f"ended with {code}: {text[:300]}")
        elif code and not text.startswith("error: "):
            tell(number=number, fault=f"its message is {text[:200]!r}")
        elif any(not (c.isprintable() or c == "\n") for c in text):
            tell(number=number, fault=f"its message controls the terminal: {text[:200]!r}")
        if (took := time.process_time() - begin) > SECONDS:
            tell(number=number, fault=f"took {took:.1f} s")
        for left in sorted(_names(box) - kept)[:3]:
            tell(number=number, fault=f"it wrote {left}")
            with contextlib.suppress(OSError):
                (box / left).unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    if peak > arena.MEMORY:
        tell(number=first, fault=f"a batch took {peak >> 20} MiB")
    tell(end=first + count)


def _names(box: Path) -> set[str]:
    return {
        path.relative_to(box).as_posix() for path in box.rglob("*")
        if path.name not in ("watched", "note")
    }  # fmt: skip


def fuzz(kind: str, record: Path, seconds: float) -> None:
    """Run inputs of a kind for so many seconds of wall time and add them to the record."""
    case = base_of(kind)
    facts = json.loads(record.read_text()) if record.is_file() else {}
    mine = facts.setdefault(
        kind, {"executions": 0, "seconds": 0.0, "processor_seconds": 0.0, "findings": []}
    )
    batch = 10 if kind in ("verilog", "manifest") else BATCH
    seeds(kind)  # Here, so that the forks have them.
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="flow-fuzz-") as folder:
        while (spent := time.monotonic() - begin) < seconds:
            box = Path(tempfile.mkdtemp(dir=folder))
            for part in ("work", "tmp"):
                (box / part).mkdir()
            for name, content in case.files.items():
                (box / "work" / name).parent.mkdir(parents=True, exist_ok=True)
                (box / "work" / name).write_bytes(content)
            first = mine["executions"]
            done, usage = _run_batch(case, box, first, batch, mine["findings"])
            shutil.rmtree(box, ignore_errors=True)
            mine["executions"] = done
            mine["processor_seconds"] += usage
            mine["seconds"] += time.monotonic() - begin - spent
            fresh = json.loads(record.read_text()) if record.is_file() else {}
            fresh[kind] = mine
            part = record.with_suffix(".part")
            part.write_text(json.dumps(fresh, indent=1, sort_keys=True) + "\n")
            part.replace(record)


def _run_batch(
    case: Case, box: Path, first: int, count: int, findings: list[dict[str, Any]]
) -> tuple[int, float]:
    """The number of the input after the last one that has run, and seconds of processor time."""
    note = os.open(box / "note", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    pid = os.fork()
    if pid == 0:
        try:
            _batch(case, box, first, count, note)
        except BaseException as error:  # noqa: BLE001 - told by the parent
            os.write(note, (json.dumps({"number": first, "fault": repr(error)}) + "\n").encode())
        finally:
            os._exit(0)
    _, status, usage = os.wait4(pid, 0)
    os.close(note)
    last, whole_batch = first, False
    for line in (box / "note").read_text().splitlines():
        told = json.loads(line)
        last = told.get("begin", last)
        whole_batch = whole_batch or "end" in told
        if "fault" in told:
            findings.append(told)
    code = os.waitstatus_to_exitcode(status)
    if code or not whole_batch:
        findings.append({"number": last, "fault": f"the process ended with {code}"})
    seen = (box / "watched").read_text().splitlines() if (box / "watched").is_file() else []
    findings += [{"number": first, "fault": text} for text in dict.fromkeys(seen)]
    return (first + count if whole_batch else last + 1), usage.ru_utime + usage.ru_stime


def main() -> None:
    """Fuzz the kinds that are named, or all, one after the other."""
    words = sys.argv[1:]
    seconds = 60.0
    if "--seconds" in words:
        at = words.index("--seconds")
        seconds = float(words[at + 1])
        del words[at : at + 2]
    record = Path(words[0]).resolve()
    names = words[1:] or list(KINDS)
    arena.warm([base_of(name) for name in names])
    for name in names:
        fuzz(name, record, seconds)


if __name__ == "__main__":
    main()
