"""Test vectors: every fault is shown or proved redundant, and Icarus sees the same."""

from itertools import product

import numpy as np
import pytest
from cell_netlists import EGFET, drawn, redundant

from flow.analysis.fault_simulation import FaultSimulator
from flow.analysis.stuck_at import faults_of
from flow.backends.tester import hex_words, stil
from flow.ir.aig import pack
from flow.verify.atpg import primes, vectors_for
from flow.verify.replay import first_shown, replay


def every(inputs):
    return np.array(list(product((0, 1), repeat=inputs)), dtype=np.uint8)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("rounds", [0, 400])
def test_faults_are_shown_exactly_where_some_input_shows_them(seed, rounds, monkeypatch):
    monkeypatch.setattr("flow.verify.atpg.MOST_ROUNDS", rounds)  # 0: by SAT alone
    faults = faults_of(drawn(seed), EGFET)
    found = vectors_for(faults, limit_s=60)
    shows = FaultSimulator(faults.gates, pack(every(6))).detected(faults.classes).any(axis=1)
    # The last word is filled with zeros: an input that is there anyway.
    assert found.shown == tuple(np.flatnonzero(shows).tolist())
    assert found.redundant == tuple(np.flatnonzero(~shows).tolist())
    assert found.complete
    again = FaultSimulator(faults.gates, pack(found.vectors)).detected(faults.classes)
    assert again.any(axis=1)[list(found.shown)].all()


def test_what_has_no_say_is_redundant():
    faults = faults_of(redundant(), EGFET)
    found = vectors_for(faults, limit_s=60)
    names = [
        f"{faults.lines[line]}/{value}"
        for k in found.redundant
        for line, value in faults.classes[k].members
    ]
    assert names == ["x[1]/0", "x[1]/1", "x[1] at A2/1", "x[1] at A/0", "n2/1"]


def test_without_time_faults_are_undecided():
    faults = faults_of(redundant(), EGFET)
    found = vectors_for(faults, limit_s=0)
    assert (found.complete, found.redundant, len(found.undecided)) == (False, (), 4)


def test_cubes_of_a_function_are_its_largest():
    assert primes(0b1000, 2) == (((None, 0), 0), ((0, None), 0), ((1, 1), 1))


@pytest.mark.tool("icarus")
def test_icarus_sees_every_fault_at_the_same_vector():
    netlist = redundant()
    faults = faults_of(netlist, EGFET)
    found = vectors_for(faults, limit_s=60)
    numbers = list(range(len(faults.classes)))
    chosen = [faults.classes[k].members[0] for k in numbers]
    seen = replay(netlist, EGFET, faults, chosen, found.vectors, found.answers)
    assert seen.clean
    assert list(seen.first) == first_shown(faults, numbers, found.vectors)
    wrong = replay(netlist, EGFET, faults, chosen[:1], found.vectors, found.answers ^ 1)
    assert not wrong.clean


def test_the_tester_file_is_written_in_full():
    netlist = redundant()
    bits = np.array([[1, 1, 0], [0, 0, 1]], dtype=np.uint8)
    answers = np.array([[1, 1], [0, 1]], dtype=np.uint8)
    assert stil("tiny", netlist.inputs, netlist.outputs, bits, answers, 1000) == TESTER
    assert hex_words(bits) == "3\n4\n"


TESTER = """\
STIL 1.0;
Header { Title "tiny"; }
Signals {
  "x[0]" In;
  "x[1]" In;
  "x[2]" In;
  "y" Out;
  "z" Out;
}
SignalGroups {
  inputs = '"x[0]" + "x[1]" + "x[2]"';
  outputs = '"y" + "z"';
}
Timing {
  WaveformTable "static" {
    Period '1000ns';
    Waveforms {
      inputs { 01 { '0ns' D/U; } }
      outputs { LH { '900ns' L/H; } }
    }
  }
}
PatternBurst "all" { PatList { "stuck_at"; } }
PatternExec { PatternBurst "all"; }
Pattern "stuck_at" {
  W "static";
  V { inputs = 110; outputs = HH; }
  V { inputs = 001; outputs = LH; }
}
"""
