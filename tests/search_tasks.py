"""Tasks for workers, in a module of their own that other processes can load."""

import os
import signal
from pathlib import Path

from flow.errors import UsageError


def square(number):
    return number * number


def die_once(number, marker):
    """The square; but the first worker that comes here is killed like one out of memory."""
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return number * number
    os.kill(os.getpid(), signal.SIGKILL)


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(number):
    raise UsageError(f"{number} is refused", where="here", hint="give another one")
