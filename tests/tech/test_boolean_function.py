"""Boolean functions of cells: reading, tables, words of bits."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.errors import UsageError
from flow.tech.function import BooleanFunction, parse


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("A", 0b1010),
        ("!A", 0b0101),
        ("A'", 0b0101),
        ("~A", 0b0101),
        ("A & B", 0b1000),
        ("A*B", 0b1000),
        ("A B", 0b1000),
        ("(A)(B)", 0b1000),
        ("A|B", 0b1110),
        ("A+B", 0b1110),
        ("A^B", 0b0110),
        ("(A * !B) + (!A * B)", 0b0110),
        ("!(A B)", 0b0111),
        ("(A B)'", 0b0111),
        ("!!A''", 0b1010),
        ("!A B'", 0b0001),
        ("1", 0b1111),
        ("0", 0b0000),
        ("A ^ 1", 0b0101),
    ],
)
def test_every_spelling_of_liberty_has_its_truth_table(text, table):
    assert parse(text).truth_table(("A", "B")) == table


def test_inversion_binds_before_xor_before_and_before_or():
    assert str(parse("A | B & C ^ !D")) == "(A|(B&(C^!D)))"
    assert str(parse("!A ^ B C + D")) == "(((!A^B)&C)|D)"


def test_inputs_come_in_the_order_of_the_text():
    assert parse("S' A + S B[3]").inputs == ("S", "A", "B[3]")


def test_an_unread_input_of_a_table_does_not_matter():
    assert parse("C").truth_table(("A", "B", "C")) == 0b11110000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a Boolean expression: an operand is missing at column 1 of ''"),
        ("A &", "not a Boolean expression: an operand is missing at column 4 of 'A &'"),
        ("& A", "not a Boolean expression: an operand is missing at column 1 of '& A'"),
        ("(A", "not a Boolean expression: a parenthesis is not closed at column 3 of '(A'"),
        ("A)", "not a Boolean expression: no parenthesis is open at column 2 of 'A)'"),
        ("()", "not a Boolean expression: an operand is missing at column 2 of '()'"),
        ("'A", 'not a Boolean expression: nothing to invert at column 1 of "\'A"'),
        ("A @ B", "not a Boolean expression: no such symbol at column 2 of 'A @ B'"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_column(text, message):
    with pytest.raises(UsageError) as error:
        parse(text)
    assert error.value.message == message
    assert error.value.hint == "write it as in Liberty, for instance (A & B) | !C"


def test_a_table_without_an_input_of_the_function_is_refused():
    with pytest.raises(UsageError) as error:
        parse("A & B").truth_table(("A",))
    assert error.value.message == "the function reads B, which is no input of the table"


def test_an_expression_nested_a_thousand_deep_is_read():
    assert parse("(" * 1000 + "A" + ")" * 1000).truth_table() == 0b10


_EXPRESSIONS = st.recursive(
    st.sampled_from(["A", "B", "C", "D", "0", "1"]),
    lambda inner: st.one_of(
        inner.map(lambda x: f"!({x})"),
        inner.map(lambda x: f"({x})'"),
        st.tuples(inner, st.sampled_from("&|^*+ "), inner).map(lambda t: f"({t[0]}){t[1]}({t[2]})"),
    ),
    max_leaves=12,
)


def _meaning(text: str, values: dict[str, bool]) -> bool:
    """An independent reading of the fully parenthesised texts above, by reduction to a value."""
    for name, value in values.items():
        text = text.replace(name, "01"[value])
    text = text.replace(" ", "&").replace("*", "&").replace("+", "|")
    rules = {f"({a}){op}({b})": r for a in "01" for b in "01" for op, r in _ops(a, b)}
    rules |= {"!(0)": "1", "!(1)": "0", "(0)'": "1", "(1)'": "0"}
    while text not in "01":
        for old, new in rules.items():
            text = text.replace(old, new)
    return text == "1"


def _ops(a, b):
    return (("&", str(int(a) & int(b))), ("|", str(int(a) | int(b))), ("^", str(int(a) ^ int(b))))


@given(_EXPRESSIONS)
def test_table_words_and_printed_text_agree_with_an_independent_reading(text):
    function, names = parse(text), ("A", "B", "C", "D")
    expected = 0
    for state, bits in enumerate(itertools.product((False, True), repeat=4)):
        values = dict(zip(names, reversed(bits), strict=True))
        expected |= _meaning(text, values) << state
    assert function.truth_table(names) == expected
    assert parse(str(function)).truth_table(names) == expected
    words = {
        name: np.array([sum((s >> i & 1) << s for s in range(16))], dtype=np.uint64)
        for i, name in enumerate(names)
    }
    result = function.evaluate(words)
    assert result.dtype == np.uint64
    assert int(result[0]) & 0xFFFF == expected


def test_a_constant_takes_the_shape_of_the_arrays():
    one = parse("1").evaluate({"A": np.zeros(3, dtype=np.bool_)})
    assert one.tolist() == [True, True, True]


def test_a_function_is_a_value():
    assert parse("A&B") == BooleanFunction(("A", "B"), ("A", "B", "&"))
