from hostile.wholes import whole

KINDS = (
    "keras h5",
    "keras json",
    "keras zip",
    "qkeras",
    "hgq 1",
    "hgq 2",
    "onnx",
    "qonnx",
    "skops",
    "llama2.c",
    "tokenizer",
    "safetensors",
    "language config",
    "blif",
    "threshold",
    "verilog",
    "liberty",
    "circuit",
    "network",
    "configuration",
    "specification",
    "manifest",
    "data csv",
    "data npy",
    "data npz",
)


def sample(names):
    return []


def corpus(name):
    return [whole(name)]
