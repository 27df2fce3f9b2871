"""Runs hostile inputs, each in a fork with limits and a watch on what it opens, starts and writes.

A case is a folder of files and a command line. What is looked at: the exit code, that there is one
message and no traceback, that no program is started and no file opened that the command does not
need, that nothing is written outside `out`, peak memory and processor time.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import site
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEMORY = 1 << 30
"""Bytes that a case may hold at its peak, with its children."""
SECONDS = 10.0
"""Seconds of processor time of a case, with its children."""
HANG = 300.0
"""Seconds of wall time after which a case is killed; the machine may be busy."""
SPACE = 3 << 30
"""Bytes of address space that a case may take beside what it begins with."""
REFUSED = (2, 3)
ANY = (0, 2, 3)
"""A damaged file may still be a whole one."""
PROGRAMS = ("python", "python3", "yosys-abc", "cc", "ngspice")
"""Programs that a case with `tools` may start: Yosys in Python, and those that tell a version."""


@dataclass(frozen=True)
class Case:
    """An input: files by name, the command line on them, the exit codes that are right."""

    kind: str
    name: str
    files: Mapping[str, bytes]
    words: tuple[str, ...]
    codes: tuple[int, ...] = REFUSED
    tools: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a case did; `faults` says all that is wrong."""

    kind: str
    name: str
    code: int
    message: str
    seconds: float
    wall: float
    peak: int
    faults: tuple[str, ...] = field(default=())


def run_words(words: tuple[str, ...]) -> int:
    """The exit code of a command line, or of a reader that is named `read:NAME`."""
    from hostile.readers import READERS

    from flow.cli.main import _told, run

    if words[0].startswith("read:"):
        try:
            READERS[words[0][5:]](*map(Path, words[1:]))
        except Exception as error:  # noqa: BLE001 - told as the command line tells it
            facts, text = _told(error)
            sys.stderr.write(text + "\n")
            return int(facts["code"])
        return 0
    return run(list(words))


def run_case(case: Case, place: Path) -> Outcome:
    """Run a case in a folder below `place`, which is made for it and removed again."""
    box = Path(tempfile.mkdtemp(prefix="case-", dir=place))
    work, scratch, home = box / "work", box / "tmp", box / "home"
    for folder in (work, scratch, home):
        folder.mkdir()
    (home / "secret.txt").write_text("secret")
    for name, content in case.files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (work / "canary_module.py").write_text("open('canary', 'w').close()\n")
    before = _tree(box)
    begin = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(case, box)
    status, usage = _wait(pid, begin + HANG)
    wall = time.monotonic() - begin
    faults = list(_read_lines(box / "watched"))
    err, out = _text(box / "err"), _text(box / "out")
    for name in ("watched", "err", "out"):
        (box / name).unlink(missing_ok=True)
    code = os.waitstatus_to_exitcode(status)
    seconds = usage.ru_utime + usage.ru_stime
    faults += _judged(case, code, err, out, seconds, wall, usage.ru_maxrss * 1024)
    new = {name for name in _tree(box) - before if not name.startswith("work/out")}
    faults += [f"it wrote {name}" for name in sorted(new)[:5]]
    if code != 0 and any((work / name).exists() for name in ("out", "out.npy")):
        faults.append("it failed and left an output")
    shutil.rmtree(box, ignore_errors=True)
    first = err.splitlines()[0] if err else ""
    return Outcome(
        case.kind, case.name, code, first[:200], round(seconds, 3), round(wall, 3),
        usage.ru_maxrss * 1024, tuple(faults),
    )  # fmt: skip


def _judged(
    case: Case, code: int, err: str, out: str, seconds: float, wall: float, peak: int
) -> Iterator[str]:
    if wall >= HANG:
        yield f"it ran for {HANG:g} s and was killed"
    elif code < 0:
        yield f"it was killed by signal {-code}"
    elif code not in case.codes:
        yield f"it ended with {code}: {err[:200]!r}"
    lines = err.splitlines()
    if "Traceback" in err or "Traceback" in out:
        yield "it showed a traceback"
    if code > 0:
        if not lines or not lines[0].startswith(("error: ", "Usage: ")):
            yield f"its message begins {err[:100]!r}"
        if any(not line.startswith("  ") for line in lines[1:]) and not err.startswith("Usage"):
            yield "it gave more than one message"
        if out and case.words[0] != "verify":
            yield "it failed and printed a result"
    if any(not c.isprintable() for line in lines for c in line):
        yield "its message controls the terminal"
    if seconds > SECONDS:
        yield f"it took {seconds:.1f} s of processor time"
    if peak > MEMORY:
        yield f"it took {peak >> 20} MiB"


def _wait(pid: int, until: float) -> tuple[int, resource.struct_rusage]:
    while True:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return status, usage
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            return status, usage
        time.sleep(0.001)


def _child(case: Case, box: Path) -> None:
    """Never returns."""
    code = 70
    try:
        os.chdir(box / "work")
        for number, name in ((1, "out"), (2, "err")):
            file = os.open(box / name, os.O_WRONLY | os.O_CREAT)
            os.dup2(file, number)
        os.environ.update(TMPDIR=str(box / "tmp"), HOME=str(box / "home"))
        os.environ.update(VERILATOR="/nonexistent", IVERILOG="/nonexistent")
        tempfile.tempdir = None
        sys.path.append(str(box / "work"))
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + SPACE, held + SPACE))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        watch(box, case.tools)
        code = run_words(case.words)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:  # noqa: BLE001 - told by the parent
        with contextlib.suppress(Exception):
            sys.stderr.write(f"Traceback: {type(error).__name__}: {error}\n")
            sys.stderr.flush()
    finally:
        os._exit(code & 127)


def watch(box: Path, tools: bool, own: str = "") -> None:
    """Note every open, start and connection that a case has no need of in `box/watched`.

    `own` is a file that the watcher itself writes.
    """
    note = os.open(box / "watched", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    work, scratch = f"{box}/work", f"{box}/tmp"
    readable = tuple(
        f"{Path(path).resolve()}" for path in (
            ROOT / "flow", ROOT / "templates", ROOT / "rtl", ROOT / "sim", ROOT / "tests",
            sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), *site.getsitepackages(),
            "/usr", "/lib", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys",
            "/dev/null", "/dev/urandom", "/etc/ld.so.cache", "/etc/localtime",
        )
    )  # fmt: skip
    busy = False

    def tell(text: str) -> None:
        os.write(note, (text.replace("\n", " ")[:300] + "\n").encode("utf-8", "replace"))

    def opened(path: object, mode: object, flags: object) -> None:
        if not isinstance(path, str | bytes):
            return
        name = os.path.realpath(os.fsdecode(path))
        write = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if name == own or name.startswith(scratch) or (not write and name.startswith(work)):
            return
        if write and name.startswith((f"{work}/out", f"{work}/.out", "/dev/null")):
            return
        if not write and name.startswith((*readable, f"{box}/err", f"{box}/out")):
            return
        if write and name == work and isinstance(flags, int) and not flags & os.O_CREAT:
            return
        tell(f"it opened {name} to {'write' if write else 'read'}")

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal busy
        if busy:
            return
        busy = True
        try:
            if event == "open":
                opened(*arguments)
            elif event == "subprocess.Popen":
                if not (tools and Path(str(arguments[0])).name in PROGRAMS):
                    tell(f"it started {arguments[0]}")
            elif event in FORBIDDEN or event.startswith(("socket.connect", "urllib.")):
                tell(f"it did {event}{arguments!r}")
            elif event == "import" and arguments[0] in ("antigravity", "canary_module", "this"):
                tell(f"it imported {arguments[0]}")
        finally:
            busy = False

    sys.addaudithook(hook)


FORBIDDEN = frozenset(
    ("os.system", "os.exec", "os.startfile", "pickle.find_class", "socket.bind", "ftplib.connect",
     "socket.getaddrinfo", "smtplib.connect", "webbrowser.open", "os.symlink", "os.link",
     "os.chown")
)  # fmt: skip


def run_cases(cases: Iterable[Case], each: Callable[[Outcome], None]) -> None:
    """Run cases one after the other in this process' forks."""
    place = Path(tempfile.mkdtemp(prefix="flow-hostile-"))
    try:
        for case in cases:
            each(run_case(case, place))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def warm(cases: Iterable[Case]) -> None:
    """Import what the commands need, so that a fork has it."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="flow-hostile-") as folder:
        for number, case in enumerate(cases):
            work = Path(folder) / str(number)
            for name, content in case.files.items():
                (work / name).parent.mkdir(parents=True, exist_ok=True)
                (work / name).write_bytes(content)
            os.chdir(work)
            with (
                Path(os.devnull).open("w") as sink,
                contextlib.redirect_stdout(sink),
                contextlib.redirect_stderr(sink),
            ):
                code = run_words(case.words)
            os.chdir(here)
            if code not in case.codes:
                raise AssertionError(f"{case.kind}: the whole file ends with {code}")


def _tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""


def _read_lines(path: Path) -> list[str]:
    return list(dict.fromkeys(_text(path).splitlines()))[:5]


def main() -> None:
    """Run the cases of the kinds that are named, or a sample of all; an outcome a line, as JSON.

    python -m hostile.arena [--sample|--hand] [--named=CASE ...] [KIND ...]
    """
    from hostile.corpus import KINDS, by_hand, corpus, sample, whole

    names = [word for word in sys.argv[1:] if not word.startswith("-")] or list(KINDS)
    which = by_hand if "--hand" in sys.argv else corpus
    cases = sample(names) if "--sample" in sys.argv else (c for n in names for c in which(n))
    if named := {word.removeprefix("--named=") for word in sys.argv if word[:8] == "--named="}:
        cases = (case for case in cases if case.name in named)
    warm([whole(name) for name in names])

    def tell(outcome: Outcome) -> None:
        sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
        sys.stdout.flush()

    run_cases(cases, tell)


if __name__ == "__main__":
    main()
