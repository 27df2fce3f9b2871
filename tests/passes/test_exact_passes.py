"""What every exact pass promises, on random circuits."""

import pytest
from hypothesis import given
from strategies import circuits

from flow.analysis.latency import latency
from flow.ir.nodes import NODE_TYPES, Const, FullAdder, Input, Linear, Mul, Register
from flow.ir.text import print_circuit
from flow.passes.base import check_exact, run_passes
from flow.passes.linear.csd import digit_count
from flow.passes.pipeline_text import parse_pipeline
from flow.passes.registry import PASSES

ANY = (
    "simplify",
    "share",
    "round-first",
    "narrow",
    "solve-linear",
    "solve-linear{method=wmc,hard-dc=1,decompose-dc=-1}",
    "solve-linear{method=bits,effort=high}",
    "expand-linear",
    "expand-linear{split-signs=true}",
    "compressor-trees",
    "compressor-trees{final=add}",
    "conjunctions",
    "fold-comparisons",
    "fold-tables",
    "offset-tables",
    "pack-bits",
    "pack-bits{size=2}",
    "carry-chains",
    "merge-sums,carry-chains",
    "merge-sums",
    "merge-sums,compressor-trees",
    "solve-linear,simplify,merge-sums,compressor-trees",
    "balance-adders",
    "balance-adders{max-depth=2}",
    "adders",
    "plain",
    "bespoke",
    "heaps",
    "chains",
    "compressed",
)
COMBINATIONAL = ("pipeline{stages=1}", "pipeline{stages=3}", "pipeline{every=2}")
STABLE = tuple(text for text in ANY if text.split("{")[0] in {k.name for k in PASSES})
# A tree that is balanced again may put operands of one arrival time in another order.
STABLE = tuple(text for text in STABLE if not text.startswith("balance-adders"))
SHRINKING = ("simplify", "share")


def operations(circuit):
    return sum(steps(node) for node in circuit.walk() if not isinstance(node, (Const, Input)))


def steps(node):
    """A product by a constant stands for a shift and an addition for each of its digits."""
    digits = [digit_count(x.range.lo) for x in node.operands if x.range.lo == x.range.hi]
    return max(1, *(2 * n for n in digits)) if isinstance(node, Mul) and digits else 1


@pytest.mark.parametrize("text", ANY)
@given(circuit=circuits(max_nodes=40))
def test_a_pass_keeps_every_output(text, circuit):
    # The manager checks the specification, check_exact the values and their intervals.
    run_passes(circuit, parse_pipeline(text), check_exact(30))


@pytest.mark.parametrize("text", ANY)
@given(circuit=circuits(max_nodes=12, wide=True))
def test_a_pass_keeps_outputs_wider_than_a_machine_word(text, circuit):
    run_passes(circuit, parse_pipeline(text), check_exact(10))


@pytest.mark.parametrize("text", COMBINATIONAL)
@given(circuit=circuits(max_nodes=40, stages=0))
def test_pipelining_keeps_every_output(text, circuit):
    run_passes(circuit, parse_pipeline(text), check_exact(30))


@pytest.mark.parametrize("text", STABLE)
@given(circuit=circuits())
def test_running_a_pass_twice_changes_no_more_than_running_it_once(text, circuit):
    once = run_passes(circuit, parse_pipeline(text))
    twice = run_passes(once, parse_pipeline(text))
    assert print_circuit(twice) == print_circuit(once)


@pytest.mark.parametrize("text", SHRINKING)
@given(circuit=circuits())
def test_the_number_of_operations_never_grows(text, circuit):
    assert operations(run_passes(circuit, parse_pipeline(text))) <= operations(circuit)


@pytest.mark.parametrize("text", ["share", "balance-adders", "compressor-trees", "solve-linear"])
@given(circuit=circuits())
def test_output_ports_become_no_wider(text, circuit):
    after = run_passes(circuit, parse_pipeline(text))
    for old, new in zip(circuit.outputs, after.outputs, strict=True):
        assert new.width <= old.width


@pytest.mark.parametrize("text", ["solve-linear", "expand-linear", "compressor-trees"])
@given(circuit=circuits(kinds=(Linear,), max_nodes=8))
def test_no_linear_row_is_left(text, circuit):
    after = run_passes(circuit, parse_pipeline(text))
    assert not any(isinstance(node, Linear) for node in after.walk())


@given(circuit=circuits(kinds=tuple(set(NODE_TYPES) - {FullAdder, Register})))
def test_a_pass_keeps_the_latency(circuit):
    once = run_passes(circuit, parse_pipeline("pipeline{stages=2}"))
    after = run_passes(once, parse_pipeline("adders,compressor-trees,balance-adders"))
    assert latency(after) in (0, 2)
    if latency(after) == 0:
        lanes = [lane for port in after.outputs for lane in port.lanes]
        assert all(lane.range.lo == lane.range.hi for lane in lanes)


def test_every_pass_is_tried_here():
    tried = {item.name for text in (*ANY, *COMBINATIONAL) for item in parse_pipeline(text)}
    assert {kind.name for kind in PASSES} <= tried


def test_every_pass_of_a_pipeline_is_exact():
    assert [kind.name for kind in PASSES if not kind.exact] == []
