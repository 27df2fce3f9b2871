"""Builds C text into a shared library with the system's compiler."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from flow.errors import ToolFailed
from flow.tools.process import Command, Completed, find, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_INSTALL = "install gcc or clang, or set CC to the path of a C compiler"
_LANGUAGES = {
    "c": ("CC", ("cc", "gcc", "clang"), ("-std=c11",), ".c"),
    "c++": ("CXX", ("c++", "g++", "clang++"), ("-std=c++17",), ".cpp"),
}


def available(language: str = "c") -> bool:
    """Whether a compiler for "c" or "c++" is here, without starting it."""
    return find(_compiler(language)[0]) is not None


def version(language: str = "c") -> str:
    """The compiler's name and number; ToolNotFound where there is none."""
    command = (*_compiler(language), "--version")
    log = run(Command(command, timeout_s=60, name="the compiler", install=_INSTALL)).log
    first = log.splitlines()[0] if log else ""
    found = re.search(r"(clang|gcc|g\+\+|cc|c\+\+)\b.*?([0-9]+\.[0-9.]+)", first)
    return f"{found[1]} {found[2]}" if found else first


def shared_library(
    source: str,
    folder: Path,
    name: str,
    language: str = "c",
    timeout_s: float = 600.0,
    arguments: Sequence[str] = (),
) -> Path:
    """The path of `folder`/`name`.so, built from a C or C++ text that stays beside it.

    Optimised for this very machine, so never to be kept for another. ToolFailed with the
    compiler's words where it does not compile.
    """
    _, _, standard, suffix = _LANGUAGES[language]
    text = folder / f"{name}{suffix}"
    text.write_text(source, encoding="utf-8")
    built = f"{name}.so"
    flags = ("-O3", *standard, "-fPIC", "-shared", *arguments, "-o", built, text.name)
    native = _run(("-march=native", *flags), language, folder, timeout_s)
    if native.returncode:
        # Some compilers do not know -march=native; the second try also tells what is wrong.
        plain = _run(flags, language, folder, timeout_s)
        if plain.returncode:
            raise ToolFailed(
                "the generated C does not compile", log=plain.log, hint="its last lines say why"
            )
    return folder / built


def program(
    arguments: Sequence[str],
    folder: Path,
    built: Path,
    language: str = "c",
    timeout_s: float = 600.0,
) -> None:
    """Build the program `built` with these arguments in `folder`; ToolFailed where it does not."""
    done = _run((*arguments, "-o", str(built)), language, folder, timeout_s)
    if done.returncode:
        raise ToolFailed(
            "the generated C++ does not compile", log=done.log, hint="its last lines say why"
        )


def _run(arguments: tuple[str, ...], language: str, folder: Path, timeout_s: float) -> Completed:
    return run(
        Command(
            (*_compiler(language), *arguments),
            cwd=folder,
            timeout_s=timeout_s,
            name="the compiler",
            install=_INSTALL,
        ),
        check=False,
    )


def _compiler(language: str) -> tuple[str, ...]:
    """The command that the variable CC or CXX holds, else the first usual one that is here."""
    variable, usual, _, _ = _LANGUAGES[language]
    named = shlex.split(os.environ.get(variable, ""))
    if named:
        return tuple(named)
    return (next((name for name in usual if find(name) is not None), usual[0]),)
