"""Files that make a library crash or loop are one message; limits that a fuzzer asked for hold."""

import ctypes
import os

import numpy as np
import pytest
from frontend import keras_files as k

from flow.errors import UsageError
from flow.frontend import read
from flow.frontend.circuits import blif
from flow.frontend.circuits.blif import parse_blif
from flow.frontend.files import trial
from flow.frontend.files.data import read_data
from flow.frontend.files.trial import survive
from flow.frontend.read import read_model
from flow.ir import threshold_text
from flow.ir.network_text import parse_network
from flow.ir.text import parse_circuit
from flow.ir.threshold_text import parse_threshold
from flow.pipeline.config import read_config
from flow.pipeline.reading_out import read_readout
from flow.search.spec import read_spec
from flow.tech.lpu import edited


def message(call, *arguments):
    """What it is refused with."""
    with pytest.raises(UsageError) as caught:
        call(*arguments)
    return caught.value.show()


def endless():
    while True:
        pass


def crash():
    ctypes.string_at(0)


def fail():
    raise RuntimeError


@pytest.mark.parametrize(
    ("work", "told"), [(endless, "does not come to an end with"), (crash, "crashes on")]
)
def test_work_that_does_not_survive_is_refused_in_words(monkeypatch, work, told):
    monkeypatch.setattr(trial, "SECONDS", 1)
    assert message(survive, work, 0, "m.h5") == (
        f"error: the HDF5 library {told} the file, so it is damaged\n"
        "  at m.h5\n"
        "  hint: copy or save the file again"
    )


@pytest.fixture
def forks(monkeypatch):
    """The processes that were forked."""
    found, fork = [], os.fork
    monkeypatch.setattr(os, "fork", lambda: found.append(fork()) or found[-1])
    return found


def collected(process):
    """Whether a process was waited for: it is no child any more."""
    try:
        os.waitpid(process, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def test_work_that_survives_leaves_nothing_behind(forks):
    done = []
    survive(lambda: done.append(1), 0, "m.h5")
    survive(fail, 0, "m.h5")
    assert done == []
    assert [collected(process) for process in forks] == [True, True]


def test_a_sleeping_fork_is_killed_and_collected(monkeypatch, forks):
    import time

    monkeypatch.setattr(trial, "PATIENCE", 0.02)
    assert "does not come to an end" in message(survive, lambda: time.sleep(60), 0, "m.h5")
    assert [collected(process) for process in forks] == [True]


@pytest.mark.parametrize("kind", ["h5", "keras", "json"])
def test_every_kind_of_file_with_hdf5_in_it_is_tried_first(tmp_path, monkeypatch, kind):
    tried = []
    monkeypatch.setattr(read, "survive", lambda work, size, where: tried.append((size, where)))
    content = {
        "h5": k.h5(k.SMALL_WEIGHTS, k.SMALL),
        "keras": k.archive({"config.json": b"{}"}),
        "json": b"{}",
    }[kind]
    path = tmp_path / f"m.{kind}"
    path.write_bytes(content)
    if kind == "h5":
        read_model(path)
    else:
        message(read_model, path)
    assert tried == [(len(content), path.name)]


TEXT = "flow-ir 1\ncircuit c\n%0 = input x, 0, 0, 1 : [0, 1]\n"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%1 = shl %0, 8193 : [0, 1]", "a shift by 8193, which is not from 0 to 8192"),
        ("%1 = shl %0, -1 : [0, 1]", "a shift by -1, which is not from 0 to 8192"),
        ("%1 = shl %0, 8192 : [0, 1]", "%1 is wider than 8192 bits"),
    ],
)
def test_no_wire_is_wider_than_its_limit(line, told):
    assert message(parse_circuit, f"{TEXT}{line}\nin x = %0\nout y = %1\n") == (
        f"error: {told}\n  at the text, line 4"
    )


def test_circuits_of_too_many_lines_are_refused(monkeypatch):
    monkeypatch.setattr(blif, "MOST_LINES", 3)
    text = ".model m\n.inputs a\n.outputs y\n.names a y\n1 1\n.end\n"
    assert message(parse_blif, text, "c.blif") == (
        "error: the circuit has more than 3 lines\n  at c.blif"
    )
    monkeypatch.setattr(threshold_text, "MOST_LINES", 3)
    text = ".model m\n.inputs a\n.outputs y\n.threshold a y\n1 1\n.end\n"
    assert message(parse_threshold, text, "c.th") == (
        "error: the netlist has more than 3 lines\n  at c.th"
    )


def test_a_network_of_too_many_layers_is_refused():
    text = (
        '{"form": "flow-network 1", "name": "n", "head": "none", "outputs": [], "layers": ['
        + ",".join(["{}"] * 10_001)
        + "]}"
    )
    assert message(parse_network, text, "n.json") == (
        "error: the network has more than 10000 layers\n  at n.json"
    )


def test_a_text_that_is_no_threshold_netlist_is_refused():
    assert message(parse_threshold, "", "c.th") == (
        "error: this is no threshold netlist: it has no outputs\n  at c.th"
    )


@pytest.mark.parametrize("text", ["a = " + "[" * 20_000, "a = " + "9" * 5000])
@pytest.mark.parametrize("reader", [read_config, read_spec, read_readout])
def test_toml_that_python_cannot_hold_is_one_message(tmp_path, reader, text):
    path = tmp_path / "f.toml"
    path.write_text(text)
    assert " is not TOML: " in message(reader, path)
    assert message(edited, text, "f.toml").startswith("error: this is no TOML: ")


def test_samples_beyond_the_range_of_products_are_refused(tmp_path):
    np.save(tmp_path / "d.npy", np.array([[1.0, 2.0], [3.0, -1.1e30]]))
    assert message(read_data, tmp_path / "d.npy", {"x": (2,)}) == (
        "error: the value for the input 'x' at row 1, index [1] is -1.1e+30\n"
        "  at d.npy\n"
        "  hint: remove the row, or fill in a number"
    )
