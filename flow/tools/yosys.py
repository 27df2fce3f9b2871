"""Runs a Yosys script in a child process: the pyosys wheel, or the program that YOSYS names."""

from __future__ import annotations

import re
import sys
import tempfile
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from flow.errors import ToolNotFound, UsageError
from flow.tools.process import Command, Completed, Limits, chosen, find, run
from flow.tools.verilog_guard import check_script

if TYPE_CHECKING:
    from collections.abc import Sequence

_INSTALL = "pip install pyosys, or set YOSYS to the path of a yosys program"
# Runs in the child, isolated (-I). Yosys reports an error on stderr and ends with status 1 itself.
# Its command `script` cannot take a path with a space, so the lines are given one by one.
_CHILD = (
    "import sys\n"
    "from pyosys import libyosys as ys\n"
    "design = ys.Design()\n"
    "for line in open(sys.argv[1], encoding='utf-8'):\n"
    "    if line.strip():\n"
    "        ys.run_pass(line.strip(), design)\n"
)


def available() -> bool:
    """Whether a Yosys is here, without starting it."""
    named = chosen("YOSYS", "")
    return find(named) is not None if named else find_spec("pyosys") is not None


def version() -> str:
    """The name and number of the Yosys that runs; ToolNotFound where there is none."""
    named = chosen("YOSYS", "")
    if not named:
        try:
            return f"Yosys {package_version('pyosys')}"
        except PackageNotFoundError:
            raise ToolNotFound("Yosys is not installed", hint=_INSTALL) from None
    log = run(Command((named, "-V"), timeout_s=60, name="Yosys", install=_INSTALL)).log
    found = re.search(r"Yosys [0-9.+]+", log)
    return found[0] if found else "Yosys"


def yosys(
    script: str | Sequence[str],
    cwd: Path | None = None,
    timeout_s: float = 600.0,
    limits: Limits | None = None,
) -> Completed:
    """Run a Yosys script (a list of commands, or a text with one a line).

    File names in the script are relative to `cwd`. ToolFailed with the end of the log where a
    command fails, ToolNotFound without Yosys; UsageError where Verilog in `cwd` calls C functions,
    which Yosys would run. `limits` are those of the process.
    """
    text = script if isinstance(script, str) else "\n".join(script)
    check_script(text.splitlines(), cwd or Path())
    with tempfile.TemporaryDirectory(prefix="flow-yosys-") as folder:
        file = Path(folder) / "script.ys"
        file.write_text(text + "\n", encoding="utf-8")
        return run(
            Command(
                _argv(str(file)),
                cwd=cwd,
                # Yosys keeps a cache of read libraries in TMPDIR, keyed by their path as given:
                # two folders with a file of one name would share an entry.
                env={"TMPDIR": folder},
                timeout_s=timeout_s,
                name="Yosys",
                install=_INSTALL,
                private=f"{folder}/",
                limits=limits,
            )
        )


def file_name(path: Path | str) -> str:
    """A path as a Yosys argument, quoted; UsageError where it cannot be quoted."""
    text = str(path)
    if any(c in text for c in '"\\\n\r\0') or text.startswith("-"):
        raise UsageError(
            f"Yosys cannot take the path {text!r}", hint="use a path without quotes or backslashes"
        )
    return f'"{text}"' if re.search(r"[^A-Za-z0-9_./+=,@-]", text) else text


def _argv(script: str) -> tuple[str, ...]:
    named = chosen("YOSYS", "")
    if named:
        return named, "-s", script
    if find_spec("pyosys") is None:
        raise ToolNotFound("Yosys is not installed", hint=_INSTALL)
    return sys.executable, "-I", "-c", _CHILD, script
