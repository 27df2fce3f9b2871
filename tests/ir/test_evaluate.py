"""Evaluation of circuits: nodes alike at once, or one by one, and what lies outside."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import circuits, input_values

from flow.errors import IRError
from flow.ir import evaluate as module
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.interval import IntRange
from flow.ir.nodes import Add, Bits, Const, Input


@given(circuits(), st.integers(1, 5))
def test_nodes_alike_at_once_answer_as_one_by_one(circuit: Circuit, samples: int) -> None:
    inputs = input_values(circuit, samples)
    at_once = evaluate(circuit, inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "AT_ONCE", 0)
        one_by_one = evaluate(circuit, inputs)
    for port in circuit.outputs:
        assert np.array_equal(at_once[port.name], one_by_one[port.name])
        assert at_once[port.name].dtype == one_by_one[port.name].dtype


@given(circuits())
def test_kinds_hold_every_node_but_inputs_once_and_operands_first(circuit: Circuit) -> None:
    order = list(circuit.walk())
    done = {i for i, node in enumerate(order) if isinstance(node, Input)}
    for first, rows, operands in circuit.kinds().kinds:
        numbers = np.atleast_1d(rows).tolist()
        columns = [np.atleast_1d(x).tolist() for x in operands]
        for i, *at in zip(numbers, *columns, strict=True):
            assert [order[k] for k in at] == list(order[i].operands)
            assert (type(order[i]), order[i].attributes) == (
                type(order[first]), order[first].attributes
            )  # fmt: skip
            assert done.issuperset(at)
            assert i not in done
        done |= set(numbers)
    assert len(done) == len(order)


def test_a_value_outside_its_interval_is_named() -> None:
    x = Input("x", 0, 0, 3)
    total = Add(x, Const(1))
    object.__setattr__(total, "range", IntRange(0, 3))
    circuit = Circuit("c", (Port("x", (x,)),), (Port("y", (total,)),))
    with pytest.raises(IRError, match=r"add gave \[1, 4\], outside \[0, 3\]"):
        evaluate(circuit, {"x": np.array([[0], [3]])})


def test_a_field_of_more_than_64_bits_of_a_small_number_is_evaluated() -> None:
    x = Const(5)
    circuit = Circuit("c", (Port("x", (Input("x", 0, 0, 1),)),), (Port("y", (Bits(x, 0, 70),)),))
    assert evaluate(circuit, {"x": np.array([[0], [1]])})["y"].tolist() == [[5], [5]]
