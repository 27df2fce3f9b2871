"""Programs that a test starts: found, or named in the reason why it was not checked."""

from __future__ import annotations

import os
import shutil

import pytest


def found(program: str, title: str) -> str:
    """The path of a program; a skip that says so, or a failure where CI=true promises it."""
    path = shutil.which(program)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{title} is not installed, and CI=true promises it")
        pytest.skip(f"not checked: {title} is not installed")
    return path
