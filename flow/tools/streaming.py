"""Runs an external program whose lines are read as they come; none is left behind."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Iterator

from flow.errors import ToolFailed, ToolNotFound
from flow.tools.process import CHILDREN, Command, find


def lines(command: Command) -> Iterator[str]:
    """The lines of a program, stdout and stderr, each as soon as it is whole.

    ToolNotFound where it is missing; ToolFailed where it ends with a status other than 0 or is
    silent for longer than `timeout_s`. Whoever stops reading ends the program.
    """
    program = find(command.argv[0])
    if program is None:
        raise ToolNotFound(f"{command.title} is not installed", hint=command.install)
    try:
        process = CHILDREN.start(
            [program, *command.argv[1:]], command.cwd, {"LC_ALL": "C", **command.env}
        )
    except OSError as error:
        raise ToolFailed(f"{command.title} could not be started: {error}") from None
    assert process.stdout is not None
    pipe, rest = process.stdout.fileno(), b""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            late = time.monotonic() + command.timeout_s
            while True:
                if not selector.select(max(0.0, late - time.monotonic())):
                    raise ToolFailed(f"{command.title} said nothing for {command.timeout_s:g} s")
                chunk = os.read(pipe, 1 << 16)
                if not chunk:
                    break
                late = time.monotonic() + command.timeout_s
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield line.decode("utf-8", "replace")
        if status := process.wait(timeout=command.timeout_s):
            text = rest.decode("utf-8", "replace")
            raise ToolFailed(f"{command.title} ended with status {status}", log=text)
    finally:
        CHILDREN.collect(process)
