"""Upsets of flip-flops: what a wrong bit does, clock by clock, and machines that hang."""

import numpy as np
import pytest

from flow.analysis.upsets import upsets
from flow.errors import IRError
from flow.frontend.circuits.blif import parse_blif

# y = a two clocks later; a counter of one bit says at every second clock that y is there.
PIPE = """\
.model pipe
.inputs rst a
.outputs out_valid y
.latch a p 0
.latch p y 0
.latch next out_valid 0
.names rst out_valid next
00 1
.end
"""
# A token goes round two flip-flops: an upset that takes it away leaves nothing to go on from.
RING = """\
.model ring
.inputs rst a
.outputs out_valid y
.latch first t 0
.latch second out_valid 0
.latch a y 0
.names rst out_valid first
1- 1
-1 1
.names rst t second
01 1
.end
"""
A = np.array([0, 1, 1], dtype=np.uint8)


def table(found):
    """Counts by flip-flop, over all clocks."""
    rows = {}
    for k, (flop, _) in enumerate(found.places.tolist()):
        row = rows.setdefault(found.flipflops[flop], [0, 0, 0, 0])
        for i, counts in enumerate((found.wrong, found.shifted, found.lasting, found.hangs)):
            row[i] += int(counts[k])
    return rows


def test_an_upset_is_wrong_where_it_meets_the_answer_and_moves_it_where_it_meets_the_control():
    found = upsets(parse_blif(PIPE), {"a": A})
    assert (found.clocks, found.interval, found.samples) == (4, 2, 3)
    assert (found.total, found.count) == (12, 36)
    # y is upset in four clocks, and read at the second and the fourth; p one clock earlier.
    assert table(found) == {"p": [6, 0, 0, 0], "y": [6, 0, 0, 0], "out_valid": [0, 12, 0, 0]}


def test_a_machine_that_loses_its_token_hangs():
    found = upsets(parse_blif(RING), {"a": A})
    rows = table(found)
    assert rows["y"][3] == 0
    # Each clock has one flip-flop with the token, whose upset takes it away for good.
    assert rows["t"][3] + rows["out_valid"][3] == found.clocks * found.samples


def test_of_more_places_than_asked_for_some_are_drawn_the_same_for_a_seed():
    design = parse_blif(PIPE)
    first, again = (upsets(design, {"a": A}, most=5, seed=3) for _ in range(2))
    assert (len(first.places), first.total, first.count) == (5, 12, 15)
    assert np.array_equal(first.places, again.places)
    every = upsets(design, {"a": A})
    known = {tuple(p): w for p, w in zip(every.places.tolist(), every.wrong, strict=True)}
    assert [known[tuple(p)] for p in first.places.tolist()] == first.wrong.tolist()


def test_a_design_that_never_answers_is_refused():
    text = PIPE.replace("00 1", "01 1")
    with pytest.raises(IRError, match="pipe: no answer comes within 20000 clocks"):
        upsets(parse_blif(text), {"a": A})
