"""The specification of a search: what a user writes into a TOML file, checked."""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from flow.errors import UsageError


@dataclass(frozen=True)
class Spec:
    """One search. Every field is a key of the TOML file; only `data` has no default."""

    #: a CSV file beside the specification, label last, or sklearn:NAME
    data: str
    #: what the classifier is called; by default the name of the data
    name: str = ""
    #: where the data can be had: shown where the file is missing
    source: str = ""
    #: columns that are no features
    drop: tuple[str, ...] = ()
    #: what to do with rows that have an empty cell
    missing: Literal["refuse", "drop"] = "refuse"
    #: accuracy that a loss counts from, as of the exact network; by default that of the best point
    reference: float | None = None
    #: share of the samples at each end of a feature that saturate its converter
    clip: float = 0.0
    #: share of the training part that chooses points and is never fitted to
    validation: float = 0.25
    #: neurons of each hidden layer
    hidden: tuple[int, ...] = (3,)
    #: bits of each input
    input_bits: int = 4
    #: bits of a hidden value at most
    hidden_bits: int = 4
    #: the largest weight is 2 to the power of this
    exponents: int = 5
    #: bits of a bias, sign included
    bias_bits: int = 12
    #: the lowest bit that a hidden window may begin at
    largest_shift: int = 8
    #: whether the decision may compare in any order and on some bits only
    tournament: bool = False
    #: where the first population comes from beside chance: decision trees, gradients, or both
    start: tuple[str, ...] = ("trees",)
    #: candidates that live at the same time
    population: int = 1000
    #: how often they have children
    generations: int = 1000
    #: where chance starts
    seed: int = 1
    #: accuracy that a candidate may lose against the best one
    bound: float = 0.15
    #: candidates that are synthesised in a generation at most
    mapped: int = 48
    #: generations between two fits of the estimate of area
    refit: int = 10
    #: rounds of local search on each point of the front, after the last generation
    refine: int = 20
    #: share of the training samples that gates of a point may cost in the last step; 0 leaves them
    trim: float = 0.05
    #: parts in which ensembles are cross-validated in the last step; 0: by the validation part
    folds: int = 0
    #: what is trimmed beside the points, as "trees 5x32" (5 trees of 32 leaves), "ordered 5x32" (as
    #: many for each step from class to class), "boosted 4x6" (4 rounds), "clipped 4x6" (of smaller
    #: votes) or "neurons 3x6" (3 of 6-bit weights); by default what fits the start
    ensembles: tuple[str, ...] = ()
    #: samples made of the real ones that ensembles are grown and trimmed by as well; 0: none
    smeared: int = 0
    #: what labels them: a forest of 200 trees, or logistic regression
    teacher: Literal["forest", "linear"] = "forest"
    #: whether the converters of the inputs count into the area, as those of EGFET at 1 V
    sensors: bool = False
    #: technology, and its supply in V
    tech: str = "egfet"
    voltage: float | None = None

    @property
    def recipes(self) -> list[tuple[str, int, int]]:
        """The ensembles: kind, how many, and of what size."""
        found = (_ENSEMBLE.fullmatch(name) for name in self.ensembles)
        return [(m[1], int(m[2]), int(m[3])) for m in found if m]


_LIMITS: dict[str, tuple[float, float]] = {
    "reference": (0, 1),
    "clip": (0, 0.49),
    "validation": (0, 0.9),
    "input_bits": (1, 8),
    "hidden_bits": (1, 12),
    "exponents": (0, 15),
    "bias_bits": (1, 24),
    "largest_shift": (0, 30),
    "population": (4, 1_000_000),
    "generations": (0, 10_000_000),
    "seed": (0, 2**32 - 1),
    "bound": (0, 1),
    "mapped": (1, 100_000),
    "refit": (1, 1_000_000),
    "refine": (0, 100_000),
    "trim": (0, 1),
    "folds": (0, 100),
    "smeared": (0, 1_000_000),
    "voltage": (0.01, 100),
}
STARTS = ("trees", "gradient")
_ENSEMBLE = re.compile(
    r"(trees|ordered|boosted|clipped|neurons) ([1-9]\d{0,3})x([2-9]|[1-9]\d{1,3})"
)
_KINDS: dict[Any, str] = {
    str: "a text", int: "a whole number", float: "a number", bool: "true or false",
    tuple[str, ...]: "a list of texts", tuple[int, ...]: "a list of whole numbers",
}  # fmt: skip


def read_spec(path: Path, **changes: Any) -> Spec:
    """The specification of a TOML file, with some keys changed. UsageError where it is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            "the specification cannot be read: it is not text", where=str(path)
        ) from error
    except OSError as error:
        raise UsageError(
            f"the specification cannot be read: {error.strerror}",
            where=str(path),
            hint="check the path; examples/printed has specifications to begin with",
        ) from error
    return replace(parse_spec(text, str(path)), **changes)


def parse_spec(text: str, where: str) -> Spec:
    """The specification of a TOML text."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the specification is not TOML: {error}", where=where) from error
    hints = get_type_hints(Spec)
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in hints:
            near = get_close_matches(name, hints, n=1)
            raise UsageError(
                f"there is no key {key!r}",
                where=where,
                hint=f"did you mean {near[0]!r}?" if near else "the keys are " + ", ".join(hints),
            )
        values[name] = _typed(name, value, hints[name], where)
    for f in fields(Spec):
        if f.default is MISSING and f.name not in values:
            raise UsageError(
                f"the key {f.name!r} is missing",
                where=where,
                hint='name a CSV file with the label last, or a set as "sklearn:iris"',
            )
    spec = Spec(**values)
    if spec.folds == 1:
        raise UsageError(
            "folds = 1 holds back all samples at once", where=where, hint="give 0, or 2 and more"
        )
    for name in spec.start:
        if name not in STARTS:
            near = get_close_matches(name, STARTS, n=1)
            raise UsageError(
                f"start: there is no {name!r}",
                where=where,
                hint=f"did you mean {near[0]!r}?" if near else f"any of {', '.join(STARTS)}",
            )
    for name in spec.ensembles:
        if not _ENSEMBLE.fullmatch(name):
            raise UsageError(
                f"ensembles: {name!r} names none",
                where=where,
                hint='write "trees 5x32", "ordered 5x32", "boosted 4x6", "clipped 4x6" or '
                '"neurons 3x6"',
            )
    return spec


def _typed(name: str, value: Any, hint: Any, where: str) -> Any:
    """The value as its field has it; UsageError where it is of another type, or out of bounds."""
    if isinstance(hint, UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            choices = " or ".join(repr(choice) for choice in get_args(hint))
            raise UsageError(f"{name} = {_shown(value)} is not {choices}", where=where)
        return value
    if get_origin(hint) is tuple:
        (item, _) = get_args(hint)
        if not isinstance(value, list) or not all(_is(v, item) for v in value):
            raise UsageError(f"{name} = {_shown(value)} is not {_KINDS[hint]}", where=where)
        return tuple(value)
    if not _is(value, hint):
        raise UsageError(f"{name} = {_shown(value)} is not {_KINDS[hint]}", where=where)
    if name in _LIMITS:
        lo, hi = _LIMITS[name]
        if not lo <= value <= hi:
            raise UsageError(f"{name} = {value} does not lie from {lo:g} to {hi:g}", where=where)
    return float(value) if hint is float else value


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
