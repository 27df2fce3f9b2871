"""The activations of Keras as chains of steps: by name, and the layers that are activations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Site, elementwise, laid
from flow.frontend.keras.steps import (
    Chain,
    Obstacle,
    Step,
    affine,
    at_most,
    clip,
    exceeds,
    function,
    join,
    product,
    scaled_clip,
    total,
)
from flow.frontend.qkeras import activations as qkeras_activations
from flow.frontend.qkeras import spec as qkeras_spec
from flow.frontend.source import Function

SIMPLE: Mapping[str, Function] = {
    "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "softmax": "softmax", "selu": "selu",
    "softplus": "softplus", "softsign": "softsign", "swish": "silu", "silu": "silu",
    "gelu": "gelu", "exponential": "exponential", "mish": "mish", "log_sigmoid": "log_sigmoid",
    "hard_tanh": "hard_tanh", "hard_swish": "hard_swish", "hard_silu": "hard_swish",
    "log_softmax": "log_softmax", "soft_shrink": "soft_shrink", "hard_shrink": "hard_shrink",
    "tanh_shrink": "tanh_shrink", "squareplus": "squareplus", "sparse_plus": "sparse_plus",
}  # fmt: skip
"""Activations that are one function without a parameter."""


def ternary_tanh() -> tuple[Step, ...]:
    """1 above 0.5, -1 up to -0.5, else 0: (x > 0.5) + (x > -0.5) - 1.

    The function of the ternary layers of "Ternary Neural Networks with Fine-Grained Quantization"
    style training code around Keras 2, whose weights are ternary in the same way.
    """
    high, low = exceeds(0.5, inputs=(-1,)), exceeds(-0.5, inputs=(-1,))
    return (*high, *low, total(1, 3), affine(1.0, -1.0))


def binary_tanh() -> tuple[Step, ...]:
    """1 above 0, else -1 (Courbariaux et al., arXiv 1602.02830, eq. 1, with 0 going down)."""
    return join(exceeds(0.0), (affine(2.0, -1.0),))


OTHERS: Mapping[str, Callable[[], tuple[Step, ...]]] = {
    "linear": lambda: (),
    "relu6": lambda: clip(0.0, 6.0),
    "elu": lambda: (function("elu", 1.0),),
    "celu": lambda: (function("celu", 1.0),),
    "leaky_relu": lambda: (function("leaky_relu", 0.2),),
    "sparse_sigmoid": lambda: scaled_clip(0.5, 0.5),
    "binary_tanh": binary_tanh,
    "ternary_tanh": ternary_tanh,
}
"""Activations of more steps, or with parameters that have defaults."""


def plan_activation(settings: Settings, qkeras_names: bool = False) -> tuple[Step, ...]:
    """The steps of the `activation` setting; Obstacle where it is unknown."""
    return read_activation(settings.get("activation", "linear"), settings.keras, qkeras_names)


def read_activation(value: Any, keras: int | None, qkeras_names: bool) -> tuple[Step, ...]:
    """The steps of an activation as a file writes it: a name, a function or a layer."""
    if isinstance(value, dict) and value.get("class_name") == "function":
        value = value.get("config")
    if qkeras_spec.is_quantiser(value, qkeras_names):
        spec = qkeras_spec.read_quantiser(value)
        return () if spec is None else qkeras_activations.activation_steps(spec)
    if isinstance(value, dict) and _plain(value) in LAYERS:
        config = value.get("config")
        kind = _plain(value)
        return LAYERS[kind](Settings(kind, config if isinstance(config, dict) else {}, keras))
    if value is None:
        return ()
    name = value.rsplit(">", 1)[-1] if isinstance(value, str) else ""
    if name == "hard_sigmoid":
        if keras is None:
            raise Obstacle(
                "hard_sigmoid, whose slope depends on the version of Keras, unknown here"
            )
        return (function("hard_sigmoid"),) if keras < 3 else scaled_clip(1 / 6, 0.5)
    if name in SIMPLE:
        return (function(SIMPLE[name]),)
    if name in OTHERS:
        return OTHERS[name]()
    shown = value.get("class_name") if isinstance(value, dict) else value
    raise Obstacle(f"the activation {shown!r}; use one of {', '.join(KNOWN)}")


def plan_activation_layer(settings: Settings) -> Build:
    """Activation and QActivation."""
    settings.allow("activation")
    if "activation" not in settings.config:
        raise Obstacle("no activation is given; save the model again")
    return elementwise(plan_activation(settings, settings.kind == "QActivation"))


def relu_steps(settings: Settings) -> tuple[Step, ...]:
    """ReLU: clip(x * (x > threshold), 0, max_value) - negative_slope * relu(threshold - x)."""
    settings.allow("max_value", "negative_slope", "threshold")
    limit = 2.0**24
    slope = _number(settings, "negative_slope", 0.0, 0.0, limit)
    threshold = _number(settings, "threshold", 0.0, 0.0, limit)
    top = None
    if settings.get("max_value") is not None:
        top = settings.number("max_value", 0.0, 2.0**-24, limit)
    return relu(slope, top, threshold)


def relu(slope: float, top: float | None, threshold: float) -> tuple[Step, ...]:
    """The rectifier of Keras with its options, none negative."""
    if slope and top is None and not threshold:
        return (function("leaky_relu", slope),)
    chain = Chain()
    if threshold:
        chain.add(*exceeds(threshold, inputs=(-1,)), product(-1, 1))
        chain.add(*(() if top is None else at_most(top)))
    else:
        chain.add(*((function("relu"),) if top is None else clip(0.0, top)))
    if slope:
        positive = len(chain.steps) - 1
        negative = chain.add(affine(-1.0, threshold, (-1,)), function("relu"), affine(-slope, 0.0))
        chain.add(total(positive, negative))
    return tuple(chain.steps)


def leaky_relu_steps(settings: Settings) -> tuple[Step, ...]:
    """LeakyReLU, whose slope Keras 2 calls alpha."""
    settings.allow("alpha", "negative_slope")
    key = "alpha" if "alpha" in settings.config else "negative_slope"
    return (function("leaky_relu", settings.number(key, 0.3, -(2.0**24), 2.0**24)),)


def elu_steps(settings: Settings) -> tuple[Step, ...]:
    """ELU: alpha * (exp(x) - 1) below 0."""
    settings.allow("alpha")
    return (function("elu", settings.number("alpha", 1.0, 0.0, 2.0**24)),)


def thresholded_steps(settings: Settings) -> tuple[Step, ...]:
    """ThresholdedReLU: x above theta, else 0."""
    settings.allow("theta")
    theta = settings.number("theta", 1.0, 0.0, 2.0**24)
    return (*exceeds(theta, inputs=(-1,)), product(-1, 1))


LAYERS: Mapping[str, Callable[[Settings], tuple[Step, ...]]] = {
    "ReLU": relu_steps,
    "LeakyReLU": leaky_relu_steps,
    "ELU": elu_steps,
    "ThresholdedReLU": thresholded_steps,
}
"""Layers that are an activation without weights."""


def plan_activation_class(settings: Settings) -> Build:
    """ReLU, LeakyReLU, ELU, ThresholdedReLU."""
    return elementwise(LAYERS[settings.kind](settings))


def plan_prelu(settings: Settings) -> Build:
    """PReLU: relu(x) - alpha * relu(-x), alpha being weights."""
    settings.allow("shared_axes")

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        alpha = site.weights(("alpha",))["alpha"].astype(np.float64)
        try:
            alpha = np.broadcast_to(alpha, shape)
        except ValueError as error:
            raise Obstacle(
                f"alpha of shape {list(alpha.shape)} does not fit a tensor of {list(shape)}; "
                "give the weights of this model"
            ) from error
        flat = alpha.reshape(-1, shape[-1])
        factor = -(flat[0] if (flat == flat[0]).all() else alpha)
        steps = (
            function("relu", inputs=(-1,)), affine(-1.0, 0.0, (-1,)), function("relu"),
            affine(factor, 0.0), total(0, 3),
        )  # fmt: skip
        return laid(site, steps, shape)

    return build


def plan_softmax(settings: Settings) -> Build:
    """Softmax over the last axis."""
    settings.allow("axis")
    axis = settings.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        if len(axes) != 1 or type(axes[0]) is not int or axes[0] not in (-1, len(shape)):
            raise Obstacle(f"axis={axis!r} of a tensor of shape {list(shape)}; use the last axis")
        return laid(site, (function("softmax"),), shape)

    return build


def _number(settings: Settings, key: str, default: float, lo: float, hi: float) -> float:
    """A number setting that may be absent or null."""
    if settings.get(key) is None:
        return default
    value = settings.number(key, default, -math.inf, math.inf)
    if not lo <= value <= hi:
        raise Obstacle(f"{key}={settings.get(key)!r}; use a number from {lo:g} to {hi:g}")
    return value


def _plain(value: Mapping[str, Any]) -> str:
    return str(value.get("class_name")).rsplit(">", 1)[-1]


KNOWN = tuple(sorted({*SIMPLE, *OTHERS, "hard_sigmoid"} - {"binary_tanh", "ternary_tanh"}))
"""What to offer where an activation is unknown."""
