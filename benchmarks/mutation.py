"""How many mutants of flow/passes and flow/backends our own tests kill.

    python benchmarks/mutation.py [--mutants N] [--seed N] [--record FILE] [--survivors]

Mutants are drawn by seed from all of both folders and run one by one against the tests that
execute the changed line (those of the file where the line runs at import), quickest first, until
one fails. Nothing on disk is changed: the mutant lives in the memory of a child process. The
record is replaced after each mutant, and a run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.machinery
import io
import json
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from code_mutants import CodeMutant, mutants_of, mutated

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "benchmarks" / "results" / "mutation.json"
ROOMS = ("flow/passes", "flow/backends")
SUITE = (
    "tests/passes", "tests/backends", "tests/mapping/test_folding.py", "tests/verify/test_atpg.py",
    "tests/verify/test_flash_cells.py", "tests/verify/test_prove.py", "tests/verify/test_hls.py",
    "tests/targets/test_weight_store.py", "tests/rtl/test_tulip_modules.py",
    "tests/targets/test_lpu.py", "tests/targets/test_tulip.py",
    "tests/pipeline/test_folded_build.py", "tests/pipeline/test_output_folder.py",
    "tests/pipeline/test_approximating.py", "tests/pipeline/test_trimming.py",
)  # fmt: skip
"""The tests of both rooms: of files without tests of their own, the nearest ones."""
MOST_TESTS = 60
CPU_SECONDS = 120
"""A mutant that computes longer is counted apart."""
MEMORY = 8 << 30
"""Bytes that a mutant and its tests may have; one that wants more has failed a test."""


class Tracer:
    """A pytest plugin that notes which test executes which wanted line, and what tests take."""

    def __init__(self, wanted: dict[str, set[int]]) -> None:
        self.wanted = wanted
        self.hits: dict[str, dict[str, float]] = {}
        self.files: dict[str, set[str]] = {}
        self.test = ""
        self.seconds: dict[str, float] = {}

    def pytest_runtest_protocol(self, item, nextitem) -> None:  # noqa: ANN001
        """Before each test."""
        self.test = item.nodeid
        sys.settrace(self._call)

    def pytest_runtest_logreport(self, report) -> None:  # noqa: ANN001
        """After each phase of a test."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def _call(self, frame, event, _):  # noqa: ANN001, ANN202
        name = frame.f_code.co_filename
        if name not in self.wanted:
            return None
        self.files.setdefault(name, set()).add(self.test)
        return self._line

    def _line(self, frame, event, _):  # noqa: ANN001, ANN202
        name, line = frame.f_code.co_filename, frame.f_lineno
        if line in self.wanted[name]:
            self.hits.setdefault(f"{name}:{line}", {})[self.test] = 1.0
        return self._line


def sample(count: int, seed: int) -> list[CodeMutant]:
    """Drawn uniformly among all mutants of all files."""
    files = sorted(
        str(path.relative_to(ROOT)) for room in ROOMS for path in (ROOT / room).rglob("*.py")
    )
    every = [mutant for file in files for mutant in mutants_of(ROOT, file)]
    return random.Random(seed).sample(every, min(count, len(every)))


def covering(mutants: list[CodeMutant]) -> dict[str, list[str]]:
    """The tests of each `file:line`, quickest first; those of `file` under the file's name."""
    wanted: dict[str, set[int]] = {}
    for mutant in mutants:
        wanted.setdefault(str(ROOT / mutant.file), set()).add(mutant.line)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "found.json"
        if os.fork() == 0:
            _trace(wanted, Path(scratch))
        _, status = os.wait()
        if not place.is_file():
            last = (Path(scratch) / "log").read_text()[-2000:]
            raise RuntimeError(f"the tests ended with status {status}: {last}")
        found, seconds = json.loads(place.read_text())
    return {
        key.removeprefix(f"{ROOT}/"): sorted(tests, key=lambda t: seconds.get(t, 0.0))
        for key, tests in found.items()
    }


def _trace(wanted: dict[str, set[int]], scratch: Path) -> None:
    """In a child: runs all tests and leaves what they executed; never returns."""
    import pytest

    try:
        tracer = Tracer(wanted)
        with _quiet(scratch / "log"):
            pytest.main([*_options(), "-m", "not slow and not campaign", *SUITE], [tracer])
        sys.settrace(None)
        found = {k: list(v) for k, v in [*tracer.hits.items(), *tracer.files.items()]}
        (scratch / "found.json").write_text(json.dumps([found, tracer.seconds]))
    except BaseException:  # noqa: BLE001 - told by the parent
        (scratch / "log").write_text(traceback.format_exc())
    finally:
        os._exit(0)


def verdict(mutant: CodeMutant, tests: list[str]) -> str:
    """killed, survived, not covered, or too long."""
    if not tests:
        return "not covered"
    child = os.fork()
    if child == 0:
        os._exit(_child(mutant, tests))
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        return "too long" if usage.ru_utime + usage.ru_stime >= CPU_SECONDS else "killed"
    return "survived" if os.WEXITSTATUS(status) == 0 else "killed"


def _child(mutant: CodeMutant, tests: list[str]) -> int:
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    target = str(ROOT / mutant.file)
    plain = importlib.machinery.SourceFileLoader.get_code

    def get_code(loader, name):  # noqa: ANN001, ANN202
        if loader.path == target:
            return compile(mutated(ROOT, mutant), target, "exec")
        return plain(loader, name)

    importlib.machinery.SourceFileLoader.get_code = get_code
    with tempfile.TemporaryDirectory() as scratch, _quiet(Path(scratch) / "log"):
        return int(pytest.main([*_options(), "-x", "-m", "", *tests]))


def _options() -> list[str]:
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning", "-p", "no:cacheprovider"]
    return ["-q", *quiet, "-p", "no:xdist", "--rootdir", str(ROOT)]


@contextlib.contextmanager
def _quiet(log: Path):  # noqa: ANN202
    """What is printed goes into a file, that of programs which are started too."""
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        with contextlib.redirect_stdout(io.StringIO()):
            yield


def main(words: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--mutants", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--survivors", action="store_true", help="run those again")
    given = parser.parse_args(words)
    os.chdir(ROOT)
    os.environ["CI"] = "1"  # Hypothesis draws the same examples every time.
    sys.path.insert(0, str(ROOT))
    import hypothesis  # noqa: F401
    import numpy  # noqa: F401
    import pytest  # noqa: F401

    mutants = sample(given.mutants, given.seed)
    known: dict[str, str] = {}
    if given.record.is_file():
        old = json.loads(given.record.read_text())
        known = old["mutants"] if old["seed"] == given.seed else {}
    names = {mutant.name for mutant in mutants}
    known = {name: status for name, status in known.items() if name in names}
    if given.survivors:
        known = {name: status for name, status in known.items() if status == "killed"}
    todo = [mutant for mutant in mutants if mutant.name not in known]
    tests = covering(todo) if todo else {}
    for mutant in todo:
        start = time.perf_counter()
        own = tests.get(f"{mutant.file}:{mutant.line}", tests.get(mutant.file, []))
        known[mutant.name] = status = verdict(mutant, own[:MOST_TESTS])
        took = time.perf_counter() - start
        sys.stderr.write(f"{status}: {mutant.name}, {len(own)} tests, {took:.0f} s\n")
        content = {
            "seed": given.seed,
            "drawn": len(mutants),
            "counts": dict(sorted(Counter(known.values()).items())),
            "mutants": dict(sorted(known.items())),
        }
        beside = given.record.with_suffix(".part")
        beside.write_text(json.dumps(content, indent=1) + "\n")
        beside.replace(given.record)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
