"""The wheel carries its assets and works outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ASSETS = ("templates", "rtl", "sim")


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, root],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_every_asset_is_in_the_wheel(root, wheel):
    on_disk = {
        path.relative_to(root).as_posix()
        for folder in ASSETS
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    prefix = "flow/_assets/"
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    assert on_disk == {name for name in shipped if "__pycache__" not in name}
    assert any(name.startswith("templates/") for name in shipped)


@pytest.mark.slow
def test_the_wheel_builds_the_example_from_another_folder(root, wheel, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    program = (
        "import flow, sys; from flow.assets import asset; "
        f"assert flow.__file__.startswith({str(site)!r}), flow.__file__; "
        f"assert str(asset('sim')).startswith({str(site)!r}); "
        "from flow.cli.main import main; main(sys.argv[1:])"
    )
    config = root / "examples/breast_cancer/flow.toml"
    # The unpacked wheel stands before the checkout of an editable install on the path.
    done = subprocess.run(
        [sys.executable, "-c", program, "build", "--config", config, "-o", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/report.html").is_file()
