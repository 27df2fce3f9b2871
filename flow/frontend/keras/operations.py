"""Operations on tensors outside of layers: those of Keras 3, and TensorFlow's in Keras 2.

Both are names with arguments that are plain data. A name that is not in the table is refused, and
nothing of a file is ever run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from flow.frontend.keras import arithmetic as keras_arithmetic
from flow.frontend.keras import arrays as keras_arrays
from flow.frontend.keras.activations import read_activation, relu
from flow.frontend.keras.arithmetic import SIGN
from flow.frontend.keras.arrays import Arguments
from flow.frontend.keras.config import LayerConfig
from flow.frontend.keras.custom import integer_step
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Site, laid, misfit
from flow.frontend.keras.steps import Obstacle, Step, affine, clip, function
from flow.frontend.source import Function

SEVERAL = frozenset({"concat", "stack", *keras_arithmetic.OPERATIONS})
"""Operations that may read several tensors."""

KERAS_2 = frozenset({"TFOpLambda", "SlicingOpLambda"})
"""Classes of Keras 2 that hold the name of a TensorFlow function."""

MANY = 1 << 16
"""More results than any operation has."""

Operation = Callable[[Site, Arguments], Built]


LAYERS_TOO = frozenset({
    "Add", "Subtract", "Multiply", "Maximum", "Minimum", "Concatenate", "Reshape", "Softmax",
    "Identity", "Dot",
})  # fmt: skip
"""Classes of Keras 3 that are the name of an operation and of a layer."""


def is_operation(layer: LayerConfig) -> bool:
    """Whether the entry of a model is an operation and no layer.

    HDF5 files of Keras 3 lack the module; an operation of two has them as two arguments then.
    """
    if layer.kind in KERAS_2 or (layer.module or "").startswith(("keras.src.ops", "keras.ops")):
        return True
    if layer.module is not None:
        return False
    if layer.kind in LAYERS_TOO:
        return "newshape" in layer.config or any(len(call.args) > 1 for call in layer.calls)
    return _name(layer.kind, layer.config) in OPERATIONS


def outputs_of(layer: LayerConfig) -> int:
    """An upper limit for the number of results of a layer or operation."""
    if not is_operation(layer):
        return 1
    return MANY if _name(layer.kind, layer.config) in ("split", "unstack") else 1


def plan_operation(settings: Settings) -> Build:
    """An operation by its name; Obstacle for an unknown one."""
    name = _name(settings.kind, settings.config)
    if name not in OPERATIONS:
        shown = settings.get("function") or settings.kind
        raise Obstacle(f"the operation {str(shown)[:80]!r}; use a layer, or another operation")
    operation = OPERATIONS[name]
    settings.allow(*settings.config)
    skip = ("name", "trainable", "dtype", "function")
    given = {k: _tuples(v) for k, v in settings.config.items() if k not in skip}

    def build(site: Site) -> Built:
        tensors = len(site.sources)
        if not tensors or (tensors > 1 and name not in SEVERAL):
            raise misfit(f"{name} reads {tensors} tensors", site)
        named = {k: v for k, v in site.call.kwargs.items() if k != "name"}
        return operation(site, Arguments(name, site.call.args, {**given, **named}))

    return build


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _name(kind: str, config: Mapping[str, Any]) -> str:
    """`math.reduce_mean` and `Mean` are both `mean`."""
    if kind in KERAS_2:
        last = str(config.get("function", "")).rsplit(".", 1)[-1]
    else:
        last = "".join(f"_{c.lower()}" if c.isupper() else c for c in kind).lstrip("_")
    last = last.removeprefix("reduce_")
    return SYNONYMS.get(last, last)


SYNONYMS: Mapping[str, str] = {
    "truediv": "divide", "true_divide": "divide", "div_no_nan": "divide", "sub": "subtract",
    "mul": "multiply", "neg": "negative", "absolute": "abs", "get_item": "getitem",
    "concatenate": "concat", "clip_by_value": "clip", "swish": "silu", "amax": "max",
    "amin": "min", "exp": "exponential", "stop_gradient": "identity",
    "reverse": "flip", "softmax_v2": "softmax", "unbind": "unstack",
    "strided_slice": "getitem", "pow": "power", "arg_max": "argmax",
    "argmax_v2": "argmax", "expand_dims_v2": "expand_dims",
}  # fmt: skip
"""Other names of the same operation."""


def _unary(*steps: Step) -> Operation:
    """A function of one tensor without further arguments."""

    def operation(site: Site, given: Arguments) -> Built:
        given.take("x", "features", "input", "logits", "a", "tensor", "input_tensor")
        given.drop("dtype")
        if given.named.get("decimals") == 0:
            given.named.pop("decimals")
        given.done()
        return laid(site, steps, site.shapes[0])

    return operation


def _argmax(site: Site, given: Arguments) -> Built:
    given.take("x", "input")
    axis = given.take("axis", default=None)
    given.drop("output_type", "keepdims", "dimension")
    given.done()
    shape = site.shapes[0]
    if axis not in (-1, len(shape)):
        raise Obstacle(f"argmax along the axis {axis!r}; use the last axis")
    return laid(site, (function("argmax"),), shape[:-1] or (1,))


PLAIN: tuple[Function, ...] = (
    "abs", "square", "sqrt", "log", "sin", "cos", "arctan", "erf", "reciprocal",
)  # fmt: skip
"""Operations that are a function of the same name."""


def _activation(name: str) -> Operation:
    return _unary(*read_activation(name, 3, False))


def _cast(site: Site, given: Arguments) -> Built:
    given.take("x")
    kind = given.take("dtype", default="float32")
    given.done()
    if kind not in ("float32", "float64"):
        raise Obstacle(f"a cast to {kind!r}, which rounds; use floor, or leave it out")
    return laid(site, (), site.shapes[0])


def _over_the_last(name: Literal["softmax", "log_softmax"]) -> Operation:
    """A function of the whole last axis."""

    def operation(site: Site, given: Arguments) -> Built:
        given.take("x", "logits")
        axis = given.take("axis", default=-1)
        given.done()
        if axis not in (None, -1, len(site.shapes[0])):
            raise Obstacle(f"{name} along the axis {axis!r}; use the last axis")
        return laid(site, (function(name),), site.shapes[0])

    return operation


def _shrink(name: Literal["soft_shrink", "hard_shrink"]) -> Operation:
    def operation(site: Site, given: Arguments) -> Built:
        given.take("x")
        threshold = given.number("threshold", default=0.5)
        given.done()
        if threshold < 0:
            raise Obstacle(f"{name} with the threshold {threshold:g}; use one above 0")
        return laid(site, (function(name, threshold),), site.shapes[0])

    return operation


def _leaky_relu(site: Site, given: Arguments) -> Built:
    given.take("x", "features")
    slope = given.number("alpha", "negative_slope", default=0.2)
    given.done()
    return laid(site, (function("leaky_relu", slope),), site.shapes[0])


def _elu(site: Site, given: Arguments) -> Built:
    given.take("x", "features")
    alpha = given.number("alpha", default=1.0)
    given.done()
    return laid(site, (function("elu", alpha),), site.shapes[0])


def _gelu(site: Site, given: Arguments) -> Built:
    given.take("x", "features")
    rough = given.take("approximate", default=False)
    given.done()
    return laid(site, (function("gelu_tanh" if rough else "gelu"),), site.shapes[0])


def _silu(site: Site, given: Arguments) -> Built:
    given.take("x", "features")
    if given.take("beta", default=1.0) != 1.0:
        raise Obstacle("swish with beta; use beta=1")
    given.done()
    return laid(site, (function("silu"),), site.shapes[0])


def _clip(site: Site, given: Arguments) -> Built:
    given.take("x", "t")
    lo = given.number("clip_value_min", "x_min")
    hi = given.number("clip_value_max", "x_max")
    given.done()
    if not lo < hi:
        raise Obstacle(f"a clip to {lo:g} and {hi:g}; give two numbers in order")
    return laid(site, clip(lo, hi), site.shapes[0])


def _relu(site: Site, given: Arguments) -> Built:
    given.take("x", "features")
    top = given.take("max_value", default=None)
    slope = given.number("negative_slope", "alpha", default=0.0)
    threshold = given.number("threshold", default=0.0)
    given.done()
    return laid(site, relu(slope, None if top is None else float(top), threshold), site.shapes[0])


OPERATIONS: Mapping[str, Operation] = {
    "negative": _unary(affine(-1.0, 0.0)), "identity": _unary(), "cast_to_floatx": _unary(),
    "cast": _cast,
    "sign": _unary(*SIGN),
    "floor": _unary(integer_step("floor")), "ceil": _unary(integer_step("ceil")),
    "round": _unary(integer_step("half_even")), "rint": _unary(integer_step("half_even")),
    "argmax": _argmax, "relu": _relu, "relu6": _activation("relu6"), "leaky_relu": _leaky_relu,
    "elu": _elu, "celu": _unary(function("celu", 1.0)), "gelu": _gelu, "silu": _silu,
    "softmax": _over_the_last("softmax"), "log_softmax": _over_the_last("log_softmax"),
    "soft_shrink": _shrink("soft_shrink"), "hard_shrink": _shrink("hard_shrink"), "clip": _clip,
    **{name: _activation(name) for name in (
        "sigmoid", "tanh", "selu", "softplus", "softsign", "exponential", "mish", "log_sigmoid",
        "hard_tanh", "hard_sigmoid", "hard_silu", "hard_swish", "tanh_shrink", "sparse_plus",
        "sparse_sigmoid",
    )},
    **{name: _unary(function(name)) for name in PLAIN},
    **keras_arithmetic.OPERATIONS,
    **keras_arrays.OPERATIONS,
}  # fmt: skip
"""Every operation that is read."""
