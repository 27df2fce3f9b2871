"""A point of a search's front as what a build starts from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow.errors import UsageError
from flow.frontend.files.data import Samples, read_data
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.source import SourceModel
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import Imported
from flow.search.front import FIT, FRONT, TEST, Front, Point, pick, point_network, read_front


@dataclass(frozen=True)
class Picked:
    """A front, and which of its points was picked."""

    front: Front
    index: int

    @property
    def point(self) -> Point:
        """The point."""
        return self.front.points[self.index]


def is_front(model: Path | None) -> bool:
    """Whether a model is the folder of a search that has ended."""
    return model is not None and (model / FRONT).is_file()


def pick_point(config: BuildConfig) -> Picked:
    """The point that the configuration asks for; UsageError where it asks for none."""
    assert config.model is not None
    front = read_front(config.model)
    if config.pick is None:
        raise UsageError(
            f"the folder holds a front of {len(front.points)} points, and none is picked",
            where=str(config.model),
            hint='give --pick "loss<=1%", "accuracy>=0.9", "area<=1cm2", or an index',
        )
    return Picked(front, pick(front, config.pick))


def import_point(config: BuildConfig) -> Imported:
    """The Network of a point, with the samples that the search has never seen, or --data."""
    assert config.model is not None
    picked = pick_point(config)
    front, point = picked.front, picked.point
    network = point_network(front, picked.index)
    shapes = {layer.name: layer.tensor.shape for layer in network.inputs}
    classes = tuple(_label(text) for text in front.classes)

    def samples(path: Path) -> Samples:
        return read_data(path, shapes, classes=classes, outputs=len(classes))

    data = config.data or config.model / TEST
    train, valid = front.samples["train"], front.samples["valid"]
    notes = [
        f"point {picked.index} of {len(front.points)} of the front of {front.name}: "
        f"{point.train} of {train} training and {point.valid} of {point.tried or valid} "
        f"{'cross-' if point.tried else ''}validation samples right, "
        f"{point.area / 1e8:.4g} cm2 by the quick script of the search",
    ]
    if point.gates is not None:
        twins = "twins were" if point.tried else "its twin was"
        notes.append(
            f"trim-gates, an approximation, has left {len(point.gates.literals) // 2} gates of "
            f"{point.origin or 'its network'}; in validation {twins} counted, trimmed without "
            "these samples"
        )
    if config.data is None:
        notes.append("the samples are those that were held out of the search")
    digest = hashlib.sha256((config.model / FRONT).read_bytes()).hexdigest()
    source = SourceModel(front.name, "flow search", (), (), digest, classes)
    return Imported(
        source,
        samples(data),
        network,
        tuple(notes),
        QuantiseOptions(),
        samples(config.calibrate or config.model / FIT),
        {},
    )


def _label(text: str) -> Any:
    """A label as tables have it: a number where it is one."""
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number
