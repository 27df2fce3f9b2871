"""Every text becomes a name that every tool takes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.backends.names import RESERVED, Namer, comment, identifier

GOOD = re.compile(r"[a-z][a-z0-9_]{0,62}")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dense_1", "dense_1"),
        ("Dense/Kernel:0", "dense_kernel_0"),
        ("", "n"),
        ("_", "n"),
        ("9 lives", "n9_lives"),
        ("module", "module_x"),
        ("Signal", "signal_x"),
        ("endmodule\nmodule pwn", "endmodule_module_pwn"),
        ("$system(`id`)\\ ", "system_id"),
        ("größe", "gr_e"),
        ("a" * 1_000_000, "a" * 63),
        ("int", "int_x"),
    ],
)
def test_a_text_has_this_name(text, name):
    assert identifier(text) == name


@given(st.text(max_size=300))
def test_any_text_becomes_a_name_and_names_are_fixed_points(text):
    name = identifier(text)
    assert GOOD.fullmatch(name)
    assert name not in RESERVED
    assert identifier(name) == name


@given(st.lists(st.sampled_from(["x", "X", "x_2", "x 2", "reg", "", "y" * 80, "Y" * 90])))
def test_a_namer_never_gives_a_name_twice(texts):
    namer = Namer(["clk"])
    names = [namer(text) for text in [*texts, "clk", "CLK"]]
    assert len(set(names)) == len(names)
    assert "clk" not in names
    assert all(GOOD.fullmatch(name) and name not in RESERVED for name in names)


def test_every_reserved_word_gets_another_name():
    assert [word for word in sorted(RESERVED) if identifier(word) in RESERVED] == []


def test_a_comment_cannot_end_itself():
    assert comment("a */ b\nmodule `x \\ é") == "a * / b?module ?x ? ?"
    assert comment("/*" * 3) == "/ */ */ *".replace("*/", "* /") or "*/" not in comment("/*" * 3)
    assert comment("z" * 300) == "z" * 200 + "..."
