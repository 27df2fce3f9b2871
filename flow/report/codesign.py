"""A codesign for readers: its designs in two plots and a table, mixed widths beside uniform."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from flow import __version__
from flow.report import figures as fig
from flow.report.html import rendered
from flow.report.scatter import Axis, scatter

TEMPLATE = "codesign.html.j2"
FORMAT = "flow-codesign 1"
Kind = Literal["chosen", "mixed", "uniform", "sized"]
KINDS: dict[Kind, str] = {
    "chosen": "the design within the limits",
    "mixed": "a width for each layer",
    "uniform": "one width for all layers",
    "sized": "smaller layers, a width for each",
}
"""Kinds of designs in the order of their colours."""
HUES: dict[Kind, int] = {"chosen": 3, "mixed": 0, "uniform": 1, "sized": 2}


@dataclass(frozen=True, slots=True)
class LayerWidths:
    """Outputs of a layer, and the bits of its weights and of what it reads."""

    layer: str
    outputs: int
    weight_bits: int
    read_bits: int


@dataclass(frozen=True, slots=True)
class Design:
    """Widths of all layers, what they cost, and their accuracy on samples held out.

    `rounded` is the accuracy after rounding alone, `accuracy` after retraining; `area` is in bits
    of adders. `loss` is the expected loss of the integer program.
    """

    kind: Kind
    widths: tuple[LayerWidths, ...]
    loss: float
    bops: float
    model_bits: float
    area: float
    rounded: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class LayerSensitivity:
    """Average traces of the Hessian by weights and by values read, and the vectors they took."""

    layer: str
    weights: int
    weight_trace: float
    weight_vectors: int
    read_trace: float | None
    read_vectors: int


@dataclass(frozen=True, slots=True)
class Codesign:
    """A float model, its layers, and its designs; the first is the one that was chosen."""

    model: str
    reference: float
    samples: Mapping[str, int]
    limits: Mapping[str, float]
    layers: tuple[LayerSensitivity, ...]
    designs: tuple[Design, ...]

    @property
    def chosen(self) -> Design:
        """The design within the limits."""
        return self.designs[0]


def to_json(found: Codesign) -> str:
    """All figures; equal designs give equal bytes."""
    facts = {"format": FORMAT, "flow": __version__, **asdict(found)}
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"


def codesign_to_html(found: Codesign) -> str:
    """One page that needs nothing else."""
    return rendered(TEMPLATE, codesign_page(found))


def codesign_page(found: Codesign) -> dict[str, Any]:
    """Every text and place of the page."""
    named = [(_name(found.designs, i), d) for i, d in enumerate(found.designs)]
    kinds = [kind for kind in KINDS if any(d.kind == kind for d in found.designs)]
    return {
        "model": found.model,
        "reference": fig.percent(found.reference),
        "samples": [(name, fig.whole(count)) for name, count in found.samples.items()],
        "limits": [(LIMITS[name], fig.digits(value)) for name, value in found.limits.items()],
        "kinds": [{"hue": HUES[kind], "text": KINDS[kind]} for kind in kinds],
        "plots": [
            _plot(named, "bops", "bit operations", lambda d: d.bops),
            _plot(named, "area", "area", lambda d: d.area),
        ],
        "layers": [
            {
                "name": row.layer, "weights": fig.whole(row.weights),
                "trace": fig.digits(row.weight_trace),
                "read": fig.NONE if row.read_trace is None else fig.digits(row.read_trace),
                "vectors": fig.whole(row.weight_vectors + row.read_vectors),
            }
            for row in found.layers
        ],
        "rows": [{"name": name, **_row(d)} for name, d in named],
        "version": __version__,
    }  # fmt: skip


LIMITS = {"bops": "bit operations", "model_bits": "bits of all weights", "area": "bits of adders"}
"""Resources that may be limited, as readers know them."""


def widths_text(widths: Sequence[LayerWidths]) -> str:
    """Widths as weights:reads of each layer in order; with sizes where they are another's."""
    return " ".join(f"{w.weight_bits}:{w.read_bits}" for w in widths)


def table(found: Codesign) -> list[tuple[str, ...]]:
    """A row of texts for each design, the titles first."""
    rows: list[tuple[str, ...]] = [
        ("design", "sizes", "weights:reads", "BOPs", "model bits", "area", "rounded", "accuracy")
    ]
    for i, d in enumerate(found.designs):
        cells = _row(d)
        rows.append(
            (_name(found.designs, i), cells["sizes"], cells["widths"], cells["bops"],
             cells["model_bits"], cells["area"], cells["rounded"], cells["accuracy"])
        )  # fmt: skip
    return rows


def _name(designs: Sequence[Design], index: int) -> str:
    kind = designs[index].kind
    number = sum(d.kind == kind for d in designs[: index + 1])
    return kind if kind == "chosen" else f"{kind} {number}"


def _row(design: Design) -> dict[str, str]:
    return {
        "sizes": "-".join(str(w.outputs) for w in design.widths),
        "widths": widths_text(design.widths),
        "bops": fig.whole(round(design.bops)),
        "model_bits": fig.whole(round(design.model_bits)),
        "area": fig.whole(round(design.area)),
        "rounded": fig.percent(design.rounded),
        "accuracy": fig.percent(design.accuracy),
    }


def _plot(
    named: Sequence[tuple[str, Design]],
    ident: str,
    title: str,
    value: Callable[[Design], float],
) -> dict[str, Any]:
    points = [(name, HUES[d.kind], value(d), d.accuracy) for name, d in named]
    x = Axis(title, fig.digits, "lower")
    y = Axis("accuracy", lambda share: fig.percent(share, 1), "higher", 1.0)
    return {"id": ident, "title": title, **scatter(points, x, y)}
