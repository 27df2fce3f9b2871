"""Runs an external program: a command in, its log and time out, and no process left behind."""

from __future__ import annotations

import atexit
import contextlib
import os
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING

from flow.errors import ToolFailed, ToolNotFound, ToolTimedOut

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_LOG = 64 * 2**20
_TAIL_LINES = 20
# What a program may see of the caller's environment: where things lie, and nothing that changes
# what it says or does.
_KEPT = (
    "PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "SDKROOT", "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH",
)  # fmt: skip
_FIXED = {"LC_ALL": "C", "TZ": "UTC", "YOSYS_MAX_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of address space and seconds of processor time of a program and of what it starts.

    They hold on Linux; elsewhere only the time limit of the command does.
    """

    memory: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments; `env` is added to a cleaned environment.

    `name` is what messages call the program, `install` says how to get it. `private` is a text
    that is cut out of the log, such as the path of a temporary folder: equal runs, equal logs.
    """

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 600.0
    name: str = ""
    install: str = "install it, or put it on PATH"
    max_log: int = MAX_LOG
    private: str = ""
    whole_log: bool = False
    limits: Limits | None = None

    @property
    def title(self) -> str:
        """What messages call the program."""
        return self.name or os.path.basename(self.argv[0])  # noqa: PTH119  argv is text


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program left: stdout and stderr in the order of writing, wall seconds, exit status."""

    log: str
    seconds: float
    returncode: int


# Reads "+group" and "-group" lines; the end of its input is the end of its parent, however that
# came about, and then no group that is left may live on. Programs start others (make, a compiler),
# which a signal on the parent's death would not reach.
_WARDEN = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class _Children:
    """The programs that run now, each the leader of its own process group.

    A small process beside this one, the warden, kills the groups where this one is killed.
    """

    def __init__(self) -> None:
        self._running: set[int] = set()
        self._closed = Event()
        self._lock = Lock()
        self._warden: subprocess.Popen[bytes] | None = None

    def start(
        self, argv: list[str], cwd: Path | None, environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start one; OSError after `end`."""
        if self._closed.is_set():
            raise OSError("this process is ending")
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._running.add(process.pid)
        self._tell(f"+{process.pid}\n")
        if self._closed.is_set():
            _kill(process.pid)
        return process

    def collect(self, process: subprocess.Popen[bytes]) -> None:
        """Kill whatever is left of the program's group, and collect it."""
        self._running.discard(process.pid)
        _kill(process.pid)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._tell(f"-{process.pid}\n")

    def end(self) -> None:
        """Kill all of them and start no more: the last act before this process ends."""
        self._closed.set()
        for pid in tuple(self._running):
            _kill(pid)

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._warden is None:
                self._warden = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _WARDEN],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
                atexit.register(self._dismiss)
        assert self._warden.stdin is not None
        with contextlib.suppress(OSError):
            os.write(self._warden.stdin.fileno(), line.encode())

    def _dismiss(self) -> None:
        if self._warden is not None:
            self._warden.communicate()


# What a signal handler must know of the threads that wait for programs.
CHILDREN = _Children()


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def run(command: Command, check: bool = True) -> Completed:
    """Run a program to its end; nobody of its process group outlives this call.

    ToolNotFound where it is missing. ToolFailed with the end of its log where it takes longer
    than `timeout_s`, writes more than `max_log` bytes, or (with `check`) ends with a status
    other than 0. stdin is empty.
    """
    environment = {key: os.environ[key] for key in _KEPT if key in os.environ}
    environment |= _FIXED | dict(command.env)
    program = find(command.argv[0], environment.get("PATH"))
    if program is None:
        raise ToolNotFound(f"{command.title} is not installed", hint=command.install)
    if command.cwd is not None and not command.cwd.is_dir():
        raise ToolFailed(f"{command.title} cannot run in a folder that does not exist")
    begin = time.monotonic()
    try:
        process = CHILDREN.start([program, *command.argv[1:]], command.cwd, environment)
        _limit(process.pid, command.limits)
    except (OSError, ValueError) as error:
        raise ToolFailed(f"{command.title} could not be started: {error}") from None
    log = bytearray()
    try:
        fault = _follow(process, log, command, begin + command.timeout_s)
    finally:
        CHILDREN.collect(process)
    text = log.decode("utf-8", "replace")
    if command.private:
        text = text.replace(command.private, "")
    seconds = time.monotonic() - begin
    end = text if command.whole_log else tail(text)
    if fault:
        kind, why = fault
        raise kind(f"{command.title} {why}", log=end, hint="see its last lines")
    if check and process.returncode:
        raise ToolFailed(
            f"{command.title} {_ending(process.returncode)}",
            log=end,
            hint="its last lines say why",
        )
    return Completed(text, seconds, process.returncode)


def find(program: str, path: str | None = None) -> str | None:
    """The path of a program that can be started, or None; a name is looked up on PATH."""
    return shutil.which(program, path=path)


def tail(log: str, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log."""
    return "\n".join(log.splitlines()[-lines:])


def chosen(variable: str, default: str) -> str:
    """The program that an environment variable such as YOSYS names, or the default."""
    return os.environ.get(variable) or default


def _follow(
    process: subprocess.Popen[bytes], log: bytearray, command: Command, deadline: float
) -> tuple[type[ToolFailed], str] | None:
    """Collect output until the program ends; what went wrong, if it was stopped for it."""
    assert process.stdout is not None
    late = ToolTimedOut, f"took longer than {command.timeout_s:g} s and was stopped"
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return late
            # A grandchild may hold the pipe open after the program itself has ended.
            ready = selector.select(min(left, 0.1))
            chunk = os.read(pipe, 1 << 16) if ready else None
            if chunk:
                log += chunk
                if len(log) > command.max_log:
                    del log[command.max_log :]
                    return ToolFailed, f"wrote more than {command.max_log} bytes and was stopped"
            elif chunk == b"":
                break
            elif _ended(process):
                return None
    while not _ended(process):
        if time.monotonic() > deadline:
            return late
        time.sleep(0.002)
    return None


def _limit(pid: int, limits: Limits | None) -> None:
    """Hold a program that has just been started to its limits."""
    if limits is None or not hasattr(resource, "prlimit"):
        return
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_AS, (limits.memory, limits.memory))
        resource.prlimit(pid, resource.RLIMIT_CPU, (limits.seconds, limits.seconds))


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a program has ended; it is not collected, so that its group keeps its number."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, flags) is not None


def _ending(status: int) -> str:
    if status < 0:
        return f"was killed by signal {-status} ({signal.Signals(-status).name})"
    return f"ended with status {status}"
