"""A model with the readout that a TOML file puts around it."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from flow.errors import UsageError
from flow.frontend.files.data import read_data
from flow.passes.fold_layers import FoldLayers
from flow.passes.readout import Readout, with_readout
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import Imported, Most, import_model
from flow.progress import Progress, silent

_KEYS = {
    "cells": int,
    "exponent_bits": int,
    "mantissa_bits": int,
    "arrangement": list,
    "cleared": list,
}
MOST_BITS = 10
"""Of a cell's code, whose charges are a table."""


def import_with_readout(
    config: BuildConfig, progress: Progress = silent, most: Most | None = None
) -> Imported:
    """`import_model`, with the readout of the configuration around the network, if there is one.

    The samples are then those of the readout: codes of cells, and the choice of the link.
    """
    if config.readout is None:
        return import_model(config, most=most, progress=progress)
    readout = read_readout(config.readout)
    imported = import_model(
        replace(config, data=None, calibrate=None), most=most, progress=progress
    )
    network = with_readout(FoldLayers().run(imported.network), readout)
    samples = None
    if config.data is not None:
        shapes = {layer.name: layer.tensor.shape for layer in network.inputs}
        samples = read_data(config.data, shapes)
    note = f"a readout of {readout.cells} cells stands before the encoder"
    # The layers of the file see other samples than those of the readout.
    source = replace(imported.source, layers=(), outputs=())
    return replace(
        imported, source=source, samples=samples, network=network, notes=(*imported.notes, note)
    )


def read_readout(path: Path) -> Readout:
    """The readout of a TOML file; UsageError that names what is wrong with it."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"the readout cannot be read: {error.strerror}", where=str(path)
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the readout is not TOML: {error}", where=str(path)) from error
    wrong = [key for key, value in table.items() if not isinstance(value, _KEYS.get(key, ()))]
    missing = [key for key in _KEYS if key not in table and key != "cleared"]
    if wrong or missing:
        key = (wrong or missing)[0]
        raise UsageError(
            f"the readout has {'a wrong' if wrong else 'no'} {key!r}",
            where=str(path),
            hint="it needs cells, exponent_bits, mantissa_bits, arrangement, and may have cleared",
        )
    arrangement, cleared = (_whole(table.get(key, []), key, path) for key in list(_KEYS)[3:])
    found = Readout(
        table["cells"], table["exponent_bits"], table["mantissa_bits"], arrangement, cleared
    )
    bits = found.exponent_bits + found.mantissa_bits
    sizes = (found.cells, found.exponent_bits, found.mantissa_bits)
    if min(sizes) < 1 or bits > MOST_BITS or any(not 0 <= n < 32 for n in cleared):
        raise UsageError(
            "a size of the readout makes no sense",
            where=str(path),
            hint=f"at least one cell, codes of at most {MOST_BITS} bits, fewer than 32 cleared",
        )
    return found


def _whole(values: Any, key: str, path: Path) -> tuple[int, ...]:
    """The integers of a list, or of a list of rows."""
    flat = [x for row in values for x in (row if isinstance(row, list) else [row])]
    if any(not isinstance(x, int) or isinstance(x, bool) for x in flat):
        raise UsageError(f"the readout's {key!r} holds more than integers", where=str(path))
    return tuple(flat)
