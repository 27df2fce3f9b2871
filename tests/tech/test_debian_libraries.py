"""The OSU libraries of Debian: read where they are installed, and asked for where they are not."""

import pytest

from flow.errors import UsageError
from flow.tech.debian import LIBRARIES, ROOT, debian, load_debian

VOLTS = {"osu018": 1.8, "osu035": 3.3, "osu050": 5.0}


def test_the_libraries_have_the_names_of_their_nodes():
    assert [library.name for library in LIBRARIES] == ["osu018", "osu035", "osu050"]
    assert debian("osu013") is None


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_an_installed_library_is_read_in_place(library):
    if not (ROOT / library.file).is_file():
        pytest.skip(f"not checked: {library.package} is not installed")
    technology = load_debian(library)
    assert (technology.name, technology.voltage) == (library.name, VOLTS[library.name])
    assert technology.source.endswith(f"of the Debian package {library.package}")
    assert technology.nand2 == "NAND2X1"
    assert {"FAX1", "HAX1", "DFFPOSX1"} <= set(technology.cells)


def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path):
    with pytest.raises(UsageError) as error:
        load_debian(LIBRARIES[1], tmp_path)
    assert error.value.message == "the cells of osu035 are not installed"
    assert error.value.hint == (
        "apt-get install qflow-tech-osu035, or give a Liberty file with --liberty"
    )
