"""Constants of a plan: every one has a kind and a source, and a user's edits are checked."""

import pytest

from flow.errors import UsageError
from flow.tech.lpu import KINDS, Span, constants_text, edited, shipped, shipped_text
from flow.tech.lpu_published import published


def test_every_constant_has_a_kind_and_a_source():
    for constant in shipped().all.values():
        assert constant.kind in KINDS
        assert len(constant.source) > 5
        assert not constant.changed


def test_the_text_of_constants_is_read_back_equal():
    assert edited(constants_text(shipped()), "c.toml") == shipped()
    assert edited(shipped_text(), "c.toml") == shipped()


def test_an_edited_constant_is_changed_and_the_others_stay():
    found = edited("[area]\nhardwired = 0.2\n[masks]\nset = [10, 20]\n", "c.toml")
    assert found["area.hardwired"] == 0.2
    assert found.all["area.hardwired"].kind == "calibrated"
    assert found.span("masks.set") == Span(10.0, 20.0)
    changed = [c.name for c in found.all.values() if c.changed]
    assert changed == ["area.hardwired", "masks.set"]
    assert found["area.die"] == shipped()["area.die"]
    again = edited(constants_text(found), "again.toml")
    assert again == found


def test_an_edit_may_say_its_own_kind_and_source():
    text = '[area]\nhardwired = { value = 0.1, kind = "derived", source = "our layout" }\n'
    found = edited(text, "c.toml").all["area.hardwired"]
    assert (found.value, found.kind, found.source) == (Span(0.1, 0.1), "derived", "our layout")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[area", "this is no TOML: Expected ']' at the end of a table declaration (at end of "
         "document)", "copy the file that ships, and edit it"),
        ("area = 1", "area is no section of constants", "write [area], then keys"),
        ("[area]\nhardwird = 1", "there is no constant area.hardwird",
         "did you mean area.hardwired?"),
        ("[x]\nq = 1", "there is no constant x.q", "see the file that ships"),
        ("[area]\nhardwired = 0", "constant area.hardwired cannot be 0", None),
        ("[area]\nhardwired = -1", "constant area.hardwired must be a number from 0 to 1e15, or "
         "two", "two are [optimistic, pessimistic]"),
        ("[area]\nhardwired = nan", "constant area.hardwired must be a number from 0 to 1e15, or "
         "two", "two are [optimistic, pessimistic]"),
        ("[area]\nhardwired = inf", "constant area.hardwired must be a number from 0 to 1e15, or "
         "two", "two are [optimistic, pessimistic]"),
        ("[area]\nhardwired = true", "constant area.hardwired must be a number from 0 to 1e15, or "
         "two", "two are [optimistic, pessimistic]"),
        ('[area]\nhardwired = "1"', "constant area.hardwired must be a number from 0 to 1e15, or "
         "two", "two are [optimistic, pessimistic]"),
        ("[area]\nhardwired = [1, 2]", "constant area.hardwired is one number, not a range", None),
        ("[masks]\nset = [1, 2, 3]", "constant masks.set must be a number from 0 to 1e15, or two",
         "two are [optimistic, pessimistic]"),
        ("[speed]\nstages = 5.5", "constant speed.stages must be a whole number", None),
        ('[area]\ndie = { value = 1, unit = "cm2" }', "constant area.die is in mm2",
         "give its value in this unit"),
        ('[area]\ndie = { kind = "guessed" }', "constant area.die cannot be of the kind 'guessed'",
         "kinds are stated, derived, calibrated"),
        ("[area]\ndie = { worth = 1 }", "constant area.die has no field worth",
         "it has value, unit, kind, source, zero"),
        ("[area]\ndie = { source = 1 }", "the source of constant area.die must be a text", None),
        ("[speed]\nstall = 1", "speed.stall is a share below 1", None),
        ("[speed]\nstall_to = 5", "speed.stall_to must be above speed.stall_from", None),
    ],
)  # fmt: skip
def test_a_bad_constant_is_one_message(text, message, hint):
    with pytest.raises(UsageError) as error:
        edited(text, "mine.toml")
    assert (error.value.message, error.value.where) == (message, "mine.toml")
    assert error.value.hint == hint


def test_a_constant_may_not_allow_itself_to_be_zero():
    with pytest.raises(UsageError, match=r"^constant area\.die cannot be 0$"):
        edited("[area]\ndie = { value = 0, zero = true }", "c.toml")


def test_both_versions_of_the_economics_stand_apart():
    first, second = published().economics
    assert (first.used, second.used) == (False, True)
    assert first.engineering == "$184M once"
    assert second.cost.startswith("41.7 to 80.4 times")
