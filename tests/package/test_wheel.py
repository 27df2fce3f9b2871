"""The wheel carries its assets and works outside the checkout."""

import hashlib
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from flow import __version__

ASSETS = ("templates", "rtl", "sim")
QUICKLY = ("--effort", "fast", "--simulator", "icarus")


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
        [sys.executable, "-c", program, "build", "--config", config, *QUICKLY, "-o", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/report.html").is_file()


@pytest.mark.slow
def test_the_wheel_has_a_bill_of_materials_that_names_what_it_needs_and_ships(root, wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if ".dist-info/sboms/" in n]
        bill = json.loads(archive.read(name))
        shipped = {
            info.filename.removeprefix("flow/_assets/"): archive.read(info)
            for info in archive.infolist()
            if info.filename.startswith("flow/")
            and not info.filename.endswith((".py", ".pyc", "/"))
        }
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert name == f"flow-{__version__}.dist-info/sboms/flow.cdx.json"
    assert {key: bill[key] for key in ("bomFormat", "specVersion", "version")} == {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1
    }  # fmt: skip
    own = bill["metadata"]["component"]
    assert (own["name"], own["version"], own["purl"]) == (
        "flow", __version__, f"pkg:pypi/flow@{__version__}"
    )  # fmt: skip
    told = {
        part["name"] + part["properties"][0]["value"]
        for part in bill["components"]
        if part.get("scope") == "required"
    }
    assert told == set(project["dependencies"])
    files = {
        part["name"].removeprefix("flow/"): part["hashes"][0]["content"]
        for part in bill["components"]
        if part["type"] == "file"
    }
    assert files == {
        path.removeprefix("flow/"): hashlib.sha256(content).hexdigest()
        for path, content in shipped.items()
    }
    refs = {part["bom-ref"] for part in bill["components"]} | {own["bom-ref"]}
    assert len(refs) == len(bill["components"]) + 1
    assert {ref for row in bill["dependencies"] for ref in row.get("dependsOn", [])} <= refs
    assert not {"serialNumber", "timestamp"} & (bill.keys() | bill["metadata"].keys())
