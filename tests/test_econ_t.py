"""The example ECON-T: its model answers as its own arithmetic; metrics; the given encoder."""

import sys
import tomllib

import numpy as np
import pytest

from flow.ir.network import evaluate_network
from flow.passes.fold_layers import FoldLayers
from flow.passes.free_weights import free_weights
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import encode_samples, import_model
from flow.pipeline.reading_out import import_with_readout


@pytest.fixture(scope="module")
def example(root):
    sys.path.insert(0, str(root / "examples" / "econ_t"))
    try:
        import metrics
        import showers
        import train
    finally:
        sys.path.pop(0)
    yield train, metrics, showers
    for name in ("train", "metrics", "showers"):
        sys.modules.pop(name)


def test_the_network_behind_its_readout_gives_what_the_script_computes(
    example, root, tmp_path, monkeypatch, capsys
):
    train, _, showers = example
    monkeypatch.setattr(train, "TRAIN", 300)
    monkeypatch.setattr(train, "TEST", 24)
    train.main(tmp_path)
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["3 bits", "5 bits", "7 bits", "9 bits"]
    imported = import_with_readout(
        BuildConfig(model=tmp_path / "encoder.onnx", data=tmp_path / "samples.npz",
                    readout=root / "examples/econ_t/readout.toml")
    )  # fmt: skip
    found = evaluate_network(imported.network, encode_samples(imported.network, imported.samples))
    table = tomllib.loads((root / "examples/econ_t/readout.toml").read_text())
    codes = showers.encode(showers.charges(324, seed=1))
    image = showers.images(codes, np.array(table["arrangement"])) / 64
    outputs = train.latent(image[300:], *train.fit(image[:300]))
    step = 2.0 ** (np.array(table["cleared"])[np.arange(24) % 4] - 7)[:, None]
    assert (found["codes"] / 128 == np.floor(outputs / step) * step).all()
    assert (found["charge_sum"][:, 0] == showers.charge_table()[codes[300:]].sum(axis=1)).all()


def test_the_distance_of_images_is_the_way_that_charge_goes(example):
    _, metrics, showers = example
    places = showers.positions()
    one, other = np.eye(48)[[3, 40]]
    distance = np.linalg.norm(places[3] - places[40])
    assert metrics.mover_distance(one, other) == pytest.approx(distance)
    assert metrics.mover_distance(one, one) == pytest.approx(0)
    assert metrics.mover_distance(2 * one, one + other) == pytest.approx(distance / 2)


def test_the_telescope_loss_sees_what_moves_far(example):
    _, metrics, _ = example
    true, near, far = np.eye(48)[[0, 1, 47]]
    one, two = (metrics.telescope(true[None], found[None]) for found in (near, far))
    assert metrics.telescope(true[None], true[None]) == 0
    # Both cells differ. Cell 0 is in the squares 0 1 4 5, 0 1 16 20 and 0 4 32 33, cell 1 in the
    # first two, 1 2 5 6 and 1 2 20 24; coarse sums hold both or neither.
    fine = 4 * 2 / 48
    pairs = 2 * (2 * (1 / 3 - 1 / 4) ** 2 / 3 + (1 / 3) ** 3 + 2 * (1 / 4) ** 3) / 36
    assert one == pytest.approx(fine + pairs)
    assert two > one


def test_showers_are_inside_their_module_and_the_same_for_a_seed(example):
    _, _, showers = example
    values = showers.charges(50, seed=3)
    assert values.shape == (50, 48)
    assert (values == showers.charges(50, seed=3)).all()
    assert len(np.unique(np.round(showers.positions(), 6), axis=0)) == 48
    table = showers.charge_table()
    assert (table[showers.encode(table)] == table).all()
    assert (np.diff(table) > 0).all()


def test_the_given_encoder_gives_its_golden_latents_with_free_weights_too(shared):
    model = shared / "models/econ_t_cae_9bit/encoder_vanilla_AE.json"
    config = BuildConfig(model=model, weights=model.with_suffix(".hdf5"))
    network = FoldLayers().run(import_model(config).network)
    with np.load(model.parent / "golden_encoder_latent.npz") as golden:
        x, wanted = golden["x"], golden["latent"]
    layer = network.inputs[0]
    step = float(layer.tensor.scale.ravel()[0])
    coded = np.clip(np.rint(x / step), -128, 127).astype(np.int64)
    freed = free_weights(network, 6)
    weights = np.broadcast_to(freed.values(network), (64, 2120))
    found = evaluate_network(freed.network, {layer.name: coded, freed.port: weights})
    (output,) = network.outputs
    assert (found[output] / 256 == wanted).all()
