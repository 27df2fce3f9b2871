"""Makes hgq_shared.npz: what the frameworks answer for shared models without golden outputs.

python make_hgq_shared.py SHARED 1 where HGQ 0.2.6 is installed, then with 2 where HGQ2 0.2.0 is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np

ROWS = 40
MODELS = {
    "1": ("hgq1_jet/hgq_jet_classifier.h5", "hgq1_mnist_homogeneous/hgq_mnist_homogeneous.h5"),
    "2": (
        "da4ml_jsc_hgq1/test_acc76.47.h5", "da4ml_jsc_hgq1/test_acc76.86.h5",
        "hgq2_jsc_cernbox/val0.754_ebops13308.keras", "hgq2_jsc_openml/val0.733_ebops530.keras",
        "hgq2_jsc_openml/val0.758_ebops2571.keras", "hgq2_jsc_openml/val0.768_ebops7229.keras",
        "hgq2_muon_tgc/res2.010_ebops32445.keras", "hgq_lut_jsc_openml/val0.761_ebops1439.keras",
    ),
}  # fmt: skip


def custom(version):
    if version == "1":
        from HGQ.proxy.fixed_point_quantizer import FixedPointQuantizer

        return {"FixedPointQuantizer": FixedPointQuantizer}
    from hgq.layers import QDenseT

    return {"hgq2>QDenseT": QDenseT}


def samples(name, shape, shared, rng):
    """Data of the task, and numbers that reach beyond it."""
    if "tgc" in name:
        return (rng.random((ROWS, *shape)) < 0.06).astype(np.float32)
    if "mnist" in name:
        images = np.load(shared / "datasets" / "mnist.npz")["x_test"][:ROWS]
        return (images / 255).astype(np.float32)
    jets = np.load(shared / "datasets" / "jets_hlf.npz")["x_test"][: ROWS // 2]
    wide = rng.normal(size=(ROWS // 2, *shape)) * 3
    return np.concatenate([jets, wide]).astype(np.float32)


def main():
    shared, version = Path(sys.argv[1]), sys.argv[2]
    path = Path(__file__).with_name("hgq_shared.npz")
    arrays = dict(np.load(path)) if path.exists() else {}
    rng = np.random.default_rng(7)
    for name in MODELS[version]:
        file = shared / "models" / name
        model = keras.models.load_model(file, compile=False, custom_objects=custom(version))
        xs = [samples(name, t.shape[1:], shared, rng) for t in model.inputs]
        arrays[f"{name}|y"] = model.predict(xs if len(xs) > 1 else xs[0], verbose=0)
        arrays |= {f"{name}|x{n}": x for n, x in enumerate(xs)}
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main()
