"""An independent reader of Verilog finds nothing wrong in what is emitted."""

import pyslang
import pytest
from pyslang.ast import Compilation
from pyslang.syntax import SyntaxTree
from strategies import random_circuit

from flow.backends.verilog import emit_verilog
from flow.passes.base import run_passes
from flow.passes.pipeline_text import parse_pipeline

SIGNS = ("[-Wsign-conversion]", "[-Wsign-compare]", "[-Warith-op-mismatch]")


def complaints(text: str) -> list[str]:
    """What the reader says of a text, errors and warnings alike, a line each.

    Left out are words on operands of equal width and different sign: their bits are taken as
    they are, on purpose, and the proofs hold the meaning.
    """
    compilation = Compilation()
    compilation.addSyntaxTree(SyntaxTree.fromText(text))
    manager = SyntaxTree.getDefaultSourceManager()
    told = pyslang.DiagnosticEngine.reportAll(manager, compilation.getAllDiagnostics())
    lines = [line for line in told.splitlines() if ": warning:" in line or ": error:" in line]
    return [line for line in lines if not line.endswith(SIGNS)]


def text_of(circuit, **options) -> str:
    return "\n".join(emit_verilog(circuit, **options).files.values())


@pytest.mark.parametrize("seed", range(25))
def test_emitted_verilog_has_no_diagnostics(seed):
    circuit = run_passes(random_circuit(seed), parse_pipeline("simplify,expand-linear"))
    assert complaints(text_of(circuit)) == []


@pytest.mark.parametrize("handshake", [False, True])
def test_a_pipeline_has_no_diagnostics(handshake):
    circuit = run_passes(random_circuit(3), parse_pipeline("expand-linear,pipeline{stages=2}"))
    assert complaints(text_of(circuit, handshake=handshake)) == []


def test_the_reader_complains_of_an_undeclared_name():
    text = text_of(run_passes(random_circuit(1), parse_pipeline("expand-linear")))
    broken = text.replace("endmodule", "    assign nowhere = 1'b0;\nendmodule")
    assert any("nowhere" in line for line in complaints(broken))
