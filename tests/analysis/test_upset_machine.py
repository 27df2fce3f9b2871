"""Machines with memories beside their gates: what upsets of words and of what was read do."""

import numpy as np
import pytest

from flow.analysis import upset_machine
from flow.analysis.upset_machine import Memory
from flow.analysis.upsets import Setting, upsets
from flow.errors import ToolNotFound
from flow.frontend.circuits.blif import parse_blif

# Two words of one bit: in each clock one is read and then written, turn by turn.
TURNS = """\
.model turns
.inputs rst a q
.outputs y at
.latch next t 0
.names t next
0 1
.names q y
1 1
.names t at
1 1
.end
"""
# A bit that goes through three flip-flops.
CHAIN = """\
.model chain
.inputs rst a
.outputs y
.latch a p 0
.latch p q 0
.latch q y 0
.end
"""
A = np.array([0, 1, 1], dtype=np.uint8)


def turns():
    design = parse_blif(TURNS)
    place = {name: 2 * k for k, name in enumerate(design.inputs, 1)}
    at = design.graph.literals[design.outputs.index("at")]
    return design, Memory("words", 2, (1,), (at,), (place["a"],), 1, (at,), (place["q"] // 2,))


@pytest.mark.tool("cc")
def test_a_word_is_wrong_until_it_is_written_and_what_was_read_for_a_clock():
    design, memory = turns()
    drive = {"a": np.zeros(2, dtype=np.uint8), "q": np.zeros(2, dtype=np.uint8)}
    setting = Setting((memory,), answers=lambda name: name == "y")
    found = upsets(design, drive, setting=setting)
    assert found.flipflops == ("t", "words.q[0]")
    by_flop = [found.wrong[found.places[:, 0] == k].tolist() for k in range(2)]
    # All words are equal, so that it does not matter which one is read.
    assert by_flop == [[0, 0], [2, 2]]
    cells = upsets(design, drive, setting=Setting((memory,), setting.answers, cells=True))
    assert cells.flipflops == ("words[0]", "words[1]")
    assert (cells.wrong.tolist(), cells.lasting.sum()) == ([2, 2, 2, 2], 0)


def test_numpy_and_c_count_the_same(monkeypatch):
    design = parse_blif(CHAIN)
    drive = {"a": np.zeros(3, dtype=np.uint8)}
    first = upsets(design, drive)
    monkeypatch.setattr(upset_machine, "_kernel", lambda: None)
    again = upsets(design, drive)
    for name in ("places", "wrong", "shifted", "lasting", "hangs"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert int(first.wrong.sum()) == 3 * first.total


def test_memories_need_a_compiler(monkeypatch):
    monkeypatch.setattr(upset_machine, "_kernel", lambda: None)
    design, memory = turns()
    with pytest.raises(ToolNotFound, match="memories are simulated in C"):
        upsets(design, {"a": A, "q": A}, setting=Setting((memory,)))
