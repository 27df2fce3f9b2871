"""The pass manager: what it checks, and what its observers see."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from flow.errors import IRError, PassError
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Const, Input
from flow.passes.base import (
    PassManager,
    check_exact,
    dump_circuits,
    run_passes,
    show_circuits,
    show_steps,
)
from flow.passes.simplify import Simplify

X = Input("x", 0, 0, 7)
SUM = Circuit("sum", (Port("x", (X,)),), (Port("y", (Add(X, Const(0)),)),))


def with_output(circuit, lane, name="y"):
    return replace(circuit, outputs=(Port(name, (lane,)),))


@dataclass(frozen=True)
class Wrong:
    """Adds one to the output, or does what else it is told."""

    name: ClassVar[str] = "wrong"
    exact: ClassVar[bool] = True

    how: str = "value"

    def run(self, circuit: Circuit) -> Circuit:
        match self.how:
            case "value":
                return with_output(circuit, Add(X, Const(1)))
            case "port":
                return with_output(circuit, X, "z")
            case "input":
                return replace(circuit, inputs=())
            case _:
                return with_output(circuit, Input("x", 3, 0, 7))


@dataclass(frozen=True)
class Rough(Wrong):
    """The same, and says so."""

    name: ClassVar[str] = "rough"
    exact: ClassVar[bool] = False


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("port", "wrong{how=port} changed the output ports"),
        ("lane", "wrong{how=lane} made a malformed circuit: input x[3] is in no port"),
        ("input", "wrong{how=input} made a malformed circuit: input x[0] is in no port"),
    ],
)
def test_a_pass_that_breaks_the_circuit_is_named(how, message):
    with pytest.raises(PassError) as caught:
        run_passes(SUM, [Wrong(how)])
    assert caught.value.message == message


def test_a_malformed_circuit_is_refused_before_the_first_pass():
    with pytest.raises(IRError):
        run_passes(with_output(SUM, Input("x", 3, 0, 7)), [Simplify()])


def test_an_exact_pass_that_changes_a_value_is_caught_with_the_vector():
    with pytest.raises(PassError) as caught:
        run_passes(SUM, [Wrong()], check_exact())
    assert caught.value.message == "wrong changed y[0] from 0 to 1"
    assert caught.value.where == "x = [0]"


def test_a_pass_that_is_not_exact_may_change_values():
    after = run_passes(SUM, [Rough()], check_exact())
    assert after.outputs[0].lanes[0].mnemonic == "add"


def test_observers_see_each_step_in_order(tmp_path):
    lines, texts, steps = [], [], []
    manager = PassManager(
        (Simplify(), Simplify()),
        (show_steps(lines.append), show_circuits(texts.append), dump_circuits(tmp_path / "ir"),
         steps.append),
    )  # fmt: skip
    after = manager.run(SUM)
    assert [line.partition(",")[0] for line in lines] == [
        "01 simplify: 3 -> 1 nodes",
        "02 simplify: 1 -> 1 nodes",
    ]
    assert texts[0] == (
        "# after 01 simplify\n"
        "flow-ir 1\n"
        "circuit sum\n"
        "%0 = input x, 0, 0, 7 : [0, 7]\n"
        "in x = %0\n"
        "out y = %0\n"
    )
    assert sorted(path.name for path in (tmp_path / "ir").iterdir()) == [
        "01-simplify.flow",
        "02-simplify.flow",
    ]
    assert [(s.index, s.name, s.before is SUM) for s in steps] == [
        (1, "simplify", True),
        (2, "simplify", False),
    ]
    assert steps[1].after is after
