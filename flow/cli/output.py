"""What a command says: with --json one document on stdout, its result or its error."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Any

import click


@dataclass
class Said:
    """Whether this command line has printed its document; the object of click's context."""

    printed: bool = False


def print_json(value: Any) -> None:
    """Print the result of a command as its one document."""
    print_document(json.dumps(value, indent=2))


def print_document(text: str) -> None:
    """Print a text that is JSON already."""
    click.echo(text.rstrip("\n"))
    if (said := click.get_current_context().find_object(Said)) is not None:
        said.printed = True


def print_failure(facts: dict[str, Any], text: str, said: Said, as_json: bool) -> None:
    """The text of an error on stderr; with --json also `{"error": facts}` on stdout.

    A command that fails after its result, such as a failed check, has printed its document.
    """
    with contextlib.suppress(BrokenPipeError):
        if as_json and not said.printed:
            click.echo(json.dumps({"error": facts}, indent=2))
        click.echo(text, err=True)
