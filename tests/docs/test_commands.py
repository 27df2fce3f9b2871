"""Every command in the documentation runs, and every file it shows is one that works."""

import hashlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r'^```(\w+)?(?: title="([\w./]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PAGES = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md"))


def blocks(page):
    """Language, file name and text of every fenced block of a page, in order."""
    return FENCE.findall((ROOT / page).read_text())


def runnable(page):
    return any(language == "console" for language, _, _ in blocks(page))


@pytest.mark.slow
@pytest.mark.tool("icarus")
@pytest.mark.tool("verilator")
@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)])
def test_every_command_of_a_page_runs(page, tmp_path, monkeypatch, once):
    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    for language, name, text in blocks(page):
        if name:
            (tmp_path / name).write_text(text)
        if language != "console":
            continue
        for line in text.splitlines():
            assert line.startswith("$ "), f"{page}: {line}"
            command = shlex.split(line.removeprefix("$ "), comments=True)
            if command == ["python", "train.py"]:
                trained(page, tmp_path, once)
            else:
                started(page, command, tmp_path)


def started(page, command, folder):
    """Runs a command of a page, which has to succeed."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, f"{page}: {command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def trained(page, folder, once):
    """Puts beside a script what it writes; pages with the same script train once."""
    script = (folder / "train.py").read_bytes()

    def train(place):
        (place / "train.py").write_bytes(script)
        started(page, ["python", "train.py"], place)

    digest = hashlib.sha256(script).hexdigest()
    shutil.copytree(once(f"trained-{digest}", train), folder, dirs_exist_ok=True)


def test_the_commands_of_the_tutorial_are_tested():
    assert runnable("docs/tutorial.md")


def test_every_page_is_reached_from_the_navigation():
    listed = (ROOT / "mkdocs.yml").read_text()
    missing = [page for page in PAGES if page.removeprefix("docs/") not in listed]
    assert missing == []


def test_every_flow_command_that_is_shown_exists():
    from flow.cli.main import COMMANDS

    shown = set()
    for page in [*PAGES, "README.md"]:
        for _, _, text in blocks(page):
            shown |= set(re.findall(r"(?:^|\$ |/)flow ([a-z]+)\b", text, re.MULTILINE))
    assert shown - set(COMMANDS) == set()
