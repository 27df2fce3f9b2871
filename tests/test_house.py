"""The house rules that no type checker sees: layers, complete tables, no dangerous calls."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flow.backends import bitblast, c, verilog
from flow.backends.operations import RENDER
from flow.ir.layers import LAYER_TYPES
from flow.ir.nodes import NODE_TYPES, Const, Input, Linear, Register
from flow.passes import base
from flow.passes.lower_layers import LOWERED
from flow.passes.registry import PASSES

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "flow").rglob("*.py"))


def lint_imports(folder):
    """Runs import-linter on the copy of the package in a folder."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def copy(tmp_path):
    """The package and its contracts in a folder of their own."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "flow", tmp_path / "flow", ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_imports_go_one_way(copy):
    done = lint_imports(copy)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "Contracts: 2 kept, 0 broken." in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "said"),
    [
        ("ir/interval.py", "import flow.pipeline.build", "flow.ir.interval -> flow.pipeline.build"),
        ("tech/registry.py", "from flow.ir import nodes", "flow.tech.registry -> flow.ir.nodes"),
        (
            "frontend/files/npy.py",
            "import flow.backends.c",
            "flow.frontend.files.npy -> flow.backends.c",
        ),
        ("report/html.py", "import flow.verify.prove", "flow.report.html -> flow.verify.prove"),
        ("passes/share.py", "import onnx", "flow.passes.share -> onnx"),
    ],
)
def test_an_upward_import_is_refused(copy, module, line, said):
    path = copy / "flow" / module
    path.write_text(path.read_text() + f"\n{line}\n")
    done = lint_imports(copy)
    assert done.returncode == 1
    assert said in done.stdout.replace("(l.", "").replace("-   ", "")


def test_a_room_that_has_no_place_is_refused(copy):
    (copy / "flow" / "attic").mkdir()
    (copy / "flow" / "attic" / "__init__.py").write_text('"""A new room."""\n')
    done = lint_imports(copy)
    assert done.returncode == 1
    assert "flow.attic" in done.stdout


def test_every_operation_has_a_word_in_every_backend():
    # An Input is a port; a Const and a Register have no expression; Linear is expanded before.
    assert set(NODE_TYPES) - set(RENDER) == {Linear}
    assert frozenset(RENDER) == verilog.SUPPORTS
    assert {*c.RENDER, *c.STRUCTURAL} == set(NODE_TYPES)
    assert not set(c.RENDER) & set(c.STRUCTURAL)


def test_every_operation_becomes_gates():
    tree = ast.parse(Path(bitblast.__file__).read_text())
    body = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "_bits")
    cases = {
        n.cls.attr
        for n in ast.walk(body)
        if isinstance(n, ast.MatchClass) and isinstance(n.cls, ast.Attribute)
    }
    # Ports and registers are the inputs of the graph, and Linear is expanded before.
    cut = {Input.__name__, Register.__name__}
    assert {kind.__name__ for kind in NODE_TYPES} - cases - cut <= {Linear.__name__}
    assert Const.__name__ in cases


def test_every_layer_is_lowered():
    assert frozenset(LAYER_TYPES) == LOWERED


def test_every_pass_is_registered_and_has_a_golden_file():
    found = set()
    for path in sorted((ROOT / "flow" / "passes").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and "exact:" in ast.unparse(node):
                found.add(node.name)
    # These two work on networks, before there is a circuit; Pass is the protocol.
    found -= {"Pass", "FoldLayers", "LowerLayers"}
    assert found == {kind.__name__ for kind in PASSES}
    golden = {path.stem for path in (ROOT / "tests" / "golden" / "passes").glob("*.flow")}
    for kind in PASSES:
        name = kind.name.replace("-", "_")
        assert any(stem == name or stem.startswith(f"{name}_") for stem in golden), kind.name
        assert base.pass_text(kind()) == kind.name


FORBIDDEN_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "torch.load",
    "joblib.load", "np.load", "numpy.load", "load_model", "keras.models.load_model",
    "subprocess.getoutput", "subprocess.getstatusoutput",
}  # fmt: skip


def offences(path: Path) -> list[str]:
    """Imports and calls in a file that could run code out of a user's file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [f"import {n}" for n in names if n.split(".")[0] in FORBIDDEN_MODULES]
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in FORBIDDEN_CALLS and not _allowed(name, node):
                found.append(f"{name}()")
            if any(k.arg == "shell" and ast.unparse(k.value) != "False" for k in node.keywords):
                found.append("shell=True")
            if any(
                k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords
            ):
                found.append("allow_pickle")
    return found


def _allowed(name: str, call: ast.Call) -> bool:
    """numpy.load is safe where pickles are refused in words."""
    return name in ("np.load", "numpy.load") and any(
        k.arg == "allow_pickle" and ast.unparse(k.value) == "False" for k in call.keywords
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_code_of_a_users_file_can_run(path):
    assert offences(path) == []


def test_the_search_for_dangerous_calls_finds_them(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import pickle\nfrom marshal import loads\neval('1')\nimport os\nos.system('x')\n"
        "run('x', shell=True)\nimport numpy as np\nnp.load('x')\n"
        "np.load('x', allow_pickle=False)\n"
    )
    assert sorted(offences(bad)) == [
        "eval()", "import marshal", "import pickle", "np.load()", "os.system()", "shell=True",
    ]  # fmt: skip


def test_what_runs_in_the_simulator_does_not_know_flow():
    for path in sorted((ROOT / "sim").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not any(name.split(".")[0] == "flow" for name in names), path.name


HERE_ONLY = re.compile(
    r"(?<![\w.<~-])/(?:home|root|Users|work|opt|mnt)/\w"
    r"|pypi\.org/simple|index-url|extra-index|--find-links|trusted-host|files\.pythonhosted"
)


def tracked() -> list[Path]:
    """The files that git knows."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not checked: this is no checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_names_a_place_of_one_machine():
    found = []
    for path in tracked():
        if not path.is_file() or path == Path(__file__).resolve():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}: {line.strip()[:100]}"
            for line in text.splitlines()
            if HERE_ONLY.search(line)
        ]
    assert found == []


def test_the_reference_is_that_of_the_code():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # `make docs` writes the file anew.
    assert (ROOT / "docs" / "reference.md").read_text() == module.reference()


def test_files_stay_short():
    long = {
        str(path.relative_to(ROOT)): n
        for path in SOURCES
        if (n := len(path.read_text().splitlines())) > 500
    }
    assert long == {}
