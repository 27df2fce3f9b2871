"""Names of layers from any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.ir.names import identifier, unique
from flow.ir.spec import NAME


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Dense/MatMul:0", "dense_matmul_0"),
        ("", "n"),
        ("__x__", "x"),
        ("3rd", "n3rd"),
        ("Größe", "gr_e"),
        ("a" * 70, "a" * 63),
        ("end", "end"),
    ],
)
def test_a_text_becomes_a_name(text, name):
    assert identifier(text) == name


def test_equal_names_are_counted():
    assert unique(["a", "A", "a_2", "a"], taken=["a"]) == ("a_2", "a_3", "a_2_2", "a_4")


@given(st.lists(st.text(), max_size=20))
def test_names_are_valid_and_differ(texts):
    names = unique(texts)
    assert len(set(names)) == len(texts)
    assert all(NAME.fullmatch(name) for name in names)
