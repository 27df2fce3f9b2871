"""What each Keras and QKeras layer class means: one function a class, in one table.

A plan looks at the settings alone and raises Obstacle for what no circuit stands for, so that all
obstacles of a model are found before any weight is read. It returns what builds the layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend import guards, keras_norm, qkeras, qkeras_spec
from flow.frontend.keras_config import LayerConfig
from flow.frontend.keras_settings import Settings
from flow.frontend.keras_steps import Obstacle, Step, clip, function, lay, scaled_clip
from flow.frontend.source import (
    Function,
    SourceAdd,
    SourceConcat,
    SourceDense,
    SourceInput,
    SourceLayer,
    SourceReshape,
    Weights,
)

Shape = tuple[int, ...]
Built = tuple[tuple[SourceLayer, ...], Shape]
"""The source layers of one call (none where the layer changes nothing) and the result's shape."""


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One call of a layer: the name of its result, what it reads, and its weights by name."""

    name: str
    place: str
    sources: tuple[str, ...]
    shapes: tuple[Shape, ...]
    weights: Callable[[Sequence[str]], Mapping[str, NDArray[np.float32]]]


Build = Callable[[Site], Built]
Plan = Callable[[Settings], Build]


def plan_layer(layer: LayerConfig, keras: int | None) -> Build:
    """What builds the layer; Obstacle for an unknown class or setting. `keras` is 2, 3 or None."""
    if (layer.module or "").split(".")[0] == "hgq" or layer.kind in HGQ:
        raise Obstacle("HGQ layers are not read yet; export the model to ONNX, or use QKeras")
    if layer.kind not in PLANS:
        raise Obstacle(_advice(layer.kind))
    if len(layer.calls) > 1 and layer.kind == "InputLayer":
        raise Obstacle("an input that is called; save the model again")
    return PLANS[layer.kind](Settings(layer.kind, layer.config, keras))


def plan_input(settings: Settings) -> Build:
    """InputLayer: the shape must be known, apart from the batch."""
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


def plan_dense(settings: Settings) -> Build:
    """Dense: x @ kernel + bias, with its activation."""
    settings.allow("units", "use_bias", "activation", "input_dim")
    return _dense(settings, _float_weights, _float_weights, plan_activation(settings))


def plan_qdense(settings: Settings) -> Build:
    """QDense: kernel and bias through their quantisers."""
    settings.allow(
        "units", "use_bias", "activation", "kernel_quantizer", "bias_quantizer",
        "kernel_range", "bias_range",
    )  # fmt: skip
    kernel = qkeras_spec.read_quantiser(settings.get("kernel_quantizer"))
    bias = qkeras_spec.read_quantiser(settings.get("bias_quantizer"))
    return _dense(
        settings,
        _float_weights if kernel is None else qkeras.weight_shaper(kernel, kernel=True),
        _float_weights if bias is None else qkeras.weight_shaper(bias, kernel=False),
        plan_activation(settings, qkeras_names=True),
    )


def plan_activation(settings: Settings, qkeras_names: bool = False) -> tuple[Step, ...]:
    """The steps of the `activation` setting."""
    value = settings.get("activation", "linear")
    if isinstance(value, dict) and value.get("class_name") == "function":
        value = value.get("config")
    if qkeras_spec.is_quantiser(value, qkeras_names):
        spec = qkeras_spec.read_quantiser(value)
        return () if spec is None else qkeras.activation_steps(spec)
    if value is None or value == "linear":
        return ()
    if value == "hard_sigmoid":
        if settings.keras is None:
            raise Obstacle(
                "hard_sigmoid, whose slope depends on the version of Keras, unknown here"
            )
        return (function("hard_sigmoid"),) if settings.keras < 3 else scaled_clip(1 / 6, 0.5)
    if value == "relu6":
        return clip(0.0, 6.0)
    if not isinstance(value, str) or value not in FUNCTIONS:
        name = value.get("class_name") if isinstance(value, dict) else value
        raise Obstacle(f"the activation {name!r}; use one of {', '.join(sorted(FUNCTIONS))}")
    return (function(FUNCTIONS[value]),)


def plan_activation_layer(settings: Settings) -> Build:
    """Activation and QActivation."""
    settings.allow("activation")
    if "activation" not in settings.config:
        raise Obstacle("no activation is given; save the model again")
    return _steps(plan_activation(settings, settings.kind == "QActivation"))


def plan_relu(settings: Settings) -> Build:
    """ReLU, with an upper limit where it has one."""
    settings.allow("max_value", "negative_slope", "threshold")
    for key in ("negative_slope", "threshold"):
        if settings.number(key, 0.0, -math.inf, math.inf) != 0:
            raise Obstacle(f"{key}={settings.get(key)!r}; use 0")
    if settings.get("max_value") is None:
        return _steps((function("relu"),))
    return _steps(clip(0.0, settings.number("max_value", 0.0, 2.0**-24, 2.0**24)))


def plan_softmax(settings: Settings) -> Build:
    """Softmax over the last axis."""
    settings.allow("axis")
    axis = settings.get("axis", -1)
    build = _steps((function("softmax"),))

    def checked(site: Site) -> Built:
        _require_last(axis, site.shapes[0])
        return build(site)

    return checked


def plan_identity(settings: Settings) -> Build:
    """Layers that act in training only."""
    return lambda site: ((), site.shapes[0])


def plan_flatten(settings: Settings) -> Build:
    """Flatten, in row-major order."""
    settings.allow("data_format")
    channels_first = settings.get("data_format") == "channels_first"

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        if channels_first and len(shape) > 1:
            raise Obstacle("data_format='channels_first'; use channels_last")
        return _reshaped(site, (math.prod(shape),))

    return build


def plan_reshape(settings: Settings) -> Build:
    """Reshape; one size may be -1."""
    settings.allow("target_shape")
    target = settings.get("target_shape")
    if not isinstance(target, list) or not all(type(size) is int for size in target):
        raise Obstacle(f"target_shape={target!r}; give a list of integers")

    def build(site: Site) -> Built:
        elements, known = math.prod(site.shapes[0]), math.prod(s for s in target if s != -1)
        sizes = [elements // known if s == -1 and known > 0 else s for s in target]
        if target.count(-1) > 1 or min(sizes, default=1) < 1 or math.prod(sizes) != elements:
            raise _misfit(f"{list(site.shapes[0])} does not reshape to {target}", site)
        return _reshaped(site, tuple(sizes))

    return build


def plan_add(settings: Settings) -> Build:
    """Add, of equal shapes."""

    def build(site: Site) -> Built:
        if len(site.sources) < 2:
            raise _misfit("it needs two tensors", site)
        if len(set(site.shapes)) > 1:
            shapes = " and ".join(str(list(shape)) for shape in site.shapes)
            raise Obstacle(f"tensors of the shapes {shapes} are added; use equal shapes")
        return (SourceAdd(site.name, site.sources, site.place),), site.shapes[0]

    return build


def plan_concatenate(settings: Settings) -> Build:
    """Concatenate, along the last axis."""
    settings.allow("axis")
    axis = settings.get("axis", -1)

    def build(site: Site) -> Built:
        if len({shape[:-1] for shape in site.shapes}) > 1:
            raise _misfit("the tensors differ before the last axis", site)
        _require_last(axis, site.shapes[0])
        shape = (*site.shapes[0][:-1], sum(shape[-1] for shape in site.shapes))
        return (SourceConcat(site.name, site.sources, site.place),), shape

    return build


def plan_norm(settings: Settings) -> Build:
    """BatchNormalization, QBatchNormalization, Normalization and Rescaling: an affine layer."""
    plans = {
        "Normalization": keras_norm.plan_normalization,
        "Rescaling": keras_norm.plan_rescaling,
    }
    plan = plans.get(settings.kind, keras_norm.plan_batch_norm)(settings)

    def build(site: Site) -> Built:
        _require_last(plan.axis, site.shapes[0])
        step = plan.step(site.weights(plan.names), site.shapes[0][-1], site.place)
        return lay((step,), site.name, site.sources, site.place), site.shapes[0]

    return build


def _dense(
    settings: Settings, kernel: qkeras.Shape, bias: qkeras.Shape, after: tuple[Step, ...]
) -> Build:
    units = settings.whole("units", 1, 1 << 20)
    names = ("kernel", "bias") if settings.flag("use_bias", True) else ("kernel",)

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        arrays = site.weights(names)
        expected = {"kernel": (shape[-1], units), "bias": (units,)}
        for name, array in arrays.items():
            if array.shape != expected[name]:
                raise _misfit(
                    f"the {name} has the shape {list(array.shape)}, not {list(expected[name])}",
                    site,
                )
        shaped = kernel(arrays["kernel"]), bias(arrays["bias"]) if "bias" in arrays else None
        dense = Step(lambda name, sources, place: SourceDense(name, sources, place, *shaped))
        layers = lay((dense, *after), site.name, site.sources, site.place)
        return layers, (*shape[:-1], units)

    return build


def _float_weights(x: NDArray[np.float32]) -> Weights:
    return Weights(x.astype(np.float64))


def _steps(steps: tuple[Step, ...]) -> Build:
    return lambda site: (lay(steps, site.name, site.sources, site.place), site.shapes[0])


def _reshaped(site: Site, shape: Shape) -> Built:
    if shape == site.shapes[0]:
        return (), shape
    return (SourceReshape(site.name, site.sources, site.place, shape),), shape


def _require_last(axis: Any, shape: Shape) -> None:
    """Obstacle unless the axis, counted with the batch, is the last one."""
    axes = axis if isinstance(axis, list) else [axis]
    if len(axes) != 1 or type(axes[0]) is not int or axes[0] not in (-1, len(shape)):
        raise Obstacle(f"axis={axis!r} of a tensor of shape {list(shape)}; use the last axis")


def _misfit(message: str, site: Site) -> UsageError:
    return UsageError(
        message, where=site.place, hint="give the weights and the configuration of one model"
    )


def _advice(kind: str) -> str:
    for words, text in ADVICE:
        if any(word in kind for word in words):
            return text
    return "no circuit stands for this class; use Dense, Activation, Add or the like"


FUNCTIONS: Mapping[str, Function] = {
    "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "softmax": "softmax",
    "hard_sigmoid": "hard_sigmoid",
}  # fmt: skip
"""Keras activations by name, besides linear and relu6."""

PLANS: Mapping[str, Plan] = {
    "InputLayer": plan_input,
    "Dense": plan_dense,
    "QDense": plan_qdense,
    "Activation": plan_activation_layer,
    "QActivation": plan_activation_layer,
    "ReLU": plan_relu,
    "Softmax": plan_softmax,
    "BatchNormalization": plan_norm,
    "QBatchNormalization": plan_norm,
    "Normalization": plan_norm,
    "Rescaling": plan_norm,
    "Flatten": plan_flatten,
    "Reshape": plan_reshape,
    "Add": plan_add,
    "Concatenate": plan_concatenate,
    **dict.fromkeys(
        (
            "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout",
            "AlphaDropout", "ActivityRegularization", "Identity",
        ),
        plan_identity,
    ),
}  # fmt: skip
"""Every class that is read."""

HGQ = frozenset({
    "FixedPointQuantizer", "UnaryLUT", "HQuantize", "HDense", "HDenseBatchNorm", "HActivation",
    "HConv1D", "HConv2D", "HAdd",
})  # fmt: skip
"""Classes of HGQ 1, whose configurations may lack the module."""

ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("Lambda", "TFOp", "SlicingOp", "TFSM"), "program code in a model is never run; use a layer"),
    (("Conv", "Pool", "Padding"), "convolutions and poolings are not built yet; use Dense"),
    (("Binary", "Ternary"), "custom binary layers are not read yet; use QDense with binary"),
    (("Batchnorm", "BatchNorm"), "folded normalisation is not read; unfold it by qkeras.utils"),
    (("RNN", "LSTM", "GRU", "Recurrent"), "recurrent layers are not built; use Dense"),
    (("Sequential", "Functional", "Model"), "a model within a model; save it as one flat model"),
)
"""What to say for well-known classes, by a part of the name."""
