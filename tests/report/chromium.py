"""Headless Chromium for the tests of the HTML report."""

import os
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--allow-file-access-from-files",
    "--enable-logging=stderr", "--v=0", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True)
class Chromium:
    """Opens files in a browser of its own; the profile lies in `folder`."""

    program: str
    folder: Path

    def dom(self, file: Path) -> tuple[str, list[str]]:
        """The document after loading, and what the page wrote to the console."""
        done = self._run("--dump-dom", file.as_uri())
        return done.stdout, re.findall(r":CONSOLE.*?\] (.*)", done.stderr)

    def picture(self, file: Path, width: int, height: int) -> bytes:
        """A PNG of the page."""
        png = self.folder / "page.png"
        png.unlink(missing_ok=True)
        self._run(f"--screenshot={png}", f"--window-size={width},{height}", file.as_uri())
        return png.read_bytes()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        profile = f"--user-data-dir={self.folder / 'profile'}"
        return subprocess.run(
            (self.program, *FLAGS, profile, *arguments),
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip


def start(folder: Path) -> Chromium:
    """The browser, or a skip that says so; a failure where CI=true promises one."""
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is not installed, and CI=true promises it")
        pytest.skip("not checked: chromium is not installed")
    return Chromium(program, folder)


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height
