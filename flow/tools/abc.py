"""Runs ABC, the logic optimiser and mapper of UC Berkeley, as the Yosys wheel ships it."""

from __future__ import annotations

import re
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from flow.errors import ToolFailed, UsageError
from flow.tools.process import Command, Completed, chosen, find, run, tail

if TYPE_CHECKING:
    from collections.abc import Sequence

_INSTALL = "pip install pyosys, which contains ABC, or set ABC to the path of a yosys-abc"
# ABC ends with status 0 whatever happens, so its words decide. The phrases are those of its
# readers and of its command interpreter.
_ERRORS = re.compile(
    r"^(\*\* cmd error: .*|Error: .*|Cannot open .*|Empty network\b.*|.*: syntax error\b.*"
    r"|.*[Rr]eading .* has failed.*|.* has failed\.?)$",
    re.MULTILINE,
)


def available() -> bool:
    """Whether an ABC is here, without starting it."""
    return find(program()) is not None


def version() -> str:
    """What ABC calls itself, without its build date; ToolNotFound where there is none."""
    log = abc("version", timeout_s=60).log
    found = re.search(r"ABC ([0-9.]+)", log)
    return f"ABC {found[1]}" if found else "ABC"


def abc(
    script: str | Sequence[str], cwd: Path | None = None, timeout_s: float = 600.0
) -> Completed:
    """Run ABC commands (a list of them, or a text with one a line or with semicolons).

    File names in the script are relative to `cwd`. ToolFailed where a command is unknown or
    fails, ToolNotFound without ABC.
    """
    text = script if isinstance(script, str) else "\n".join(script)
    with tempfile.TemporaryDirectory(prefix="flow-abc-") as folder:
        file = Path(folder) / "script.abc"
        file.write_text(text + "\n", encoding="utf-8")
        completed = run(
            Command(
                # The option -f cannot take a path with a space.
                (program(), "-s", "-c", f'source -x "{file}"'),
                cwd=cwd,
                timeout_s=timeout_s,
                name="ABC",
                install=_INSTALL,
                private=f"{folder}/",
            )
        )
    fault = _ERRORS.search(completed.log)
    if fault:
        raise ToolFailed(
            f"ABC failed: {fault[0].strip()}",
            log=tail(completed.log),
            hint="its last lines say which command",
        )
    return completed


def program() -> str:
    """The path of ABC: the variable ABC, else that of the Yosys wheel, else yosys-abc on PATH."""
    return chosen("ABC", _shipped() or "yosys-abc")


def file_name(path: Path | str) -> str:
    """A path as an ABC argument; UsageError where it holds what ABC would take for syntax."""
    text = str(path)
    if re.search(r"[\s;\"'#!|<>]", text) or text.startswith("-"):
        raise UsageError(
            f"ABC cannot take the path {text!r}", hint="use a path without spaces or punctuation"
        )
    return text


def _shipped() -> str | None:
    spec = find_spec("pyosys")
    places = spec.submodule_search_locations if spec else None
    files = [Path(place) / "yosys-abc" for place in places or ()]
    return next((str(file) for file in files if file.is_file()), None)
