"""How a figure is written for a reader: four digits, and the unit that suits it.

Columns of parts take the unit and the decimal places of their total, so that they line up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

Steps = tuple[tuple[float, str], ...]

_TIME = {"ps": 1e-12, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
_TIMES: Steps = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"), (1e-12, "ps"))
_POWERS: Steps = ((1.0, "W"), (1e-3, "mW"), (1e-6, "µW"), (1e-9, "nW"), (1e-12, "pW"))
_AREAS: Steps = ((1e8, "cm²"), (1e6, "mm²"), (1.0, "µm²"))
_RATES: Steps = ((1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz"))

NONE = "\u2013"
TIMES = "\u00d7"


def whole(number: int) -> str:
    """An integer with a space between thousands."""
    return f"{number:,}".replace(",", " ")


def counted(numbers: Iterable[int | None]) -> str:
    """The sum of some counts; NONE where one is not known."""
    known = list(numbers)
    return NONE if None in known else whole(sum(n for n in known if n is not None))


def digits(number: float, significant: int = 4) -> str:
    """A number with that many significant digits; powers of ten only far from one."""
    if number == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(number)))
    if not -5 < magnitude < 9:
        return f"{number:.{significant - 1}e}"
    text = _fixed(number, max(0, significant - 1 - magnitude))
    return text.rstrip("0").rstrip(".") if "." in text else text


def area(um2: float | None, like: float | None = None) -> str:
    """An area in cm², mm² or µm²; with `like`, in the unit and places of that total."""
    return _text(um2, like, 1.0, _AREAS)


def power(mw: float | None, like: float | None = None) -> str:
    """A power in W to pW; with `like`, in the unit and places of that total."""
    return _text(mw, like, 1e-3, _POWERS)


def duration(value: float | None, unit: str, like: float | None = None) -> str:
    """A time in s to ps; with `like`, in the unit and places of that total."""
    return _text(value, like, _TIME[unit], _TIMES)


def seconds(value: float, unit: str) -> float:
    """A time in seconds."""
    return value * _TIME[unit]


def frequency(period: float | None, unit: str) -> str:
    """The rate of a period in GHz to Hz."""
    return _text(1 / (period * _TIME[unit]), None, 1.0, _RATES) if period else NONE


def rate(mhz: float | None) -> str:
    """A frequency of so many MHz, in GHz to Hz."""
    return NONE if mhz is None else _text(mhz, None, 1e6, _RATES)


def percent(share: float | None, places: int = 2) -> str:
    """A share of 1, in percent."""
    return NONE if share is None else f"{share * 100:.{places}f} %"


def metric(name: str, value: float | None) -> str:
    """The value of a metric: accuracies in percent, others with four digits."""
    if value is None:
        return NONE
    return percent(value) if name == "accuracy" else digits(value)


def shape(sizes: tuple[int, ...]) -> str:
    """A tensor's shape."""
    return f" {TIMES} ".join(str(size) for size in sizes) or NONE


def bits(weights: int, activations: int) -> str:
    """Bits of a layer's weights and activations, where it has them."""
    words = [f"{letter}{n}" for letter, n in (("w", weights), ("a", activations)) if n]
    return " ".join(words) or NONE


def interval(cycles: int) -> str:
    """How often an answer comes."""
    return "an answer every cycle" if cycles == 1 else f"an answer every {cycles} cycles"


def _text(value: float | None, like: float | None, factor: float, steps: Steps) -> str:
    if value is None:
        return NONE
    scale, unit = _step((value if like is None else like) * factor, steps)
    if like is None:
        return f"{digits(value * factor / scale)} {unit}"
    return f"{_part(value * factor / scale, like * factor / scale)} {unit}"


def _step(value: float, steps: Steps) -> tuple[float, str]:
    if value == 0:
        return next(step for step in steps if step[0] <= 1e-3 or step is steps[-1])
    return next((step for step in steps if abs(value) >= step[0] * 0.9999), steps[-1])


def _part(value: float, total: float) -> str:
    """A part with as many decimal places as its total has; `<` where that hides it."""
    magnitude = math.floor(math.log10(abs(total))) if total else 0
    places = min(9, max(0, 3 - magnitude))
    text = _fixed(value, places)
    if value > 0 and float(text.replace(" ", "")) == 0:
        return f"<{_fixed(10.0**-places, places)}"
    return text


def _fixed(number: float, places: int) -> str:
    return f"{number:,.{places}f}".replace(",", " ")
