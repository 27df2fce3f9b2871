"""An array of hardwired neurons from a file of weights: in parallel, and in bounded memory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from flow import __version__
from flow.backends.hardwired import (
    WIRES,
    WIRES_TAIL,
    base_files,
    read_wires,
    wires_head,
    wires_rows,
)
from flow.errors import CheckFailed, UsageError
from flow.frontend.files import guards
from flow.frontend.language.row_codes import FORMS, Form, integers
from flow.frontend.language.rows import MOST_INPUTS, MOST_NEURONS, Block, Kind, Rows, open_rows
from flow.mapping.hardwired.embedding import base_of, check_room, counts, embed, regions, unwired
from flow.mapping.hardwired.neuron import INT4, MAGNITUDES, TERNARY, Base
from flow.pipeline.folder import refuse_foreign, replacing, write_file, write_manifest
from flow.progress import Progress, silent
from flow.search.executors import Executor, executor

T = TypeVar("T")

BASE = "base.json"
FORMAT = "flow-array 1"
DEFAULT_BITS = 8
MOST_BITS = 32
MOST_SLACK = 16
MOST_REGIONS = 256
TASK_WEIGHTS = 1 << 18
"""Weights of one task, so that a few MiB are on their way to each worker."""
_MAGNITUDES: Mapping[Form, tuple[int, ...]] = {
    "fp4": MAGNITUDES, "ternary": TERNARY, "int4": INT4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArrayOptions:
    """Which matrix, as which codes, over which base: that of an earlier folder, or the smallest
    one with a share of `slack` more ports."""

    tensor: str | None = None
    expert: int | None = None
    form: Form = "fp4"
    bits: int | None = None
    slack: float | None = None
    base: Path | None = None


@dataclass(frozen=True, slots=True)
class Array:
    """What an array is before its weights; the whole of base.json."""

    inputs: int
    neurons: int
    base: Base


@dataclass(frozen=True, slots=True)
class Written:
    """An array in its folder: how many weights are not zero, and the ports of all neurons."""

    array: Array
    weights: int
    ports: int
    wires_bytes: int


def write_array(
    path: Path,
    out: Path,
    options: ArrayOptions,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Written:
    """neuron.v, array.v and base.json, which know no weight, and wires.v; equal bytes for any
    number of workers.

    UsageError for what is no matrix, or for which the base has no room: it names the neuron and
    the region. CheckFailed where what was written, read back, is not the weights.
    """
    _check(options)
    refuse_foreign(out)
    rows = open_rows(path, options.tensor, options.expert)
    given = None if options.base is None else read_base(options.base)
    if given is not None:
        _fits(rows, given)
    with replacing(out) as fresh, executor(workers, scheduler) as work, _scratch() as scratch:
        scales, most, nonzero = _coded(rows, options, given, work, scratch, progress)
        array = given or _array(rows, most, options)
        for name, text in base_files(array.base, array.inputs, array.neurons).items():
            write_file(fresh, name, text)
        write_file(fresh, BASE, base_text(array))
        with (fresh / WIRES).open("wb") as wires:
            _write_wires(wires, array, scales, work, scratch, progress)
        size = (fresh / WIRES).stat().st_size
        write_manifest(fresh, {"flow": __version__, "array": rows.name})
    return Written(array, nonzero, array.neurons * sum(array.base.ports), size)


def base_text(array: Array) -> str:
    """base.json."""
    base = array.base
    facts: dict[str, Any] = {
        "format": FORMAT, "inputs": array.inputs, "neurons": array.neurons, "bits": base.bits,
        "magnitudes": list(base.magnitudes), "ports": list(base.ports),
    }  # fmt: skip
    return json.dumps(facts) + "\n"


def read_base(folder: Path) -> Array:
    """The array of a folder that was written before; UsageError where it is none."""
    path = folder / BASE
    facts = guards.parse_json(guards.read_bytes(path, guards.JSON_BYTES), path.name)
    keys = {"format", "inputs", "neurons", "bits", "magnitudes", "ports"}
    if not isinstance(facts, dict) or set(facts) != keys or facts["format"] != FORMAT:
        _no_base(path)
    single = [facts["inputs"], facts["neurons"], facts["bits"]]
    lists = (facts["magnitudes"], facts["ports"])
    if not all(isinstance(row, list) for row in lists) or len(lists[0]) != len(lists[1]):
        _no_base(path)
    numbers = [*single, *lists[0], *lists[1]]
    if not all(type(n) is int and 0 <= n < 1 << 40 for n in numbers) or 0 in (*single, *lists[0]):
        _no_base(path)
    magnitudes, ports = lists
    most = MOST_REGIONS * (MOST_SLACK + 1) * facts["inputs"]
    if not 2 <= facts["bits"] <= MOST_BITS or len(magnitudes) > MOST_REGIONS:
        _no_base(path)
    if sorted(set(magnitudes)) != magnitudes or not 1 <= sum(ports) <= most:
        _no_base(path)
    if facts["inputs"] > MOST_INPUTS or facts["neurons"] > MOST_NEURONS:
        _no_base(path)
    base = Base(tuple(ports), facts["bits"], tuple(magnitudes))
    return Array(facts["inputs"], facts["neurons"], base)


def _no_base(path: Path) -> NoReturn:
    raise UsageError(
        "this is no base of an array", where=path.name, hint="name a folder of `flow array`"
    )


def form_of(name: str | None) -> Form:
    """The code of that name, by default FP4; UsageError where there is none."""
    for form in FORMS:
        if name in (None, form):
            return form
    raise UsageError(f"no code {name!r}", hint="it is one of " + ", ".join(FORMS))


def _check(options: ArrayOptions) -> None:
    if options.bits is not None and not 2 <= options.bits <= MOST_BITS:
        raise UsageError(
            f"inputs of {options.bits} bits are not read", hint=f"--bits is from 2 to {MOST_BITS}"
        )
    if options.slack is not None and not 0 <= options.slack <= MOST_SLACK:
        raise UsageError(
            f"a slack of {options.slack:g} is not possible",
            hint=f"it is a share from 0 to {MOST_SLACK}",
        )
    if options.base is not None and (options.bits, options.slack) != (None, None):
        raise UsageError(
            "a base has its bits and its ports already", hint="leave out --bits and --slack"
        )


def _fits(rows: Rows, array: Array) -> None:
    if (rows.neurons, rows.inputs) != (array.neurons, array.inputs):
        raise UsageError(
            f"the base is for {array.neurons} neurons of {array.inputs} inputs, the weights are "
            f"{rows.neurons} of {rows.inputs}",
            hint="a base holds other weights of the same sizes",
        )


def _array(rows: Rows, most: Mapping[int, int], options: ArrayOptions) -> Array:
    """The smallest base for so many inputs of each magnitude."""
    known = () if rows.kind != "float" else _MAGNITUDES.get(options.form, ())
    magnitudes = known or tuple(sorted(most))
    if not any(most.values()):
        raise UsageError("every weight is zero, so that there is nothing to wire", where=rows.name)
    room = np.array([most.get(m, 0) for m in magnitudes], np.int64)
    bits = options.bits or DEFAULT_BITS
    return Array(rows.inputs, rows.neurons, base_of(room, bits, options.slack or 0.0, magnitudes))


def _scratch() -> IO[bytes]:
    return tempfile.TemporaryFile(prefix="flow-array-")


def _coded(
    rows: Rows,
    options: ArrayOptions,
    given: Array | None,
    work: Executor,
    scratch: IO[bytes],
    progress: Progress,
) -> tuple[list[float], dict[int, int], int]:
    """Integers of all rows into the file; scales, the most inputs of each magnitude that a neuron
    has, and how many weights are not zero."""
    step = _step(rows.inputs)
    base = None if given is None else given.base
    scales: list[float] = []
    most: dict[int, int] = {}
    nonzero = 0
    tasks = (
        (block, rows.kind, options.form, k * step, base)
        for k, block in enumerate(rows.blocks(step))
    )
    for batch in _batches(tasks, work):
        for data, own, found, count in work.map(code_rows, batch):
            scratch.write(data)
            scales += own
            most = {m: max(most.get(m, 0), found.get(m, 0)) for m in sorted({*most, *found})}
            nonzero += count
        progress("rows coded", len(scales), rows.neurons)
    return scales, most, nonzero


def code_rows(
    block: Block, kind: Kind, form: Form, first: int, base: Base | None
) -> tuple[bytes, list[float], dict[int, int], int]:
    """A task: integers as bytes, scales, the most of each magnitude, how many are not zero."""
    whole, scales = integers(block, kind, form, first)
    if base is not None:
        check_room(whole, base, first)
    magnitudes = regions(whole)
    if len(magnitudes) > MOST_REGIONS:
        raise UsageError(
            f"the weights from neuron {first} on have {len(magnitudes)} magnitudes",
            hint=f"at most {MOST_REGIONS} are hardwired: save floats to have them quantised",
        )
    most = counts(whole, magnitudes).max(axis=0, initial=0)
    found = dict(zip(magnitudes, most.tolist(), strict=True))
    return whole.astype("<i4").tobytes(), scales.tolist(), found, int(np.count_nonzero(whole))


def _write_wires(
    wires: IO[bytes],
    array: Array,
    scales: Sequence[float],
    work: Executor,
    scratch: IO[bytes],
    progress: Progress,
) -> None:
    scratch.seek(0)
    step = _step(array.inputs)
    wires.write(wires_head(array.base, array.inputs, array.neurons).encode())
    tasks = (
        (
            scratch.read(4 * array.inputs * min(step, array.neurons - first)),
            array.inputs, first, scales[first : first + step], array.base,
        )
        for first in range(0, array.neurons, step)
    )  # fmt: skip
    done = 0
    for batch in _batches(tasks, work):
        for text in work.map(text_rows, batch):
            wires.write(text)
        done += len(batch)
        progress("rows written", min(done * step, array.neurons), array.neurons)
    wires.write(WIRES_TAIL.encode())


def text_rows(data: bytes, inputs: int, first: int, scales: Sequence[float], base: Base) -> bytes:
    """A task: the wires of some neurons, read back and compared with their weights."""
    weights: NDArray[np.int32] = np.frombuffer(data, "<i4").reshape(-1, inputs)
    shown = scales if any(scale != 1 for scale in scales) else ()
    text = "".join(wires_rows(embed(weights, base), inputs, first, shown))
    found, biases = unwired(read_wires(text, base, inputs, first), inputs)
    if not np.array_equal(found, weights) or biases.any():
        raise CheckFailed(f"the wires of neurons {first} and up are not their weights")
    return text.encode()


def _step(inputs: int) -> int:
    return max(1, TASK_WEIGHTS // inputs)


def _batches(tasks: Iterator[T], work: Executor) -> Iterator[list[T]]:
    while batch := list(islice(tasks, 2 * work.width)):
        yield batch


def facts(found: Written) -> dict[str, Any]:
    """What a machine reads about an array."""
    base = found.array.base
    return {
        "neurons": found.array.neurons, "inputs": found.array.inputs, "weights": found.weights,
        "ports": found.ports, "clocks": base.bits,
        "base": {"ports": list(base.ports), "bits": base.bits,
                 "magnitudes": list(base.magnitudes)},
        "wires_bytes": found.wires_bytes,
    }  # fmt: skip
