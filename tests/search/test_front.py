"""A front as a file, and the choice of its points."""

import json
from dataclasses import replace

import numpy as np
import pytest

from flow.errors import UsageError
from flow.ir.layers import ArgMax
from flow.ir.network import evaluate_network
from flow.search.front import (
    FRONT,
    Front,
    Point,
    Trimmed,
    pick,
    point_network,
    print_front,
    read_front,
    table,
)
from flow.search.space import Space
from flow.search.start import random_genomes

SPACE = Space(2, (2,), 3, hidden_bits=2, exponents=1, bias_bits=5)
GENOMES = random_genomes(SPACE, 3, np.random.default_rng(4)).tolist()
POINTS = (
    Point(tuple(GENOMES[0]), None, 60, 18, 100_000, 90_000, 900),
    Point(tuple(GENOMES[1]), ((0, 1, -1), (2, 3, -4)), 70, 22, 900_000, 800_000, 9_000),
    Point(
        tuple(GENOMES[2]),
        None,
        77,
        24,
        250_000_000,
        240_000_000,
        2_000_000,
        Trimmed((3, 16, 18, 5), (20, 2)),
    ),
)
EXAMPLE = Front(
    name="example", space=SPACE, low=(-1.5, 3.0), high=(0.5, 3.0), columns=("a", "b"),
    classes=("x", "y", "z"), samples={"train": 80, "valid": 25, "test": 45}, reference=None,
    technology="egfet", voltage=1.0, generations=7, seed=1, hypervolume=(0.1, 0.25),
    hashes={"data": "00"}, versions={"flow": "1"}, points=POINTS, agreement=0.9731,
)  # fmt: skip


def test_a_front_is_read_as_it_was_written(tmp_path):
    text = print_front(EXAMPLE)
    (tmp_path / FRONT).write_text(text)
    assert read_front(tmp_path) == EXAMPLE
    assert print_front(read_front(tmp_path)) == text
    assert max(map(len, text.splitlines())) > 40
    assert text.count("\n") < 100


@pytest.mark.parametrize(
    ("wish", "index"),
    [
        ("loss<=0", 2), ("loss<=8%", 2), ("loss <= 9%", 1), ("loss<=0.09", 1), ("loss<=30%", 0),
        ("accuracy>=0.7", 0), ("accuracy>=75%", 1), ("area<=1cm2", 1), ("area<=300mm2", 2),
        ("area<=899999", 0), ("area<=9e5um2", 1), ("0", 0), ("2", 2),
    ],
)  # fmt: skip
def test_a_wish_picks_a_point(wish, index):
    assert pick(EXAMPLE, wish) == index


def test_a_loss_counts_from_the_reference_if_there_is_one():
    assert pick(replace(EXAMPLE, reference=0.80), "loss<=8%") == 0


WRONG = [
    ("loss>=1%", "--pick 'loss>=1%' bounds it at the wrong end",
     'write "loss<=1%", "accuracy>=0.9" or "area<=1cm2"'),
    ("accuracy<=0.9", "--pick 'accuracy<=0.9' bounds it at the wrong end",
     'write "loss<=1%", "accuracy>=0.9" or "area<=1cm2"'),
    ("area<=1%", "--pick 'area<=1%' has a unit that does not fit",
     "an area is in cm2, mm2 or um2, a share may be in %"),
    ("loss<=1cm2", "--pick 'loss<=1cm2' has a unit that does not fit",
     "an area is in cm2, mm2 or um2, a share may be in %"),
    ("loss<=1e", "--pick 'loss<=1e' is no choice of a point",
     'write "loss<=1%", "accuracy>=0.9", "area<=1cm2", or the index of a point'),
    ("best", "--pick 'best' is no choice of a point",
     'write "loss<=1%", "accuracy>=0.9", "area<=1cm2", or the index of a point'),
    ("3", "there is no point 3", "the front has 0 to 2"),
    ("accuracy>=0.99", "no point of the front has accuracy>=0.99",
     "it goes from 0.7200 at 0.001 cm2 to 0.9600 at 2.5 cm2"),
]  # fmt: skip


@pytest.mark.parametrize(("wish", "message", "hint"), WRONG)
def test_a_wish_that_cannot_be_met_is_told(wish, message, hint):
    with pytest.raises(UsageError) as caught:
        pick(EXAMPLE, wish)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_the_network_of_a_point_takes_the_features_as_they_are():
    for index, point in enumerate(POINTS):
        network = point_network(EXAMPLE, index)
        plain = SPACE.network(np.array(point.genome))
        levels = np.stack([np.arange(16), np.zeros(16, int)], axis=1)
        if point.gates is not None:
            # Bit 0 of the class is the conjunction of the second gate, bit 1 the first input bit.
            first = ~levels[:, 0] & levels[:, 1] >> 3 & 1
            second = first & ~levels[:, 0] >> 1 & 1
            wanted = second | (levels[:, 0] & 1) << 1
            assert (evaluate_network(network, {"x": levels})["class"].ravel() == wanted).all()
            continue
        wanted = evaluate_network(plain, {"x": levels}, ("scores",))
        found = evaluate_network(network, {"x": levels}, ("scores",))
        assert (found["scores"] == wanted["scores"]).all()
        if point.rounds is None:
            assert isinstance(network.layers[-1], ArgMax)
            assert (found["class"] == wanted["class"]).all()
        else:
            assert network.layers[-1].rounds == point.rounds
        entry = network.inputs[0]
        # Sixteen levels from -1.5 to 0.5; a feature that never changes is one level.
        assert entry.offset.tolist() == [-1.5, 3]
        assert entry.tensor.scale.tolist() == [0.125, 10**30]


def test_a_front_of_before_agreement_was_told_is_read(tmp_path):
    text = print_front(EXAMPLE)
    assert '"agreement": 0.9731' in text
    facts = json.loads(text)
    del facts["agreement"]
    (tmp_path / FRONT).write_text(json.dumps(facts))
    assert read_front(tmp_path) == replace(EXAMPLE, agreement=None)


def test_a_folder_without_a_front_is_told(tmp_path):
    with pytest.raises(UsageError) as caught:
        read_front(tmp_path)
    assert caught.value.show() == (
        f"error: this folder holds no front of a search\n  at {tmp_path}\n"
        "  hint: flow search SPEC -o FOLDER writes one when it ends"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("flow-front 1", "flow-front 0", "its format is not flow-front 1"),
        ('"genome"', '"gnome"', "'genome'"),
        ('"inputs": 2', '"inputs": 0', None),
        ('"classes": 3,', '"classes": 4,', None),
        ("{", "", "Extra data: line 2 column 10 (char 10)"),
    ],
)
def test_a_damaged_front_is_told(tmp_path, old, new, message):
    (tmp_path / FRONT).write_text(print_front(EXAMPLE).replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        read_front(tmp_path)
    if message is not None:
        assert caught.value.message == f"the front cannot be read: {message}"


def test_the_table_has_a_row_for_each_point():
    assert table(EXAMPLE)[1] == ("1", "0.8750", "0.8800", "0.0090", "0.0090")
    assert len(table(EXAMPLE)) == 3
