"""Makes onnx.zip with PyTorch 2.13.0, Brevitas 0.13.4 (onnxoptimizer 0.4.2) and skl2onnx 1.20.0.

Run it with these and onnxruntime 1.31.1, qonnx 1.0.0 and scikit-learn 1.9.1 installed:
python make_onnx.py FOLDER. Each NAME.onnx gets a NAME.npz with inputs x, and outputs y as
onnxruntime (QONNX files: qonnx's own executor) computes them; all go into FOLDER/onnx.zip.
"""

import contextlib
import pathlib
import sys
import zipfile

import brevitas.nn as qnn
import numpy as np
import onnx
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerChannelFixedPoint,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from torch import nn

FOLDER = pathlib.Path(sys.argv[1])
SAMPLES = 48


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.shortcut = nn.Conv2d(3, 6, 1)
        self.end = nn.Linear(6, 4)

    def forward(self, x):
        h = torch.relu(self.norm(self.first(x)))
        h = torch.relu(self.second(h) + self.shortcut(x))
        h = torch.cat([h[:, :3], torch.flip(h[:, 3:], [1])], 1)
        return self.end(h.mean((2, 3)))


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(10, 8), nn.Linear(10, 8)
        self.act, self.end = nn.Hardswish(), nn.Linear(12, 3)

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        u, v = torch.chunk(a * torch.sigmoid(a), 2, -1)
        h = torch.cat([u - v, torch.maximum(self.act(b), b / 2)], -1)
        return torch.softmax(self.end(h), -1)


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=1)
        self.pool, self.end = nn.AvgPool1d(2, ceil_mode=True), nn.Linear(24, 5)

    def forward(self, x):
        h = nn.functional.leaky_relu(self.conv(x.permute(0, 2, 1)), 0.1)
        return self.end(self.pool(h).reshape(x.shape[0], -1))


def small_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU6(), nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, stride=2), nn.Hardtanh(-2, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 5), nn.LogSoftmax(1),
    )[:-1]  # fmt: skip


def decoder():
    return nn.Sequential(
        nn.Linear(6, 32), nn.GELU(), nn.Unflatten(1, (8, 2, 2)),
        nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1), nn.PReLU(4),
        nn.Upsample(scale_factor=2), nn.Conv2d(4, 1, 3, padding=1), nn.Softplus(),
    )  # fmt: skip


ACT = {"act_quant": Int8ActPerTensorFixedPoint, "return_quant_tensor": True}


def quantised_cnn(per_channel, bits):
    weight = Int8WeightPerChannelFixedPoint if per_channel else Int8WeightPerTensorFixedPoint
    w = {"weight_quant": weight, "weight_bit_width": bits, "bias": True}
    relu = {"act_quant": Uint8ActPerTensorFixedPoint, "bit_width": bits}
    return nn.Sequential(
        qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=8),
        qnn.QuantConv2d(2, 6, 3, padding=1, **w), nn.BatchNorm2d(6), qnn.QuantReLU(**relu),
        nn.MaxPool2d(2),
        qnn.QuantConv2d(6, 6, 3, groups=6, **w), qnn.QuantReLU(**relu), nn.Flatten(),
        qnn.QuantLinear(24, 5, **w),
    )  # fmt: skip


def quantised_mlp(bits):
    # The scales of Brevitas's defaults: any float32 number.
    return nn.Sequential(
        qnn.QuantIdentity(bit_width=bits),
        qnn.QuantLinear(12, 16, bias=True, weight_bit_width=bits),
        qnn.QuantReLU(bit_width=bits),
        qnn.QuantLinear(16, 4, bias=False, weight_bit_width=bits),
        qnn.QuantIdentity(bit_width=8),
    )


class QuantisedResidual(nn.Module):
    def __init__(self):
        super().__init__()
        w = {"weight_quant": Int8WeightPerChannelFixedPoint, "weight_bit_width": 5}
        self.start = qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint)
        self.a = qnn.QuantConv2d(3, 3, 3, padding=1, **w)
        self.share = qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=6)
        self.relu = qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, bit_width=5)
        self.end = qnn.QuantLinear(12, 4, bias=True, **w)

    def forward(self, x):
        x = self.start(x)
        h = self.share(self.a(x)) + self.share(x)
        h = nn.functional.avg_pool2d(self.relu(h), 2)
        return self.end(h.flatten(1))


def settled(model, shape, seed):
    """A model whose norms and scales have seen data, its weights not left at their start."""
    torch.manual_seed(seed)
    model.train()
    for _ in range(20):
        model(torch.randn(32, *shape))
    return model.eval()


def export(name, make, shape, seed, how):
    torch.manual_seed(seed)
    model = settled(make(), shape, seed)
    path, one = FOLDER / f"{name}.onnx", torch.randn(1, *shape)
    with contextlib.redirect_stdout(sys.stderr):
        match how:
            case "script":
                torch.onnx.export(
                    model, (one,), path, dynamo=False, opset_version=13, input_names=["x"],
                    dynamic_axes={"x": {0: "batch"}},
                )  # fmt: skip
            case "dynamo":
                batch = torch.export.Dim("batch", min=2)
                torch.onnx.export(
                    model, (torch.randn(4, *shape),), path, dynamo=True, external_data=False,
                    input_names=["x"], dynamic_shapes=({0: batch},),
                )  # fmt: skip
            case "qonnx":
                export_qonnx(model, one, export_path=str(path), dynamo=False)
            case "qcdq":
                export_onnx_qcdq(model, one, export_path=str(path), dynamo=False)
    finish(name, shape, seed, how)


def finish(name, shape, seed, how):
    path = FOLDER / f"{name}.onnx"
    proto = onnx.load(path)
    proto.ir_version = min(proto.ir_version, 10)
    del proto.metadata_props[:]
    proto.graph.doc_string = ""
    for node in proto.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del proto.graph.value_info[:]
    path.write_bytes(proto.SerializeToString())
    x = np.random.default_rng(seed).normal(0, 1.5, (SAMPLES, *shape)).astype(np.float32)
    y = run_qonnx(path, x) if how == "qonnx" else run(path, x)
    np.savez_compressed(FOLDER / f"{name}.npz", x=x, y=y)


def run(path, x):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options)
    (given,) = session.get_inputs()
    last = session.get_outputs()[-1].name
    batch = given.shape[0] == 1
    parts = np.split(x, len(x)) if batch else [x]
    return np.concatenate([session.run([last], {given.name: p})[0] for p in parts])


def run_qonnx(path, x):
    from onnx import helper
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    whole = helper.make_model

    def older(*args, **kwargs):
        model = whole(*args, **kwargs)
        model.ir_version = min(model.ir_version, 10)
        return model

    helper.make_model = older
    model = ModelWrapper(str(path)).transform(InferShapes())
    given, last = model.graph.input[0].name, model.graph.output[0].name
    return np.concatenate([execute_onnx(model, {given: p})[last] for p in np.split(x, len(x))])


def from_sklearn(name, model, seed):
    from skl2onnx import to_onnx

    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (300, 6)).astype(np.float32)
    y = (x[:, 0] > 0) + (x[:, 1] * x[:, 2] > 0).astype(int)
    model.fit(x, y)
    options = {"zipmap": False} if hasattr(model, "predict_proba") else None
    path = FOLDER / f"{name}.onnx"
    proto = to_onnx(model, x[:1], options=options, target_opset=17)
    path.write_bytes(proto.SerializeToString())
    finish(name, (6,), seed, "sklearn")


def by_onnxruntime(name, per_channel, kind, seed):
    """A float CNN quantised after training by onnxruntime itself."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    torch.manual_seed(seed)
    model = settled(
        nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3),
            nn.ReLU(), nn.Flatten(), nn.Linear(24, 5),
        ), (1, 8, 8), seed,
    )  # fmt: skip
    raw = FOLDER / "raw"
    with contextlib.redirect_stdout(sys.stderr):
        torch.onnx.export(
            model, (torch.randn(1, 1, 8, 8),), raw, dynamo=False, opset_version=13,
            input_names=["x"], dynamic_axes={"x": {0: "batch"}},
        )  # fmt: skip
    data = iter([{"x": torch.randn(16, 1, 8, 8).numpy()} for _ in range(8)])

    class Reader(CalibrationDataReader):
        def get_next(self):
            return next(data, None)

    path = FOLDER / f"{name}.onnx"
    quantize_static(
        raw, path, Reader(), per_channel=per_channel, quant_format=getattr(QuantFormat, kind)
    )
    raw.unlink()
    finish(name, (1, 8, 8), seed, "ort")


def main():
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    FOLDER.mkdir(parents=True, exist_ok=True)
    floats = {
        "cnn": (small_cnn, (1, 10, 10)), "residual": (Residual, (3, 6, 6)),
        "branches": (Branches, (10,)), "sequence": (Sequence, (15, 4)), "decoder": (decoder, (6,)),
    }  # fmt: skip
    for seed, (name, (make, shape)) in enumerate(floats.items()):
        for how in ("script", "dynamo"):
            export(f"torch_{how}_{name}", make, shape, seed, how)
    quantised = {
        "cnn_tensor_4": (lambda: quantised_cnn(False, 4), (2, 8, 8)),
        "cnn_channel_6": (lambda: quantised_cnn(True, 6), (2, 8, 8)),
        "mlp_3": (lambda: quantised_mlp(3), (12,)),
        "residual": (QuantisedResidual, (3, 4, 4)),
    }
    for seed, (name, (make, shape)) in enumerate(quantised.items()):
        for how in ("qonnx", "qcdq"):
            export(f"brevitas_{how}_{name}", make, shape, seed, how)
    scaled = make_pipeline(
        StandardScaler(), MLPClassifier(hidden_layer_sizes=(8,), max_iter=60, random_state=0)
    )
    from_sklearn("sklearn_mlp_classifier", scaled, 0)
    from_sklearn(
        "sklearn_mlp_regressor",
        MLPRegressor(hidden_layer_sizes=(8,), activation="tanh", max_iter=60),
        1,
    )
    from_sklearn("sklearn_logistic", LogisticRegression(), 2)
    from_sklearn("sklearn_linear", LinearRegression(), 3)
    for seed, (per_channel, kind) in enumerate(
        ((False, "QDQ"), (True, "QDQ"), (False, "QOperator"))
    ):
        name = f"ort_{kind.lower()}_{'channel' if per_channel else 'tensor'}"
        by_onnxruntime(name, per_channel, kind, seed)
    with zipfile.ZipFile(FOLDER / "onnx.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(FOLDER.glob("*.*")):
            if path.suffix in (".onnx", ".npz"):
                archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())


if __name__ == "__main__":
    main()
