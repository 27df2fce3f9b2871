"""The output folder is the old one, the new one, or absent; never a half."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from flow.errors import UsageError
from flow.pipeline.folder import hashes, read_manifest, replacing, write_file, write_manifest


def build_folder(out, text):
    with replacing(out) as folder:
        write_file(folder, "a/b.txt", text)
        write_manifest(folder, {"flow": "test"})


def fail_in_the_middle(out):
    with replacing(out) as folder:
        write_file(folder, "a/b.txt", "two")
        raise RuntimeError


def test_a_folder_appears_whole_with_the_hash_of_every_file(tmp_path):
    build_folder(tmp_path / "out", "one")
    manifest = read_manifest(tmp_path / "out")
    assert manifest["files"] == hashes(tmp_path / "out")
    assert list(manifest["files"]) == ["a/b.txt"]


def test_a_second_build_replaces_the_first(tmp_path):
    build_folder(tmp_path / "out", "one")
    build_folder(tmp_path / "out", "two")
    assert (tmp_path / "out/a/b.txt").read_text() == "two"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_the_folder_is_there_at_every_moment_of_a_replacement(tmp_path):
    build_folder(tmp_path / "out", "one")
    seen = []

    def look(frame, event, argument):
        sys.setprofile(None)
        # Before and after every call of C: the only places where the file system changes.
        if event in ("c_call", "c_return"):
            seen.append((tmp_path / "out/a/b.txt").stat().st_size)
        sys.setprofile(look)

    with replacing(tmp_path / "out") as folder:
        write_file(folder, "a/b.txt", "two words")
        write_manifest(folder, {"flow": "test"})
        sys.setprofile(look)
    sys.setprofile(None)
    assert set(seen) == {len("one"), len("two words")}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_without_an_exchange_of_names_the_folder_is_replaced_too(tmp_path, monkeypatch):
    monkeypatch.setattr("flow.pipeline.folder._exchange", lambda one, other: False)
    build_folder(tmp_path / "out", "one")
    build_folder(tmp_path / "out", "two")
    assert (tmp_path / "out/a/b.txt").read_text() == "two"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


STARVED = """
import resource, sys
from flow.cli.main import run
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
sys.exit(run(["plan", sys.argv[1], "-o", sys.argv[2]]))
"""


def test_a_disk_without_room_is_one_message_and_leaves_the_old_folder(tmp_path, root):
    build_folder(tmp_path / "out", "one")
    config = root / "examples" / "lpu" / "gpt_oss_120b.json"
    done = subprocess.run(
        [sys.executable, "-c", STARVED, config, tmp_path / "out"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        2,
        "error: the output folder cannot be written: File too large\n"
        f"  at {tmp_path / 'out'}\n"
        "  hint: name another folder with -o, or make room and rights for this one\n",
    )
    assert (tmp_path / "out/a/b.txt").read_text() == "one"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path):
    build_folder(tmp_path / "out", "one")
    with pytest.raises(RuntimeError):
        fail_in_the_middle(tmp_path / "out")
    assert (tmp_path / "out/a/b.txt").read_text() == "one"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_an_error_in_a_first_build_leaves_no_folder(tmp_path):
    with pytest.raises(RuntimeError), replacing(tmp_path / "out"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_files_that_no_build_has_written_are_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError) as caught, replacing(tmp_path):
        pass
    assert caught.value.show() == textwrap.dedent(f"""\
        error: the output folder holds files that no build has written
          at {tmp_path}
          hint: name another folder with -o, or empty this one yourself""")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_in_the_place_of_the_folder_is_not_replaced(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="the output path is a file"), replacing(tmp_path / "out"):
        pass


KILLED = """
import os, signal, sys
from pathlib import Path
from flow.pipeline.folder import replacing, write_file
with replacing(Path(sys.argv[1])) as folder:
    write_file(folder, "a/b.txt", "two")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_build_leaves_the_old_folder_and_the_next_build_sweeps_up(tmp_path):
    build_folder(tmp_path / "out", "one")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "out")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "out/a/b.txt").read_text() == "one"
    assert len(list(tmp_path.glob(".out.building-*"))) == 1
    build_folder(tmp_path / "out", "three")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_an_old_folder_that_a_killed_build_had_moved_is_put_back(tmp_path):
    build_folder(tmp_path / "out", "one")
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / "out").rename(tmp_path / f".out.old-{dead.pid}")
    with pytest.raises(RuntimeError), replacing(tmp_path / "out"):
        raise RuntimeError
    assert (tmp_path / "out/a/b.txt").read_text() == "one"


def test_the_folder_of_a_build_that_still_runs_is_left_alone(tmp_path):
    running = tmp_path / f".out.building-{os.getppid()}"
    running.mkdir()
    build_folder(tmp_path / "out", "one")
    assert running.is_dir()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "this is not the output folder of a build"),
        ("{", "the manifest cannot be read"),
        ("[" * 100_000, "the manifest cannot be read"),
        (json.dumps({"format": "flow-manifest 0"}), "the manifest has another format"),
    ],
)
def test_a_bad_manifest_is_refused(tmp_path, text, message):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_manifest(tmp_path)
    assert caught.value.message == message
