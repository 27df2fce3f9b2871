"""Work on hostile bytes that is tried in a fork first: a crash or an endless loop ends the fork.

The HDF5 library is C code with a history of both on damaged files. What the fork survives, the
process itself does again; so the fork hands nothing over, and cannot be made to.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable

from flow.errors import UsageError
from flow.frontend.files.guards import MIB

SECONDS = 6
"""Seconds of processor time of the fork for a small file, and one more for so many bytes."""
BYTES_A_SECOND = 2 * MIB
PATIENCE = 10
"""How many times longer than its processor time the fork may take on a busy machine."""


def survive(work: Callable[[], object], size: int, where: str) -> None:
    """Try the work on a file of so many bytes; UsageError where it crashes or does not end.

    An exception of the work is none: it comes again. Without forks (not on Linux) nothing is tried.
    """
    if sys.platform != "linux":
        return
    seconds = SECONDS + size // BYTES_A_SECOND
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # The fork starts no thread.
        pid = os.fork()
    if pid == 0:
        _try(work, seconds)
    status = _wait(pid, PATIENCE * seconds)
    if os.WIFSIGNALED(status):
        endless = os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)
        told = "does not come to an end with" if endless else "crashes on"
        raise UsageError(
            f"the HDF5 library {told} the file, so it is damaged",
            where=where,
            hint="copy or save the file again",
        )


def _try(work: Callable[[], object], seconds: int) -> None:
    """Never returns."""
    try:
        faulthandler.disable()
        silence = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(silence, stream)  # What it says is said again.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        with contextlib.suppress(BaseException):
            work()
    finally:
        os._exit(0)


def _wait(pid: int, seconds: float) -> int:
    """The status of a process, which is killed after so many seconds or at an interruption."""
    until, pause = time.monotonic() + seconds, 0.0005
    try:
        while time.monotonic() < until:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                pid = 0
                return status
            time.sleep(pause)
            pause = min(0.02, 1.5 * pause)
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
    return status
