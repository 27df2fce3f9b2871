"""The jets example: its toy data, the labels in the order of each tagger, its table."""

import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from flow.pipeline.config import BuildConfig
from flow.pipeline.evaluating import answer, ask


@pytest.fixture(scope="module")
def example(root):
    sys.path.insert(0, str(root / "examples" / "jets"))
    yield SimpleNamespace(**{n: importlib.import_module(n) for n in ("toy", "compare")})
    sys.path.pop(0)
    for name in ("toy", "compare"):
        sys.modules.pop(name)


def jets_file(place):
    """Two jets of W and top with labels in the order of the LHC jets."""
    x = np.zeros((1, 16), np.float32)
    np.savez(place, x_train=x, y_train=np.array([3]), x_test=x + 1, y_test=np.array([2]),
             class_names=np.array(list("gqtwz")))  # fmt: skip


def test_toy_jets_are_seeded_and_balanced(example):
    x, y = example.toy.jets(2000, 1)
    again, _ = example.toy.jets(2000, 1)
    assert (x.shape, x.dtype) == ((2000, 16), np.float32)
    assert np.array_equal(x, again)
    assert np.abs(np.bincount(y) / 2000 - 0.2).max() < 0.04


def test_labels_are_brought_into_the_order_of_the_tagger(example, tmp_path):
    jets_file(tmp_path / "jets.npz")
    place = tmp_path / "hgq1_jet"
    place.mkdir()
    (place / "hgq_jet_classifier.h5").write_bytes(b"")
    (found,) = example.compare.published(tmp_path, tmp_path / "jets.npz", "HGQ 1", tmp_path)
    assert (found.name, found.weights) == ("HGQ 1, proxy of hls4ml's examples", None)
    data = np.load(found.data)
    assert data["x"][:, 0].tolist() == [0, 1]
    assert data["y"].tolist() == ["gqwzt".index("w"), "gqwzt".index("t")]


def test_a_folder_without_taggers_has_no_rows(example, tmp_path):
    jets_file(tmp_path / "jets.npz")
    assert list(example.compare.published(tmp_path, tmp_path / "jets.npz", "", tmp_path)) == []


@pytest.mark.shared
def test_all_eleven_taggers_are_found_and_three_are_as_accurate_as_the_page_says(
    example, shared, tmp_path
):
    jets = shared / "datasets" / "jets_hlf.npz"
    found = {t.name: t for t in example.compare.published(shared / "models", jets, "", tmp_path)}
    assert len(found) == 11
    for name, accuracy in (
        ("QKeras, 6 bits", 0.774), ("HGQ 1, proxy of hls4ml's examples", 0.764),
        ("HGQ 2, 530 EBOPs", 0.733),
    ):  # fmt: skip
        tagger = found[name]
        labels = np.load(tagger.data)["y"]
        config = BuildConfig(tagger.model, weights=tagger.weights, data=tagger.data)
        (scores,) = answer(ask(config)).values()
        assert (scores.argmax(axis=1) == labels).mean() == pytest.approx(accuracy), name
