"""Samples as files: a hexadecimal word each, arrays, and the layout that says what the bits are."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.backends.emission import Axis, Emission, VerilogPort
from flow.backends.weight_store import store_layout
from flow.errors import InternalError
from flow.ir.evaluate import IntArray

LAYOUT = PurePosixPath("vectors/layout.json")
PROBE = "probe_"
"""Before the names of the arrays of probes."""
Sides = tuple[Mapping[str, IntArray], Mapping[str, IntArray]]
"""Inputs and answers, (samples, lanes) by port."""


def vector_files(
    emission: Emission,
    inputs: Mapping[str, IntArray],
    expected: Mapping[str, IntArray],
    scales: Mapping[str, str] | None = None,
    probes: Sides | None = None,
) -> dict[PurePosixPath, str | bytes]:
    """`vectors/`: inputs.hex, expected.hex, inputs.npy, expected.npy and layout.json.

    Arrays are (samples, lanes) for each port of the circuit. A word holds all ports side by
    side, the first at bit 0; a line is one word, the highest digit first. In the `.npy` files
    a row has the lanes of all ports. `scales` gives the value of 1 as a fraction, by port.
    `probes`, further inputs and answers, follow the samples in the `.hex` files and have `.npy`
    files of their own.
    """
    files: dict[PurePosixPath, str | bytes] = {}
    words: dict[str, list[str]] = {"inputs": [], "expected": []}
    counts = []
    given = [("", (inputs, expected)), *([(PROBE, probes)] if probes is not None else [])]
    for prefix, values in given:
        sides = tuple(zip(words, (emission.inputs, emission.outputs), values, strict=True))
        found = {len(values[p.source]) for _, ports, values in sides for p in ports}
        if len(found) > 1:
            raise InternalError(f"ports differ in their number of samples: {sorted(found)}")
        counts.append(max(found, default=0))
        for name, ports, arrays in sides:
            words[name] += pack(ports, arrays) or ["0"] * counts[-1]
            files[PurePosixPath(f"vectors/{prefix}{name}.npy")] = _npy(ports, arrays)
    for name, lines in words.items():
        files[PurePosixPath(f"vectors/{name}.hex")] = "".join(f"{line}\n" for line in lines)
    files[LAYOUT] = layout(emission, counts[0], scales or {}, sum(counts[1:]))
    return files


def pack(ports: Sequence[VerilogPort], values: Mapping[str, IntArray]) -> list[str]:
    """One hexadecimal word for each sample. Raises InternalError where a value does not fit."""
    columns: list[NDArray[np.uint8]] = []
    for port in ports:
        array = np.asarray(values[port.source])
        if array.ndim != 2 or array.shape[1] != len(port.lanes):
            raise InternalError(f"port {port.source!r} has values of shape {array.shape}")
        for i, lane in enumerate(port.lanes):
            column = array[:, i]
            if column.size and not (
                lane.range.lo <= int(column.min()) and int(column.max()) <= lane.range.hi
            ):
                raise InternalError(f"a value of {port.source}[{i}] lies outside {lane.range}")
            columns.append(_bits(column, lane.width))
    if not columns:
        return []
    bits = np.concatenate(columns, axis=1)[:, ::-1]
    width = bits.shape[1]
    digits = -(-width // 4)
    packed = np.packbits(np.pad(bits, ((0, 0), (-width % 8, 0))), axis=1)
    return [row.tobytes().hex()[-digits:] for row in packed]


def _bits(column: IntArray, width: int) -> NDArray[np.uint8]:
    """(samples, width) of 0 and 1, the lowest bit first."""
    if width <= 63:
        shifted = column.astype(np.int64)[:, None] >> np.arange(width)
        return (shifted & 1).astype(np.uint8)
    rows = [[int(value) >> i & 1 for i in range(width)] for value in column]
    return np.array(rows, dtype=np.uint8).reshape(len(column), width)


def _npy(ports: Sequence[VerilogPort], values: Mapping[str, IntArray]) -> bytes:
    arrays = [np.asarray(values[port.source]) for port in ports]
    whole: NDArray[Any] = np.concatenate(arrays, axis=1) if arrays else np.zeros((0, 0), np.int64)
    return npy(whole, wide=any(lane.width > 63 for port in ports for lane in port.lanes))


def npy(array: NDArray[Any], wide: bool | None = None) -> bytes:
    """int64, or decimal text where that is too narrow (an array of objects would be a pickle)."""
    if wide is None:
        wide = array.dtype == object and any(abs(int(v)) >> 63 for v in array.ravel())
    file = io.BytesIO()
    np.save(file, array.astype(str) if wide else array.astype("<i8"), allow_pickle=False)
    return file.getvalue()


def layout(emission: Emission, samples: int, scales: Mapping[str, str], probes: int = 0) -> str:
    """The JSON text of layout.json, with a lane a line."""
    head: dict[str, Any] = {
        "top": emission.top,
        "samples": samples,
        "probes": probes,
        "latency": emission.latency,
        "initiation_interval": emission.initiation_interval,
        "clocked": emission.clocked,
        "handshake": emission.handshake,
        "work": emission.work,
    }
    if emission.axis is not None:
        head["axis"] = _axis(emission.axis)
    if emission.store is not None:
        head["store"] = store_layout(emission.store)
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    sides = []
    for name, ports in (("inputs", emission.inputs), ("outputs", emission.outputs)):
        texts = []
        offset = 0
        for port in ports:
            texts.append(_port_text(port, offset, scales.get(port.source)))
            offset += port.width
        joined = ",\n".join(texts)
        sides.append(f'  "{name}": {{"width": {offset}, "ports": [\n{joined}\n  ]}}')
    return "{\n" + "\n".join(lines) + "\n" + ",\n".join(sides) + "\n}\n"


def _axis(axis: Axis) -> dict[str, Any]:
    sides = {"inputs": axis.inputs, "outputs": axis.outputs}
    widths = {name: asdict(side) | {"width": side.width} for name, side in sides.items()}
    return {"top": axis.top, "latency": axis.latency} | widths


def _port_text(port: VerilogPort, offset: int, scale: str | None) -> str:
    rows = []
    for i, lane in enumerate(port.lanes):
        row = {
            "name": f"{port.source}[{i}]",
            "offset": lane.offset,
            "width": lane.width,
            "signed": lane.range.signed,
            "lo": lane.range.lo,
            "hi": lane.range.hi,
        } | ({"scale": scale} if scale is not None else {})
        rows.append(f"      {json.dumps(row)}")
    head = json.dumps(
        {"name": port.name, "source": port.source, "offset": offset, "width": port.width}
    )
    body = ",\n".join(rows)
    return f'    {head[:-1]}, "lanes": [\n{body}\n    ]}}'
