"""The result of a search: its front as a file, the choice of a point, the Network of a point."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from flow.errors import UsageError
from flow.ir.approximate import Rounds
from flow.ir.layers import Gates, Input, Tournament
from flow.ir.network import Network
from flow.ir.tensor import fractions, tensor_type
from flow.search.space import Space

FRONT, SPEC, TEST, FIT = "front.json", "spec.toml", "test.csv", "fit.csv"
"""In a search folder: the front, the specification as it was given, the samples that were held
out, and those that the search has seen."""
FORMAT = "flow-front 1"
_NEVER = Fraction(10**30)
"""The step of a feature that is constant in training: its code is always 0."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The gates of a classifier: the two literals of each, one gate after the other, and the
    literals of the bits of the class, the lowest first; see `Gates` of the layers."""

    literals: tuple[int, ...]
    word: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """A classifier of the front. `rounds` replace its decision where they are given, and `gates`
    all that the genome means; `origin` says what gates were made of if not of the genome.

    `train` and `valid` are the numbers of samples classified right, `valid` out of `tried` where
    it comes of cross-validation; areas are in um2, `leakage` in nW: the mean over all states of
    the cells, at the supply of the search.
    """

    genome: tuple[int, ...]
    rounds: Rounds | None
    train: int
    valid: int
    area: int
    estimate: int
    leakage: int
    gates: Trimmed | None = None
    origin: str = ""
    tried: int = 0


@dataclass(frozen=True, slots=True)
class Front:
    """A search that has ended: its points by area, and all that it stands on.

    `low` and `high` are the ends of each feature, `samples` how many there are in each part,
    `reference` is the accuracy that a loss counts from, None for the best point's. `agreement` is
    the rank correlation of estimated and mapped areas over the candidates that no other beats.
    """

    name: str
    space: Space
    low: tuple[float, ...]
    high: tuple[float, ...]
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    samples: Mapping[str, int]
    reference: float | None
    technology: str
    voltage: float
    generations: int
    seed: int
    hypervolume: tuple[float, ...]
    hashes: Mapping[str, str]
    versions: Mapping[str, str]
    points: tuple[Point, ...]
    agreement: float | None = None

    def accuracy(self, point: Point) -> float:
        """The share of samples that a point gets right, in training or in validation: the lower.

        A search fits the first and chooses by both, so neither alone says what to expect.
        """
        train, valid = point.train / self.samples["train"], self.validated(point)
        return train if valid is None else min(train, valid)

    def validated(self, point: Point) -> float | None:
        """The share of samples right in validation; None where no sample validates."""
        tried = point.tried or self.samples["valid"]
        return point.valid / tried if tried else None

    @property
    def top(self) -> float:
        """The accuracy that a loss counts from."""
        return self.reference or max((self.accuracy(p) for p in self.points), default=0.0)


def print_front(front: Front) -> str:
    """The front as JSON; equal fronts, equal text."""
    facts: dict[str, Any] = {"format": FORMAT}
    for f in fields(Front):
        value = getattr(front, f.name)
        if f.name == "space":
            value = {g.name: getattr(front.space, g.name) for g in fields(Space) if g.init}
        elif f.name == "points":
            value = [{"accuracy": round(front.accuracy(p), 6), **asdict(p)} for p in front.points]
        facts[f.name] = value
    text = json.dumps(facts, indent=1)
    # A genome is one line, not one line for each gene.
    return re.sub(r"\[[-\d\s,.e+]*\]", lambda m: re.sub(r"\s+", " ", m[0]), text) + "\n"


def read_front(folder: Path) -> Front:
    """The front of a search folder. UsageError where there is none, or it cannot be read."""
    place = folder / FRONT
    try:
        facts = json.loads(place.read_text())
        if facts.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        points = tuple(_point(p) for p in facts["points"])
        facts.setdefault("agreement", None)
        held = {f.name: facts[f.name] for f in fields(Front)}
        space = {**held["space"], "hidden": tuple(held["space"]["hidden"])}
        listed = ("low", "high", "columns", "classes", "hypervolume")
        held |= {name: tuple(held[name]) for name in listed}
        front = Front(**{**held, "space": Space(**space), "points": points})
    except FileNotFoundError:
        raise UsageError(
            "this folder holds no front of a search",
            where=str(folder),
            hint="flow search SPEC -o FOLDER writes one when it ends",
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"the front cannot be read: {error}", where=str(place)) from error
    if any(len(p.genome) != front.space.genes for p in points):
        raise UsageError(
            "a genome of the front has not as many genes as its space", where=str(place)
        )
    return front


def _point(facts: Mapping[str, Any]) -> Point:
    rounds, gates = facts["rounds"], facts.get("gates")
    train, valid, area, estimate, leakage = (
        int(facts[name]) for name in ("train", "valid", "area", "estimate", "leakage")
    )
    return Point(
        _whole(facts["genome"]),
        None if rounds is None else tuple((int(a), int(b), int(m)) for a, b, m in rounds),
        train, valid, area, estimate, leakage,
        None if gates is None else Trimmed(_whole(gates["literals"]), _whole(gates["word"])),
        str(facts.get("origin", "")),
        int(facts.get("tried", 0)),
    )  # fmt: skip


def _whole(values: Sequence[Any]) -> tuple[int, ...]:
    return tuple(int(v) for v in values)


def pick(front: Front, text: str) -> int:
    """The index of the point that a text asks for.

    "loss<=1%" and "accuracy>=0.9": the smallest that is as accurate, by `Front.accuracy`;
    "area<=1cm2": the most accurate that is as small; a number: that index.
    """
    if not front.points:
        raise UsageError("the front has no points")
    wish = re.fullmatch(
        r"\s*(loss|area|accuracy)\s*(<=|>=)\s*(-?\d+\.?\d*(?:[eE][+-]?\d+)?)\s*(%|cm2|mm2|um2)?\s*",
        text,
    )
    if wish is None:
        if not text.strip().isdigit():
            raise UsageError(
                f"--pick {text!r} is no choice of a point",
                hint='write "loss<=1%", "accuracy>=0.9", "area<=1cm2", or the index of a point',
            )
        if (index := int(text)) >= len(front.points):
            raise UsageError(
                f"there is no point {index}", hint=f"the front has 0 to {len(front.points) - 1}"
            )
        return index
    what, sign, number, unit = wish.groups()
    if (sign == ">=") != (what == "accuracy"):
        raise UsageError(
            f"--pick {text!r} bounds it at the wrong end",
            hint='write "loss<=1%", "accuracy>=0.9" or "area<=1cm2"',
        )
    if unit is not None and (unit == "%") == (what == "area"):
        raise UsageError(
            f"--pick {text!r} has a unit that does not fit",
            hint="an area is in cm2, mm2 or um2, a share may be in %",
        )
    value = float(number)
    if what == "area":
        limit = value * {"cm2": 1e8, "mm2": 1e6, "um2": 1.0}[unit or "um2"]
        allowed = [i for i, p in enumerate(front.points) if p.area <= limit]
        best = max(allowed, key=lambda i: (front.accuracy(front.points[i]), -i), default=None)
    else:
        share = value / 100 if unit == "%" else value
        least = front.top - share if what == "loss" else share
        allowed = [i for i, p in enumerate(front.points) if front.accuracy(p) >= least - 1e-12]
        best = min(allowed, key=lambda i: (front.points[i].area, i), default=None)
    if best is None:
        smallest, widest = front.points[0], front.points[-1]
        raise UsageError(
            f"no point of the front has {text}",
            hint=f"it goes from {front.accuracy(smallest):.4f} at {smallest.area / 1e8:.4g} cm2 "
            f"to {front.accuracy(widest):.4f} at {widest.area / 1e8:.4g} cm2",
        )
    return best


def point_network(front: Front, index: int, name: str = "classifier") -> Network:
    """The Network of a point, whose input takes the features as the data have them."""
    point = front.points[index]
    network = classifier(front.space, point, name)
    levels = 1 << front.space.input_bits
    spans = [Fraction(h) - Fraction(low) for low, h in zip(front.low, front.high, strict=True)]
    steps = np.array([span / levels if span > 0 else _NEVER for span in spans], dtype=object)
    offset = np.array([Fraction(low) for low in front.low], dtype=object)
    old = network.layers[0]
    tensor = tensor_type((front.space.inputs,), 0, levels - 1, steps)
    entry = Input(old.name, (), old.place, tensor, offset, "floor")
    return Network(network.name, (entry, *network.layers[1:]), network.outputs)


def classifier(space: Space, point: Point, name: str = "classifier") -> Network:
    """The Network of a point, whose input takes levels."""
    network = decided(space.network(np.array(point.genome), name), point.rounds)
    return network if point.gates is None else gated(network, space, point.gates)


def gated(network: Network, space: Space, gates: Trimmed) -> Network:
    """The network with gates for all that follows its input, the bits of the inputs in order."""
    source, last = network.layers[0], network.layers[-1]
    pairs = tuple(zip(gates.literals[::2], gates.literals[1::2], strict=True))
    widths = (space.input_bits,) * space.inputs
    layer = Gates(
        last.name, (source.name,), last.place, widths, pairs, (gates.word,), fractions(1, (1,))
    )
    return replace(network, layers=(source, layer))


def decided(network: Network, rounds: Rounds | None) -> Network:
    """The network with another tournament as its decision, if one is given."""
    if rounds is None:
        return network
    last = network.layers[-1]
    end = Tournament(last.name, last.sources, last.place, rounds)
    return replace(network, layers=(*network.layers[:-1], end))


def table(front: Front) -> Sequence[tuple[str, ...]]:
    """A row for each point: index, accuracies, area in cm2, leakage in mW."""
    return [
        (
            str(i),
            f"{p.train / front.samples['train']:.4f}",
            "-" if (valid := front.validated(p)) is None else f"{valid:.4f}",
            f"{p.area / 1e8:.4f}",
            f"{p.leakage / 1e6:.4f}",
        )
        for i, p in enumerate(front.points)
    ]
