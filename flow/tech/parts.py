"""The FPGA families that flow knows, by name."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from importlib.resources import files

from flow.errors import UsageError
from flow.tech.part import Delays, Device, Part, Place

_NAMES = ("ecp5", "ice40", "xilinx")


def parts() -> tuple[str, ...]:
    """The names that `load_part` knows, sorted."""
    return _NAMES


def load_part(name: str) -> Part:
    """The FPGA family of that name; UsageError that lists the families where there is none."""
    if name not in _NAMES:
        near = get_close_matches(name, _NAMES, n=1)
        also = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"there is no FPGA family {name!r}", hint=f"choose one of {', '.join(_NAMES)}{also}"
        )
    data = tomllib.loads(
        files("flow.tech").joinpath("data", f"{name}.toml").read_text(encoding="utf-8")
    )
    cells, delays, place = data["cells"], data["delays"], data.get("place")
    return Part(
        name=data["name"],
        title=data["title"],
        family=data["family"],
        inputs=data["inputs"],
        source=data["source"],
        synthesis=data["synthesis"],
        models=tuple(data["models"]),
        luts=data["luts"],
        carries=tuple(cells["carries"]),
        carry_bits=cells["carry_bits"],
        flipflops=tuple(cells["flipflops"]),
        muxes=tuple(cells["muxes"]),
        dsps=tuple(cells["dsps"]),
        delays=Delays(**(delays | {"local": tuple(delays["local"])})),
        place=None
        if place is None
        else Place(
            place["program"],
            tuple(place["arguments"]),
            tuple(Device(title, tuple(o.split()), luts) for title, o, luts in place["devices"]),
        ),
        notes=tuple(data["notes"]),
    )
