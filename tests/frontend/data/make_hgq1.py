"""Makes hgq1.zip: small models of HGQ 1, their proxies, inputs and what the framework answers.

Run where tensorflow-cpu 2.15.1, HGQ 0.2.6 and numpy 1.26 are installed; not part of any test.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from HGQ import layers as hgq
from HGQ import trace_minmax
from HGQ.proxy.convert import to_proxy_model
from HGQ.utils.utils import get_default_paq_conf
from tensorflow import keras

RNG = np.random.default_rng(2)
ROWS = 40


def quantiser(rounding="standard_round", last=False):
    config = get_default_paq_conf()
    config["rnd_strategy"] = rounding
    if last:
        config["skip_dims"] = "except_last"
    return config


def mlp():
    i = keras.Input((6,))
    a = hgq.HQuantize()(i)
    b = hgq.HDense(8, activation="relu", paq_conf=quantiser("auto", last=True))(a)
    c = hgq.HDenseBatchNorm(5)(b)
    d = hgq.HActivation("tanh")(c)
    e = hgq.HDense(5, use_bias=False)(d)
    f = hgq.HAdd()([c, e])
    return keras.Model(i, hgq.HDense(3, paq_conf=quantiser("floor"))(f))


def images():
    i = keras.Input((8, 8, 2))
    a = hgq.HQuantize()(i)
    b = hgq.HConv2D(3, 3, activation="relu", paq_conf=quantiser(last=True))(a)
    c = hgq.PMaxPooling2D(2)(b)
    conf = quantiser(last=True)
    d = hgq.HConv2DBatchNorm(4, 2, padding="same", strides=2, paq_conf=conf)(c)
    return keras.Model(i, hgq.HDense(3)(hgq.PFlatten()(d)))


def series():
    i = keras.Input((12,))
    a = hgq.PReshape((6, 2))(hgq.HQuantize()(i))
    b = hgq.PMaxPooling1D(2)(hgq.HConv1D(3, 3, activation="relu", paq_conf=quantiser(last=True))(a))
    conf = quantiser("auto", last=True)
    c = hgq.PFlatten()(hgq.HConv1DBatchNorm(4, 2, scale=False, paq_conf=conf)(b))
    return keras.Model(i, hgq.HDense(3)(hgq.PConcatenate()([c, c])))


def table():
    i = keras.Input((5,))
    a = hgq.HDense(4, paq_conf=quantiser(last=True))(hgq.HQuantize()(i))
    b = hgq.HActivation("tanh", paq_conf=quantiser())(a)
    return keras.Model(i, hgq.HDense(3)(b))


def scramble(model, narrow):
    """Random weights, and few fraction bits that differ from element to element."""
    for w in model.weights:
        if "bw" in w.name:
            bits = RNG.integers(0, 3 if narrow else 6, w.shape)
            value = bits + RNG.uniform(-0.45, 0.45, w.shape)
        elif "variance" in w.name:
            value = RNG.uniform(0.2, 2, w.shape)
        elif "gamma" in w.name:
            value = RNG.uniform(0.5, 1.5, w.shape)
        elif any(part in w.name for part in ("kernel", "bias", "mean", "bn_beta")):
            value = RNG.normal(size=w.shape) * 0.5
        else:
            continue
        w.assign(tf.constant(value, tf.float32))


def main():
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(Path(__file__).with_name("hgq1.zip"), "w", zipfile.ZIP_DEFLATED) as out,
    ):
        for build in (mlp, images, series, table):
            model = build()
            scramble(model, narrow=build is table)
            x = (RNG.normal(size=(ROWS, *model.input_shape[1:])) * 2).astype(np.float32)
            trace_minmax(model, x, verbose=0)
            proxy = to_proxy_model(model, unary_lut_max_table_size=256)
            for name, each in ((build.__name__, model), (f"{build.__name__}_proxy", proxy)):
                answers = each.predict(x, verbose=0)
                path = Path(folder) / f"{name}.h5"
                each.save(path)
                arrays = io.BytesIO()
                np.savez(arrays, x0=x, y=answers)
                for file, data in (
                    (path.name, path.read_bytes()),
                    (f"{name}.npz", arrays.getvalue()),
                ):
                    out.writestr(zipfile.ZipInfo(file), data, zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main()
