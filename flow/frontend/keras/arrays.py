"""Operations of TensorFlow and Keras 3 that move, join, cut or reduce tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.files import guards
from flow.frontend.keras.calls import Ref
from flow.frontend.keras.merge import Pool, joined, pool
from flow.frontend.keras.moves import padded, reshaped
from flow.frontend.keras.site import Built, Shape, Site, laid, misfit, moved, places
from flow.frontend.keras.steps import Chain, Obstacle, affine, concat, gather, join, reshape
from flow.ir.tensor import IntArray

MISSING = object()


@dataclass
class Arguments:
    """The arguments of an operation, taken one after the other by position or by name."""

    operation: str
    args: tuple[Any, ...]
    named: dict[str, Any]

    def take(self, *names: str, default: Any = MISSING) -> Any:
        """The argument with one of the names, else the next by position, else the default."""
        for name in names:
            if name in self.named:
                return self.named.pop(name)
        if self.args:
            value, self.args = self.args[0], self.args[1:]
            return value
        if default is MISSING:
            raise Obstacle(f"{self.operation} without {names[0]}; save the model again")
        return default

    def number(self, *names: str, default: Any = MISSING) -> float:
        """A number."""
        value = self.take(*names, default=default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Obstacle(f"{self.operation} with {names[0]}={value!r}; give a number")
        return float(value)

    def rest(self) -> tuple[Any, ...]:
        """All arguments by position that are left."""
        value, self.args = self.args, ()
        return value

    def drop(self, *names: str) -> None:
        """Arguments that may stand there as null, false or a type."""
        for name in names:
            value = self.named.get(name)
            if not value or isinstance(value, str):
                self.named.pop(name, None)

    def done(self) -> None:
        """Obstacle where an argument is left that is on."""
        for name, value in self.named.items():
            if value is not None and value is not False:
                raise Obstacle(f"{self.operation} with {name}={str(value)[:80]}; leave it out")
        if any(value is not None for value in self.args):
            raise Obstacle(f"{self.operation} with {len(self.args)} arguments too many")


def numbers(value: Any) -> Any:
    """A number or an array of numbers; Obstacle for anything else."""
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(value, np.float32).astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise Obstacle(f"an operand {str(value)[:80]!r} that is no number; use a number") from None
    if not np.isfinite(array).all():
        raise Obstacle("an operand that is not finite; use a finite number")
    return array


def constant(value: Any, shape: Shape) -> NDArray[np.float64]:
    """An operand that broadcasts to a tensor of `shape`, without the batch."""
    array: NDArray[np.float64] = numbers(value)
    if array.ndim == len(shape) + 1 and array.shape[0] == 1:
        array = array[0]
    while array.ndim and array.shape[0] == 1:
        array = array[0]
    try:
        np.broadcast_to(array, shape)
    except ValueError:
        raise Obstacle(
            f"an operand of shape {list(array.shape)} on a tensor of {list(shape)}; "
            "use one that fits it"
        ) from None
    return array


def _moves(change: Callable[[IntArray, Arguments, Site], IntArray]) -> Callable[..., Built]:
    """An operation that moves the elements of one tensor."""

    def operation(site: Site, given: Arguments) -> Built:
        given.take("x", "tensor", "input", "a", "input_tensor", "values", "value")
        shape = site.shapes[0]
        indices = change(places(shape), given, site)
        given.done()
        if not indices.size:
            raise misfit(f"nothing is left of a tensor of shape {list(shape)}", site)
        return laid(site, moved(indices, shape), indices.shape)

    return operation


def _axis(value: Any, rank: int, extra: int = 0) -> int:
    """An axis that counts the batch, as one that does not; Obstacle for the batch itself."""
    total = rank + 1 + extra
    if type(value) is not int or not -total <= value < total or value % total == 0:
        raise Obstacle(f"the axis {value!r} of a tensor of {rank} axes; name one behind the batch")
    return value % total - 1


def _axes(value: Any, rank: int) -> tuple[int, ...]:
    if value is None:
        raise Obstacle("a reduction over the batch; name the axes behind it")
    values = value if isinstance(value, tuple | list) else (value,)
    return tuple(sorted({_axis(v, rank) for v in values}))


def _getitem(x: IntArray, given: Arguments, site: Site) -> IntArray:
    spec = given.take("slice_spec", "key")
    parts = spec if isinstance(spec, tuple) else (spec,)
    good = all(p is None or p is Ellipsis or type(p) in (int, slice) for p in parts)
    if not good or not parts:
        raise Obstacle("a slice that is no constant; use numbers")
    if parts[0] is not Ellipsis and parts[0] != slice(None):
        raise Obstacle("a slice of the batch; keep it whole by ':'")
    try:
        result: IntArray = x[None][parts]
    except IndexError:
        raise misfit(f"a slice that does not fit a tensor of {list(x.shape)}", site) from None
    kept: IntArray = result[0]
    return kept


def _reshape(x: IntArray, given: Arguments, site: Site) -> IntArray:
    shape = given.take("shape", "newshape")
    parts = shape if isinstance(shape, tuple | list) else (shape,)
    if not all(p is None or type(p) is int for p in parts) or not parts:
        raise Obstacle("a shape that is no constant; use numbers")
    if parts[0] not in (-1, None) and parts[0] != 1:
        raise Obstacle(f"a reshape to {list(parts)} that fixes the batch; use -1 for it")
    target = [-1 if p is None else p for p in parts[1:]]
    return x.reshape(reshaped(x.shape, target, site))


def _transpose(x: IntArray, given: Arguments, site: Site) -> IntArray:
    order = given.take("perm", "axes", default=None)
    given.named.pop("conjugate", None)
    if not isinstance(order, tuple | list) or sorted(map(str, order)) != sorted(
        str(i) for i in range(x.ndim + 1)
    ):
        raise Obstacle(f"a permutation {order!r}; give every axis once")
    if order[0] != 0:
        raise Obstacle("a permutation that moves the batch; keep it in front")
    return x.transpose([i - 1 for i in order[1:]])


def _squeeze(x: IntArray, given: Arguments, site: Site) -> IntArray:
    axis = given.take("axis", default=None)
    axes = _axes(axis, x.ndim) if axis not in (None, ()) else None
    if axes is not None and any(x.shape[a] != 1 for a in axes):
        raise misfit(f"an axis of {list(x.shape)} that has more than one element", site)
    return x.reshape(
        tuple(n for i, n in enumerate(x.shape) if (n != 1 if axes is None else i not in axes))
        or (1,)
    )


def _expand(x: IntArray, given: Arguments, site: Site) -> IntArray:
    return np.expand_dims(x, _axis(given.take("axis"), x.ndim, 1))


def _pad(x: IntArray, given: Arguments, site: Site) -> IntArray:
    margins = given.take("paddings", "pad_width")
    mode = str(given.take("mode", default="constant")).lower()
    fill = given.take("constant_values", default=0)
    if mode not in ("constant", "reflect", "symmetric") or fill not in (None, 0):
        raise Obstacle(f"a padding of mode {mode!r} with {fill!r}; use zeros")
    good = isinstance(margins, tuple) and len(margins) == x.ndim + 1 and margins[0] == (0, 0)
    if not good or not all(_is_pair(pair) for pair in margins):
        raise Obstacle(f"a padding {margins!r}; give two numbers for each axis, 0 for the batch")
    if mode == "constant":
        return padded(x, margins[1:], site)
    if any(max(pair) >= n for pair, n in zip(margins[1:], x.shape, strict=True)):
        raise misfit(f"a padding {margins!r} of a tensor of {list(x.shape)}", site)
    return np.pad(x, margins[1:], mode=mode)  # type: ignore[call-overload,no-any-return]


def _is_pair(pair: Any) -> bool:
    good = isinstance(pair, tuple) and len(pair) == 2
    return good and all(type(n) is int and 0 <= n < 1 << 16 for n in pair)


def _flip(x: IntArray, given: Arguments, site: Site) -> IntArray:
    return np.flip(x, _axes(given.take("axis"), x.ndim))


def _roll(x: IntArray, given: Arguments, site: Site) -> IntArray:
    shift, axis = given.take("shift"), given.take("axis", default=None)
    if type(shift) is not int or type(axis) is not int:
        raise Obstacle(f"a roll by {shift!r} along the axis {axis!r}; give an integer for each")
    return np.roll(x, shift, axis=_axis(axis, x.ndim))


def _take(x: IntArray, given: Arguments, site: Site) -> IntArray:
    places, axis = given.take("indices"), given.take("axis", default=None)
    many = places if isinstance(places, tuple) else (places,)
    where = _axis(axis, x.ndim)
    if not all(type(n) is int and -x.shape[where] <= n < x.shape[where] for n in many):
        raise Obstacle(f"taking {str(places)[:60]}; give indices within the axis")
    return np.take(x, list(many) if isinstance(places, tuple) else places, axis=where)


def _repeat(x: IntArray, given: Arguments, site: Site) -> IntArray:
    count, axis = given.take("repeats"), given.take("axis", default=None)
    if type(count) is not int or not 0 < count < 1 << 16:
        raise Obstacle(f"repeats={count!r}; give a positive integer")
    guards.check_shape((*x.shape, count), site.place)
    return np.repeat(x, count, axis=_axis(axis, x.ndim))


def _tile(x: IntArray, given: Arguments, site: Site) -> IntArray:
    counts = given.take("multiples", "repeats")
    good = isinstance(counts, tuple) and len(counts) == x.ndim + 1 and counts[0] == 1
    if not good or not all(type(n) is int and 0 < n < 1 << 16 for n in counts):
        raise Obstacle(f"a tiling {counts!r}; give a number for each axis, 1 for the batch")
    guards.check_shape((x.size * math.prod(counts),), site.place)
    return np.tile(x, counts[1:])


def _swap(x: IntArray, given: Arguments, site: Site) -> IntArray:
    one, two = given.take("axis1"), given.take("axis2")
    return np.swapaxes(x, _axis(one, x.ndim), _axis(two, x.ndim))


def _move_axis(x: IntArray, given: Arguments, site: Site) -> IntArray:
    one, two = given.take("source"), given.take("destination")
    return np.moveaxis(x, _axis(one, x.ndim), _axis(two, x.ndim))


def _split(x: IntArray, given: Arguments, site: Site) -> IntArray:
    how = given.take("num_or_size_splits", "indices_or_sections")
    axis = _axis(given.take("axis", default=0), x.ndim)
    given.named.pop("num", None)
    ends = list(how) if isinstance(how, tuple | list) else how
    try:
        if isinstance(ends, list) and "num_or_size_splits" in site.call.kwargs:
            # TensorFlow gives sizes, Keras 3 places.
            ends = np.cumsum(ends)[:-1].tolist()
        return np.split(x, ends, axis=axis)[site.output]
    except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError):
        raise misfit(f"a tensor of {list(x.shape)} does not split by {how!r}", site) from None


def _unstack(x: IntArray, given: Arguments, site: Site) -> IntArray:
    given.take("num", default=None)
    axis = _axis(given.take("axis", default=0), x.ndim)
    if site.output >= x.shape[axis]:
        raise misfit(f"a tensor of {list(x.shape)} has no part {site.output}", site)
    part: IntArray = np.take(x, site.output, axis=axis)
    return part


def _concat(site: Site, given: Arguments) -> Built:
    _all_tensors(given)
    axis = given.take("axis", default=0)
    given.done()
    return joined(_axis(axis, len(site.shapes[0])) + 1, site)


def _stack(site: Site, given: Arguments) -> Built:
    _all_tensors(given)
    shape = site.shapes[0]
    axis = _axis(given.take("axis", default=0), len(shape), 1)
    given.done()
    if len(set(site.shapes)) > 1:
        raise misfit("the tensors differ in shape", site)
    one = (*shape[:axis], 1, *shape[axis:])
    chain = Chain()
    rows = [chain.add(reshape(one, inputs=(-1 - i,))) for i in range(len(site.sources))]
    chain.add(concat(axis, *rows))
    return laid(site, chain.steps, (*shape[:axis], len(rows), *shape[axis:]))


def _all_tensors(given: Arguments) -> None:
    values = given.take("values", "xs", "x")
    if not isinstance(values, tuple) or not all(isinstance(v, Ref) for v in values):
        raise Obstacle(f"{given.operation} of something else than tensors; use tensors")


def _reduce(kind: Pool, negated: bool = False) -> Callable[..., Built]:
    """The sum, mean or extreme over some axes."""

    def operation(site: Site, given: Arguments) -> Built:
        given.take("x", "input_tensor", "input")
        (shape,) = site.shapes
        axes = _axes(given.take("axis", default=None), len(shape))
        keep = bool(given.take("keepdims", default=False))
        given.done()
        kept = [i for i in range(len(shape)) if i not in axes]
        count = math.prod(shape[i] for i in axes)
        order = places(shape).transpose([*axes, *kept]).reshape(count, -1)
        left = tuple(shape[i] for i in kept) or (1,)
        result = tuple(1 if i in axes else n for i, n in enumerate(shape)) if keep else left
        sign = (affine(-1.0, 0.0),) if negated else ()
        before = (reshape(order.shape),)
        if (order.reshape(-1) != np.arange(order.size)).any():
            before = (gather(np.ascontiguousarray(order)),)
        return laid(site, join(sign, before, (pool(kind, count), reshape(result)), sign), result)

    return operation


OPERATIONS: Mapping[str, Callable[[Site, Arguments], Built]] = {
    "getitem": _moves(_getitem), "reshape": _moves(_reshape), "transpose": _moves(_transpose),
    "squeeze": _moves(_squeeze), "expand_dims": _moves(_expand), "pad": _moves(_pad),
    "flip": _moves(_flip), "roll": _moves(_roll), "take": _moves(_take),
    "repeat": _moves(_repeat), "tile": _moves(_tile),
    "swapaxes": _moves(_swap), "moveaxis": _moves(_move_axis), "split": _moves(_split),
    "unstack": _moves(_unstack), "concat": _concat, "stack": _stack, "mean": _reduce("average"),
    "sum": _reduce("sum"), "max": _reduce("max"), "min": _reduce("max", negated=True),
}  # fmt: skip
"""By name; `reduce_` in front is left out."""
