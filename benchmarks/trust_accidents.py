"""Builds and searches that are killed, starved of disk, or run at once; and builds elsewhere."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT

from flow.cli.main import run
from flow.pipeline.folder import MANIFEST, hashes

BUILD_KILLS, SEARCH_KILLS = 200, 100
SEED = 8
EFFORT = ("--simulator", "none", "--prove-limit", "60", "--effort", "fast", "--weight-bits", "4")
SPEC = """\
data = "sklearn:iris"
hidden = [4, 3]
hidden_bits = 2
exponents = 2
population = 24
generations = 4
refine = 2
mapped = 4
refit = 2
trim = 0.0
"""
DATA = ROOT / "tests" / "frontend" / "data"
NETWORKS = 24


def model(folder: Path) -> tuple[str, ...]:
    """A small perceptron and its samples, as arguments of `flow build`."""
    from small_build import write_model

    made, data = write_model(folder)
    return (str(made), "--data", str(data))


def state(out: Path) -> str:
    """The hash of a whole tree; `absent`, or what is wrong with it."""
    if not out.exists():
        return "absent"
    try:
        named = json.loads((out / MANIFEST).read_text())["files"]
    except (OSError, ValueError, KeyError) as error:
        return f"no manifest: {type(error).__name__}"
    if named != hashes(out):
        return "files that are not those of the manifest"
    return hashlib.sha256((out / MANIFEST).read_bytes()).hexdigest()


def whole(told: str) -> bool:
    """Whether `state` has told of a tree whose every file has the hash of the manifest.

    Two such trees of one build may differ in a verdict: a proof may run out of time.
    """
    return len(told) == 64


def forked(work: Callable[[], int], begin: Callable[[], None] = lambda: None) -> int:
    """The process id of a fork that does the work in silence, in a session of its own."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.setsid()
            sink = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(sink, stream)
            begin()
            code = work()
        finally:
            os._exit(code & 127)
    return pid


def killed(pid: int, after_s: float) -> bool:
    """Kill a process after some seconds; whether it had not ended before."""
    end = time.monotonic() + after_s
    while time.monotonic() < end:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def kill_builds(count: int, each: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Kill a build at so many random moments over an older one.

    Half of the moments are spread over a whole build. The other half lie around the end of one
    that ends with its Verilog, where the folder takes its place.
    """
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="flow-kill-") as place:
        folder = Path(place)
        arguments = model(folder)
        out = folder / "out"
        builds = [(last, seed) for last in ("report", "emit") for seed in (1, 2)]

        def build(last: str, seed: int) -> Callable[[], int]:
            words = ["build", *arguments, *EFFORT, "--to", last, "--seed", str(seed)]
            return lambda: run([*words, "-o", str(out)])

        wholes: dict[str, tuple[str, int]] = {}
        took: dict[str, list[float]] = {"report": [], "emit": []}
        for last, seed in [builds[0], *builds]:  # The first one imports.
            begin = time.monotonic()
            os.waitpid(forked(build(last, seed)), 0)
            took[last].append(time.monotonic() - begin)
            wholes[state(out)] = (last, seed)
        facts: dict[str, Any] = {"kills": 0, "ended before": 0, "old": 0, "new": 0, "bad": []}
        for number in range(count):
            old = state(out)
            last = ("emit", "report")[number % 2]
            seed = next(s for s in (1, 2) if wholes.get(old) != (last, s))
            usual = sorted(took[last])[len(took[last]) // 2]
            moment = usual * (chance.random() if number % 2 else chance.uniform(0.6, 1.2))
            begin = time.monotonic()
            if not killed(forked(build(last, seed)), moment):
                facts["ended before"] += 1
                took[last] = [*took[last][-4:], time.monotonic() - begin]
            facts["kills"] += 1
            now = state(out)
            if not whole(now):
                facts["bad"].append(f"kill {number} at {moment:.3f} s: {now}")
            facts["new" if now != old else "old"] += 1
            if number % 20 == 19:
                os.waitpid(forked(build("emit", 1)), 0)
                left = sorted(p.name for p in folder.iterdir() if p.name.startswith("."))
                if left or not whole(state(out)):
                    facts["bad"].append(f"after kill {number}: {left}, {state(out)}")
            each(facts)
        return facts


def kill_searches(count: int, each: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Kill a search so many times; it goes on each time, and its front is that of one that ran
    through."""
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="flow-kill-") as place:
        folder = Path(place)
        (folder / "iris.toml").write_text(SPEC)

        def search(out: Path) -> Callable[[], int]:
            return lambda: run(["search", str(folder / "iris.toml"), "-o", str(out)])

        begin = time.monotonic()
        os.waitpid(forked(search(folder / "whole")), 0)
        took = time.monotonic() - begin
        wanted = _results(folder / "whole")
        facts: dict[str, Any] = {"kills": 0, "searches": 0, "bad": [], "seconds": took}
        out = folder / "out"
        while facts["kills"] < count:
            if killed(forked(search(out)), took * chance.uniform(0.05, 0.6)):
                facts["kills"] += 1
                each(facts)
                continue
            facts["searches"] += 1
            if _results(out) != wanted:
                facts["bad"].append(f"after {facts['kills']} kills the front is another")
            shutil.rmtree(out)
        os.waitpid(forked(search(out)), 0)
        facts["searches"] += 1
        if _results(out) != wanted:
            facts["bad"].append("the last front is another")
        each(facts)
        return facts


def _results(out: Path) -> dict[str, str]:
    """Hashes of what a search leaves, its state aside."""
    return {name: digest for name, digest in hashes(out).items() if not name.startswith("state")}


def starve(each: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Builds without room for a file, on a full disk, and where nothing can be written."""
    chance = random.Random(SEED)
    facts: dict[str, Any] = {"limits": 0, "full disks": 0, "read-only": 0, "bad": []}
    with tempfile.TemporaryDirectory(prefix="flow-starve-") as place:
        folder = Path(place)
        arguments = model(folder)
        out = folder / "out"
        words = ["build", *arguments, *EFFORT]
        os.waitpid(forked(lambda: run([*words, "-o", str(out)])), 0)
        whole = state(out)
        largest = max(p.stat().st_size for p in out.rglob("*") if p.is_file())

        def ended(words: list[str], begin: Callable[[], None] = lambda: None) -> int:
            pid = forked(lambda: run(words), begin)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

        for _ in range(20):
            size = int(largest ** chance.uniform(0.2, 0.98))
            code = ended(
                [*words, "--seed", "2", "-o", str(out)],
                lambda size=size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
            )
            facts["limits"] += 1
            if code == 0 or code < 0 or code == 70 or state(out) != whole:
                facts["bad"].append(f"files of {size} bytes at most: {code}, {state(out)[:60]}")
            each(facts)
        for size in (4096, 65536, 131072, 262144):
            disk = folder / f"disk{size}"
            disk.mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
            if subprocess.run(mount, capture_output=True, check=False).returncode:
                facts["full disks"] = "not checked: no file system can be mounted here"
                break
            try:
                code = ended([*words, "-o", str(disk / "out")])
                facts["full disks"] += 1
                left = sorted(p.name for p in disk.iterdir())
                if code != 2 or left:
                    facts["bad"].append(f"a disk of {size} bytes: {code}, {left}")
            finally:
                subprocess.run(["umount", str(disk)], capture_output=True, check=False)
            each(facts)
        for name in ("/proc/flow", "/sys/flow"):
            code = ended([*words, "-o", name])
            facts["read-only"] += 1
            if code != 2:
                facts["bad"].append(f"{name}: {code}")
    each(facts)
    return facts


def at_once(each: Callable[[dict[str, Any]], None], count: int = 8) -> dict[str, Any]:
    """So many builds at once, into folders of their own and into one."""
    facts: dict[str, Any] = {"builds": 0, "bad": []}
    with tempfile.TemporaryDirectory(prefix="flow-once-") as place:
        folder = Path(place)
        arguments = model(folder)

        def builds(outs: list[Path]) -> list[int]:
            pids = [
                forked(lambda n=n, out=out: run(
                    ["build", *arguments, *EFFORT, "--seed", str(n), "-o", str(out)]))
                for n, out in enumerate(outs, 1)
            ]  # fmt: skip
            return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]

        own = [folder / f"own{n}" for n in range(1, count + 1)]
        codes = builds(own)
        wholes = [state(out) for out in own]
        if any(codes) or len(set(wholes)) != count or not all(map(whole, wholes)):
            facts["bad"].append(f"own folders: {codes}, {[text[:20] for text in wholes]}")
        for turn in range(3):
            codes = builds([folder / "one"] * count)
            if any(codes) or not whole(state(folder / "one")):
                facts["bad"].append(f"one folder, turn {turn}: {codes}, {state(folder / 'one')}")
        left = sorted(p.name for p in folder.iterdir() if p.name.startswith("."))
        if left:
            facts["bad"].append(f"left: {left}")
        facts["builds"] = 4 * count
    each(facts)
    return facts


HERE = {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C", "OMP_NUM_THREADS": "1", "USER": "a"}
THERE = {
    "PYTHONHASHSEED": "4711", "TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8",
    "OMP_NUM_THREADS": "2", "USER": "somebody", "HOME": "/nonexistent", "COLUMNS": "40",
}  # fmt: skip


def networks() -> Iterator[tuple[str, Mapping[str, bytes], tuple[str, ...]]]:
    """Networks of many frameworks and layers: a name, files, arguments of `flow build`."""
    for archive in ("hgq2.zip", "hgq1.zip"):
        with zipfile.ZipFile(DATA / archive) as file:
            names = [n for n in file.namelist() if not n.endswith(".npz")]
            for name in names:
                arrays = np.load(io.BytesIO(file.read(f"{Path(name).stem}.npz")))
                xs = [arrays[key][:20] for key in sorted(arrays.files) if key.startswith("x")]
                data = io.BytesIO()
                np.savez(data, **({"x": xs[0]} if len(xs) == 1 else {
                    f"x{i}": x for i, x in enumerate(xs)}))  # fmt: skip
                if sum(x[0].size for x in xs) > 64:
                    continue
                suffix = Path(name).suffix
                files = {f"m{suffix}": file.read(name), "d.npz": data.getvalue()}
                yield f"{archive} {name}", files, (f"m{suffix}", "--data", "d.npz")


def reproduce(
    done: Mapping[str, Any], each: Callable[[dict[str, Any]], None], count: int = NETWORKS
) -> dict[str, Any]:
    """Build networks twice: other folder, seed of hashes, locale, time zone, processors, user."""
    facts: dict[str, Any] = {"networks": dict(done.get("networks", {}))}
    from small_build import write_model

    def small() -> Iterator[tuple[str, Mapping[str, bytes], tuple[str, ...]]]:
        with tempfile.TemporaryDirectory() as folder:
            for seed in (3, 4):
                made, data = write_model(Path(folder), seed)
                files = {"m.onnx": made.read_bytes(), "d.csv": data.read_bytes()}
                options = ("m.onnx", "--data", "d.csv", "--weight-bits", "4")
                yield f"perceptron {seed}", files, options
                yield f"perceptron {seed}, 2 stages", files, (*options, "--stages", "2")
                yield f"perceptron {seed}, silicon", files, (*options, "--target", "asic")

    from itertools import chain

    for name, files, arguments in chain(small(), networks()):
        if sum(v != "refused" for v in facts["networks"].values()) >= count:
            break
        if name not in facts["networks"]:
            facts["networks"][name] = _twice(files, arguments)
            each(facts)
    return facts


def _twice(files: Mapping[str, bytes], arguments: tuple[str, ...]) -> str:
    trees = []
    for name, settings, processors in (
        ("a", HERE, {0}), ("a folder/with a longer name", THERE, os.sched_getaffinity(0)),
    ):  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="flow-twice-") as place:
            folder = Path(place) / name
            folder.mkdir(parents=True)
            for file, content in files.items():
                (folder / file).write_bytes(content)
            limit = ("--simulator", "none", "--prove-limit", "900", "--effort", "fast")
            done = subprocess.run(
                [sys.executable, "-m", "flow", "build", *arguments, *limit, "-o", "out"],
                cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
                capture_output=True, text=True, check=False, timeout=1800,
                preexec_fn=lambda p=processors: _settle(p),
            )  # fmt: skip
            if done.returncode == 3:
                return "refused"
            if done.returncode:
                return f"ended with {done.returncode}: {done.stderr[:200]}"
            trees.append(hashes(folder / "out") | {MANIFEST: state(folder / "out")})
    if trees[0] == trees[1]:
        return "identical"
    names = sorted(n for n in {*trees[0], *trees[1]} if trees[0].get(n) != trees[1].get(n))
    return f"differs in {', '.join(names)[:300]}"


def _settle(processors: set[int]) -> None:
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, processors)
    os.umask(0o077 if len(processors) > 1 else 0o022)
