"""Trees of additions as terms, and which nodes nothing else reads."""

from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Input, Neg, Relu, Shl, Sub
from flow.passes.linear.flatten import inner_nodes, terms_of, uses

X, Y, Z = (Input("x", k, -4, 3) for k in range(3))


def test_the_terms_of_a_tree_have_its_signs_and_shifts():
    relu = Relu(X)
    tree = Sub(Shl(Add(X, Neg(Shl(Y, 1))), 2), Sub(Z, Shl(relu, 3)))
    assert terms_of(tree, lambda node: True) == [(X, 4), (Y, -8), (Z, -1), (relu, 8)]


def test_what_is_not_inner_is_a_term_as_it_stands():
    inner = Add(X, Y)
    assert terms_of(Sub(Z, inner), lambda node: False) == [(Z, 1), (inner, -1)]
    assert terms_of(Relu(inner), lambda node: True)[0][1] == 1
    assert terms_of(X, lambda node: True) == [(X, 1)]


def test_reads_are_counted_of_operations_and_of_ports():
    once, twice = Add(X, Y), Add(Y, Z)
    total = Add(Add(once, twice), twice)
    circuit = Circuit("c", (Port("x", (X, Y, Z)),), (Port("y", (total, total, X)),))
    count = uses(circuit)
    assert (count[X], count[Y], count[Z], count[once], count[twice]) == (2, 2, 1, 1, 2)
    assert count[total] == 2
    assert inner_nodes(circuit, (Add,)) == {once, total.a}
