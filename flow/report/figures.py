"""How a figure is written for a reader: three or four digits, and the unit that suits it."""

from __future__ import annotations

import math

_TIME = {"ps": 1e-12, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
_TIME_STEPS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"), (1e-12, "ps"))
_POWER_STEPS = ((1.0, "W"), (1e-3, "mW"), (1e-6, "µW"), (1e-9, "nW"), (1e-12, "pW"))
_AREA_STEPS = ((1e8, "cm²"), (1e6, "mm²"), (1.0, "µm²"))

NONE = "–"


def whole(number: int) -> str:
    """An integer with a narrow space between thousands."""
    return f"{number:,}".replace(",", "\u202f")


def digits(number: float, significant: int = 4) -> str:
    """A number with that many significant digits, never in powers of ten below a million."""
    if number == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(number)))
    if not -5 < magnitude < 9:
        return f"{number:.{significant - 1}e}"
    places = max(0, significant - 1 - magnitude)
    text = f"{number:,.{places}f}".replace(",", "\u202f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def area(um2: float | None) -> str:
    """An area in cm², mm² or µm²."""
    return NONE if um2 is None else _scaled(um2, _AREA_STEPS)


def power(mw: float | None) -> str:
    """A power in W to pW."""
    return NONE if mw is None else _scaled(mw * 1e-3, _POWER_STEPS)


def duration(value: float | None, unit: str) -> str:
    """A time in s to ps."""
    return NONE if value is None else _scaled(value * _TIME[unit], _TIME_STEPS)


def frequency(period: float | None, unit: str) -> str:
    """The rate of a period in GHz to Hz."""
    if not period:
        return NONE
    steps = ((1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz"))
    return _scaled(1 / (period * _TIME[unit]), steps)


def percent(share: float | None, places: int = 2) -> str:
    """A share of 1, in percent."""
    return NONE if share is None else f"{share * 100:.{places}f}\u202f%"


def metric(name: str, value: float | None) -> str:
    """The value of a metric: accuracies in percent, others with four digits."""
    if value is None:
        return NONE
    return percent(value) if name == "accuracy" else digits(value)


def shape(sizes: tuple[int, ...]) -> str:
    """A tensor's shape."""
    return " × ".join(str(size) for size in sizes) or NONE


def _scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    for scale, unit in steps:
        if abs(value) >= scale * 0.9995:
            return f"{digits(value / scale)}\u202f{unit}"
    scale, unit = steps[-1]
    return f"{digits(value / scale)}\u202f{unit}"
