"""The C++ that hls4ml writes for the given models, run on every golden input by g++."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cases import Options
from common import Row
from designs import SHARED
from mapped import cached, key_of

from flow.backends.hls_project import BACKENDS, bench_arguments
from flow.errors import FlowError
from flow.pipeline.build import build
from flow.pipeline.config import BuildConfig
from flow.pipeline.folder import hashes
from flow.targets.hls import HLS
from flow.verify.hls import simulate_hls

FILES = (
    "da4ml_rand_mat/N=8-bw=8.keras",
    "da4ml_rand_mat/N=16-bw=4.keras",
    "da4ml_rand_mat/N=32-bw=8.keras",
    "da4ml_jsc_hgq1/test_acc76.47.h5",
    "da4ml_jsc_hgq1/test_acc76.86.h5",
    "hgq1_jet/hgq_jet_classifier.h5",
    "hgq2_jsc_openml/val0.733_ebops530_traced.keras",
    "hgq2_jsc_openml/val0.758_ebops2571_traced.keras",
    "hgq2_jsc_openml/val0.768_ebops7229_traced.keras",
    "hgq2_jsc_cernbox/val0.754_ebops13308_traced.keras",
    "qkeras_jet_3layer/qkeras_3layer.json",
    "qkeras3_jet_3layer/qkeras-v3_3layer.keras",
    "qonnx_jettagging/qkeras_jettagging.onnx",
    "keras_dense_1layer/KERAS_1layer.json",
    "keras_dense_3layer/KERAS_3layer.json",
    "keras_dense_bn_3layer/KERAS_3layer_batch_norm.json",
    "keras_binary_3layer/KERAS_3layer_binary_smaller.json",
    "keras_ternary_3layer/KERAS_3layer_ternary_small.json",
    "keras_conv1d_small/KERAS_conv1d_small.json",
    "keras_conv2d_8x8/KERAS_conv2d_model.json",
    "econ_t_cae_9bit/encoder_vanilla_AE.json",
    "onnx_float_small/two_layer_keras.onnx",
    "onnx_float_small/three_layer_keras.onnx",
    "onnx_float_small/three_layer_bn_pytorch.onnx",
    "onnx_float_small/conv2d_small_keras.onnx",
    "hgq_lut_jsc_openml/val0.761_ebops1439.keras",
    "hgq2_muon_tgc/res2.010_ebops32445_traced.keras",
    "hgq1_mnist_homogeneous/hgq_mnist_homogeneous.h5",
    "qkeras_mnist_dense/qkeras_mnist_dense.json",
    "qkeras_mnist_cnn/qkeras_mnist_cnn.json",
    "qonnx_branched/branched_model_ch_last.onnx",
    "qonnx_unsw_w2a2/unsw_nb15-mlp-w2a2.onnx",
    "qonnx_tfc/TFC_1W1A.onnx",
    "qonnx_tfc/TFC_2W2A.onnx",
    "keras_jet_conv2d_bn/jetTagger_Conv2D_Small.json",
    "mlperf_ad03_qkeras/model_ToyCar.h5",
    "keras_dense_200x5/KERAS_dense_16x200x200x200x200x200x5.json",
    "mlperf_ad01/ad01.h5",
)
"""Models below the shared ones, the quickest first."""
SLOW = ("mlperf_ic_qkeras_tiny/model_best.h5", "mlperf_ic_resnet8/pretrainedResnet.h5")
"""Images of 32 x 32: their C++ is compiled and run for minutes, on the first FEW samples."""
FEW = 4
SPECIAL: dict[str, dict[str, str]] = {
    "keras_dense_3layer/KERAS_3layer.json": {"weights": "KERAS_3layer_weights.h5"},
    "onnx_float_small/three_layer_bn_pytorch.onnx": {"data": "golden_three_layer_keras.npz"},
    "econ_t_cae_9bit/encoder_vanilla_AE.json": {"weights": "encoder_vanilla_AE.hdf5"},
    "qonnx_tfc/TFC_1W1A.onnx": {"head": "decision"},
    "qonnx_tfc/TFC_2W2A.onnx": {"head": "decision"},
}
"""Which weights are meant, samples of the same inputs, and logits that are too wide for a port."""


OTHERS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, {"hls_backend": backend})
      for backend in ("vivado", "catapult", "quartus")
      for name in (FILES[6], FILES[10], FILES[18], FILES[19])),
    *((name, {"strategy": "resource", "reuse": reuse})
      for name, reuse in ((FILES[10], 4), (FILES[14], 8), (FILES[19], 2))),
)  # fmt: skip
"""Some of them with other backends, strategies and reuse factors."""


def hls(options: Options) -> Iterable[list[Row]]:
    """A row for each model: how many of its samples the C++ answers as the integer network does."""
    cases = [(name, dict[str, Any]()) for name in FILES] + list(OTHERS)
    for name, choices in cases[:1] if options.quick else cases:
        if options.only in name:
            yield list(_rows(name, choices))
    for name in () if options.quick else SLOW:
        if options.only in name:
            yield list(_rows(name, {}, FEW))


def _rows(name: str, choices: dict[str, Any], most: int | None = None) -> Iterator[Row]:
    words = ", ".join(f"{key.removeprefix('hls_')} {value}" for key, value in choices.items())
    what = f"hls4ml C++ equals the network, {name.rsplit('.', 1)[0]}, {words or 'backend vitis'}"
    path, special = SHARED / name, SPECIAL.get(name, {})
    if not path.is_file():
        yield Row(what, None, "samples", note="not measured: the shared models are not here")
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        config = BuildConfig(
            model=path, target="hls", head=special.get("head", "logits"),
            data=_data(path, folder, special.get("data"), most),
            weights=path.with_name(special["weights"]) if "weights" in special else None,
            **{**HLS.defaults, **choices},
        )  # fmt: skip
        out = folder / "out"
        try:
            state = build(config, HLS, out, last="emit").state
        except FlowError as error:
            yield Row(what, None, "samples", note=f"refused: {error.message}")
            return
        backend = BACKENDS[config.hls_backend]
        samples = len(next(iter(state.inputs.values())))
        files = hashes(out)
        own = (text for file, text in files.items() if file.startswith(("hls/", "tb/", "vectors/")))

        def work() -> dict[str, Any]:
            try:
                verdict = simulate_hls(out, bench_arguments(backend), samples)
            except FlowError as error:
                return {"failed": error.message}
            return {"status": verdict.status, "detail": verdict.detail}

        found = cached(key_of("hls", *own), work)
    if "failed" in found:
        yield Row(what, None, "samples", note=str(found["failed"]))
        return
    passed = found.get("status") == "passed"
    yield Row(
        what, float(samples) if passed else 0.0, "samples", "all of them", float(samples),
        "all", passed,
        note=(f"the first {most}" if most else "")
        if passed
        else str(found["detail"]),
    )  # fmt: skip


def _data(model: Path, folder: Path, other: str | None, most: int | None) -> Path | None:
    """The golden inputs beside a model, at most so many, without the answers; None where there are
    none."""
    stem = model.stem
    near = sorted(model.parent.glob("golden*.npz"))
    named = [f for f in near if f.stem == f"golden_{stem}" or f.stem == f"golden_{stem}_weights"]
    if other is not None:
        named = [model.with_name(other)]
    found = named or [f for f in near if f.stem in ("golden", "golden_encoder_latent")]
    if not found:
        return None
    with np.load(found[0], allow_pickle=False) as arrays:
        place = folder / "x.npz"
        np.savez(place, **{name: arrays[name][:most] for name in arrays.files if name[0] == "x"})
    return place
