"""The system's compiler as a function."""

import ctypes

import pytest

from flow.errors import ToolFailed, ToolNotFound
from flow.tools import compiler

pytestmark = pytest.mark.tool("compiler")


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("c", "int twice(int x) { return 2 * x; }\n"),
        ("c++", 'extern "C" int twice(int x) { auto y = x; return 2 * y; }\n'),
    ],
)
def test_a_text_becomes_a_library_in_the_folder(tmp_path, language, source):
    assert compiler.available(language)
    path = compiler.shared_library(source, tmp_path, "numbers", language)
    assert path == tmp_path / "numbers.so"
    assert ctypes.CDLL(str(path)).twice(21) == 42
    suffix = "c" if language == "c" else "cpp"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([f"numbers.{suffix}", "numbers.so"])


def test_the_compiler_knows_its_version():
    assert any(character.isdigit() for character in compiler.version())


def test_what_does_not_compile_is_told_with_the_words_of_the_compiler(tmp_path):
    with pytest.raises(ToolFailed) as error:
        compiler.shared_library("int f( { }\n", tmp_path, "bad")
    assert error.value.message == "the generated C does not compile"
    assert "bad.c:1" in error.value.log


def test_a_compiler_that_does_not_know_native_still_builds(monkeypatch, tmp_path):
    fussy = tmp_path / "fussy"
    fussy.write_text('#!/bin/sh\ncase "$*" in *march=native*) exit 1;; esac\nexec cc "$@"\n')
    fussy.chmod(0o755)
    monkeypatch.setenv("CC", str(fussy))
    path = compiler.shared_library("int one(void) { return 1; }\n", tmp_path, "one")
    assert ctypes.CDLL(str(path)).one() == 1


def test_a_missing_compiler_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    assert not compiler.available()
    with pytest.raises(ToolNotFound) as error:
        compiler.shared_library("", tmp_path, "x")
    assert error.value.hint == "install gcc or clang, or set CC to the path of a C compiler"
