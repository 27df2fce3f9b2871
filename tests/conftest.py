"""What every test may use: the shared files, golden updates, a seeded profile of Hypothesis."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "user",
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("ci" if os.environ.get("CI") else "user")


# Whole builds and fuzzing: too long for the quick check, a part of every full run.
SLOW = ("tests/cli/", "tests/test_metamorphic.py", "tests/frontend/test_read.py")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Gives the folder of a name, which a function has filled once for all workers."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent

    def call(name, fill) -> Path:
        folder, part = place / name, place / f"{name}.part"
        with (place / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir()
                fill(part)
                part.rename(folder)
        return folder

    return call


@pytest.fixture(scope="session")
def demo(root, once) -> Path:
    """The folder that `make demo` builds."""
    from flow.cli.main import run

    def build(folder):
        config = root / "examples/breast_cancer/flow.toml"
        assert run(["build", "--config", str(config), "-o", str(folder / "out")]) == 0

    return once("demo", build) / "out"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real models, data sets and libraries of others, which are not part of the project."""
    folder = ROOT.parent / "shared"
    if not (folder / "models").is_dir():
        pytest.skip("not checked: the shared files are not here")
    return folder
