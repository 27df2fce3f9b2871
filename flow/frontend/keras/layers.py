"""What each Keras and QKeras layer class means: one function a class, in one table.

A plan looks at the settings alone and raises Obstacle for what no circuit stands for, so that all
obstacles of a model are found before any weight is read. It returns what builds the layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flow.frontend.files import guards
from flow.frontend.hgq.classes import is_hgq
from flow.frontend.keras.activations import (
    LAYERS,
    plan_activation_class,
    plan_activation_layer,
    plan_prelu,
    plan_softmax,
)
from flow.frontend.keras.config import LayerConfig
from flow.frontend.keras.conv import plan_conv, plan_transposed
from flow.frontend.keras.custom import (
    plan_binary_dense,
    plan_keras_floor,
    plan_keras_minimum,
    plan_keras_pad,
)
from flow.frontend.keras.dense import (
    plan_dense,
    plan_einsum_dense,
    plan_pruned,
    plan_time_distributed,
)
from flow.frontend.keras.merge import plan_concatenate, plan_merge
from flow.frontend.keras.moves import (
    plan_center_crop,
    plan_cropping,
    plan_flatten,
    plan_permute,
    plan_repeat_vector,
    plan_reshape,
    plan_upsampling,
    plan_zero_padding,
)
from flow.frontend.keras.norm import plan_norm
from flow.frontend.keras.operations import is_operation, plan_operation
from flow.frontend.keras.pool import plan_global_pool, plan_pool
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Plan, Site
from flow.frontend.keras.steps import Obstacle
from flow.frontend.qkeras.adaptive import plan_adaptive
from flow.frontend.qkeras.fold import plan_folded
from flow.frontend.source import SourceInput


def plan_layer(layer: LayerConfig, keras: int | None) -> Build:
    """What builds the layer; Obstacle for an unknown class or setting. `keras` is 2, 3 or None."""
    if is_hgq(layer.kind, layer.module):
        from flow.frontend.hgq.reader import plan_hgq

        return plan_hgq(layer, keras)
    settings = Settings(layer.kind, layer.config, keras)
    if is_operation(layer):
        return plan_operation(settings)
    return plan_class(settings, len(layer.calls))


INTEGERS = ("uint8", "int8", "uint16", "int16", "int32", "int64", "bool")
"""Types of an input whose numbers are the same as floats."""


def plan_class(settings: Settings, calls: int = 1) -> Build:
    """What builds a layer of a class in the table."""
    package, _, base = settings.kind.rpartition(">")
    if package and base in FOREIGN:
        settings = replace(settings, kind=base)
    if settings.kind not in PLANS:
        raise Obstacle(_advice(settings.kind))
    if calls > 1 and settings.kind == "InputLayer":
        raise Obstacle("an input that is called; save the model again")
    return PLANS[settings.kind](settings)


def plan_input(settings: Settings) -> Build:
    """InputLayer: the shape must be known, apart from the batch."""
    if settings.get("dtype") in INTEGERS:
        settings = replace(settings, config={**settings.config, "dtype": "float32"})
    settings.allow("batch_shape", "batch_input_shape", "input_shape", "optional", "input_dtype")
    shape = settings.get("batch_shape", settings.get("batch_input_shape"))
    if not isinstance(shape, list) or len(shape) < 2:
        raise Obstacle(f"the input has the shape {shape!r}; it needs a batch and one axis more")
    if not all(type(size) is int and size > 0 for size in shape[1:]):
        raise Obstacle(f"the input has the shape {shape!r}; every axis needs a size")

    def build(site: Site) -> Built:
        known = guards.check_shape(shape[1:], site.place)
        return (SourceInput(site.name, (), site.place, known),), known

    return build


def plan_identity(settings: Settings) -> Build:
    """Layers that act in training only."""
    return lambda site: ((), site.shapes[0])


def _advice(kind: str) -> str:
    for words, text in ADVICE:
        if any(word in kind for word in words):
            return text
    return "no circuit stands for this class; use Dense, Activation, Add or the like"


def _ranks(prefix: str, ranks: str = "123") -> tuple[str, ...]:
    return tuple(f"{prefix}{rank}D" for rank in ranks)


PLANS: Mapping[str, Plan] = {
    "InputLayer": plan_input,
    **dict.fromkeys(("Dense", "QDense"), plan_dense),
    "EinsumDense": plan_einsum_dense,
    "TimeDistributed": plan_time_distributed,
    "PruneLowMagnitude": plan_pruned,
    **dict.fromkeys(
        (
            *_ranks("Conv"), *_ranks("QConv", "12"), *_ranks("DepthwiseConv", "12"),
            "QDepthwiseConv2D", *_ranks("SeparableConv", "12"), *_ranks("QSeparableConv", "12"),
        ),
        plan_conv,
    ),
    **dict.fromkeys(
        (*(f"{name}Transpose" for name in _ranks("Conv")), "QConv2DTranspose"), plan_transposed
    ),
    **dict.fromkeys(
        ("QConv2DBatchnorm", "QDepthwiseConv2DBatchnorm", "QDenseBatchnorm"), plan_folded
    ),
    **dict.fromkeys(
        (*_ranks("MaxPooling"), *_ranks("AveragePooling"), "QAveragePooling2D"), plan_pool
    ),
    **dict.fromkeys(
        (
            *_ranks("GlobalMaxPooling"), *_ranks("GlobalAveragePooling"),
            "QGlobalAveragePooling2D",
        ),
        plan_global_pool,
    ),
    **dict.fromkeys(("Activation", "QActivation"), plan_activation_layer),
    "QAdaptiveActivation": plan_adaptive,
    **dict.fromkeys(LAYERS, plan_activation_class),
    "PReLU": plan_prelu,
    "Softmax": plan_softmax,
    **dict.fromkeys(
        ("BatchNormalization", "QBatchNormalization", "Normalization", "Rescaling"), plan_norm
    ),
    "Flatten": plan_flatten,
    "Reshape": plan_reshape,
    "Permute": plan_permute,
    "RepeatVector": plan_repeat_vector,
    **dict.fromkeys(_ranks("UpSampling"), plan_upsampling),
    **dict.fromkeys(_ranks("ZeroPadding"), plan_zero_padding),
    **dict.fromkeys(_ranks("Cropping"), plan_cropping),
    "CenterCrop": plan_center_crop,
    **dict.fromkeys(
        ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), plan_merge
    ),
    "Concatenate": plan_concatenate,
    **dict.fromkeys(("BinaryDense", "TernaryDense"), plan_binary_dense),
    "keras_pad": plan_keras_pad,
    "keras_floor": plan_keras_floor,
    "keras_minimum": plan_keras_minimum,
    **dict.fromkeys(
        (
            "Dropout", *_ranks("SpatialDropout"), "GaussianNoise", "GaussianDropout",
            "AlphaDropout", "ActivityRegularization", "Identity",
        ),
        plan_identity,
    ),
}  # fmt: skip
"""Every class that is read."""

FOREIGN = frozenset(
    name for name in PLANS if name.startswith(("Q", "keras_", "Binary", "Ternary", "Prune"))
)
"""Classes that are not of Keras, which may be registered under the name of a package."""

ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("Lambda", "TFSM"), "program code in a model is never run; use a layer"),
    (("LayerNorm", "GroupNorm", "UnitNorm", "RMSNorm", "SpectralNorm"),
     "it divides by what it measures on its input; use BatchNormalization"),
    (("RNN", "LSTM", "GRU", "Recurrent", "Bidirectional"),
     "recurrent layers are not built; use Dense or Conv1D"),
    (("Attention", "Dot"), "a product of two tensors with a sum; use Dense, or Multiply"),
    (("Embedding", "Hashing", "Lookup", "Vectorization", "Encoding", "Discretization"),
     "it reads names and not numbers; prepare the data outside of the model"),
    (("Random", "Crop", "Resizing"),
     "its window depends on the input's size or on chance; use a layer with a fixed window"),
    (("Quantize", "ClusterWeights"),
     "a wrapper of another tool; use QKeras, or export the model to ONNX"),
    (("Masking",), "a mask; leave it out and give whole samples"),
    (("Locally", "Binary", "Ternary"), "not read; use QConv2D or QDense with binary or ternary"),
    (("Sequential", "Functional", "Model"), "of an unknown form; save it as one flat model"),
)  # fmt: skip
"""What to say for well-known classes, by a part of the name."""
