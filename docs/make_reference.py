"""Writes docs/reference.md from the code: commands, configuration, passes, stages, technologies."""

from __future__ import annotations

import importlib
import re
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from flow.cli.list_command import KINDS, rows
from flow.cli.main import COMMANDS, cli
from flow.pipeline import config
from flow.search import spec

HERE = Path(__file__).resolve().parent
MACHINES = """\
Results go to stdout, progress (on a terminal) and errors to stderr. With `--json` every command
prints one JSON document on stdout: its result, or, where there is none,
`{"error": {"message", "where", "hint", "code"}}`, with `obstacles` for a model that cannot be
represented and `log` for a tool that failed; `code` is the exit code. A failed check of
`flow verify` is in its result."""
_FIELD = re.compile(r"((?:    #: .*\n)+)    (\w+): (.+?)(?: = (.*))?\n")


def main() -> None:
    """Write the file."""
    (HERE / "reference.md").write_text(reference())


def reference() -> str:
    """The text of reference.md."""
    parts = ["# Reference", "Made from the code by `make docs`.", "## Commands"]
    parts += [MACHINES, *(_command(name) for name in COMMANDS)]
    parts += ["## flow.toml", _configuration(config, config.BuildConfig)]
    parts += ["## The specification of a search", _configuration(spec, spec.Spec)]
    for kind in KINDS:
        listed = rows(kind)
        if listed:
            parts += [f"## {kind.capitalize()}", _table(("name", "what"), listed)]
    return "\n\n".join(parts) + "\n"


def _command(name: str) -> str:
    command = importlib.import_module(f"flow.cli.{name}_command").command
    # The group says which options ask for help; a command keeps the first answer it gets.
    group = click.Context(cli, info_name="flow", **cli.context_settings)
    context = click.Context(command, info_name=name, parent=group, max_content_width=90)
    return f"### flow {name}\n\n```\n{command.get_help(context)}\n```"


def _configuration(module: ModuleType, kind: Any) -> str:
    source = Path(module.__file__ or "").read_text()
    known = {f.name: None if f.default is MISSING else f.default for f in fields(kind)}
    rows_ = []
    for comment, name, _, _ in _FIELD.findall(source):
        if name in known:
            text = " ".join(line.strip().removeprefix("#: ") for line in comment.splitlines())
            default = "" if known[name] is None else f"`{known[name]}`"
            key = name.replace("_", "-") if kind is config.BuildConfig else name
            rows_.append((f"`{key}`", text, default))
    return _table(("key", "what", "default"), rows_)


def _table(head: tuple[str, ...], body: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *body]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines
    )


if __name__ == "__main__":
    main()
