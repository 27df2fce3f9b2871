"""The arrays of a chip before their weights: ports of every region, with room for other weights.

After the metal embedding of the ASPLOS '26 paper: a re-spin changes wires, cells stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flow.errors import UsageError
from flow.ir.language import Array, Code, LanguageProgram
from flow.mapping.hardwired.embedding import Wiring, counts, embed, regions
from flow.mapping.hardwired.neuron import INT4, MAGNITUDES, TERNARY, Base
from flow.mapping.lpu.assemble import PLANES

_REGIONS: Mapping[Code, tuple[int, ...]] = {"fp4": MAGNITUDES, "ternary": TERNARY, "int4": INT4}


@dataclass(frozen=True, slots=True)
class ChipBase:
    """Cells of arrays by the kind of array: `kind` says which. `slack` is the share of room."""

    code: Code
    slack: float
    kinds: Mapping[str, Base]


def kind(array: Array) -> str:
    """What arrays of different layers share: their name after that of the layer, and their size."""
    name = array.name.partition("_")[2] if array.name.startswith("layer") else array.name
    return f"{name} {array.outputs} {array.inputs}"


def base_for(program: LanguageProgram, slack: float = 0.0) -> ChipBase:
    """Room for the fullest neuron of all layers, and a share `slack` more.

    With slack no region has less than that share of an even split of the inputs; none has more
    ports than inputs.
    """
    members: dict[str, list[Array]] = {}
    for array in program.arrays:
        members.setdefault(kind(array), []).append(array)
    code = program.arrays[0].code
    return ChipBase(code, float(slack), {name: _base(of, slack) for name, of in members.items()})


def _base(arrays: list[Array], slack: float) -> Base:
    code, inputs = arrays[0].code, arrays[0].inputs
    found = tuple(sorted({m for array in arrays for m in regions(array.effective)})) or (1,)
    # Without slack, a value that no weight has gets no region.
    magnitudes = _REGIONS.get(code, found) if slack else found
    most = np.max([counts(a.effective, magnitudes).max(axis=0) for a in arrays], axis=0)
    least = int(np.ceil(slack * inputs / len(magnitudes)))
    ports = (min(inputs, max(least, int(np.ceil(n * (1 + slack))))) for n in most)
    return Base(tuple(ports), PLANES, magnitudes)


def wired(program: LanguageProgram, base: ChipBase) -> tuple[Wiring, ...]:
    """The wires of every array over a base.

    UsageError that names the neuron and the region without room, its array, and how many ports are
    lacking; or that the base is for other sizes.
    """
    for array in program.arrays:
        # Experts stay mxfp4 whatever the code of the others is.
        if kind(array) not in base.kinds or array.code not in (base.code, "mxfp4"):
            raise UsageError(
                f"the base has no {base.code} array for {array.name}, {array.code} "
                f"{array.outputs} x {array.inputs}",
                hint="a base holds other weights of the same sizes and code",
            )
        if max(base.kinds[kind(array)].ports) > array.inputs:
            raise UsageError(
                f"a region of the base has more ports than {array.name} has inputs",
                hint="a base is what an earlier build has written",
            )
    if strange := sorted(set(base.kinds) - {kind(array) for array in program.arrays}):
        raise UsageError(
            f"the base has an array that the model has not: {strange[0]}",
            hint="a base holds other weights of the same sizes and code",
        )
    found = []
    for array in program.arrays:
        try:
            found.append(embed(array.effective, base.kinds[kind(array)]))
        except UsageError as error:
            raise UsageError(
                f"{error.message} (array {array.name})", hint=_lack(program, base)
            ) from error
    return tuple(found)


def _lack(program: LanguageProgram, base: ChipBase) -> str:
    """How many neurons have no room, and how many ports the worst of them lacks."""
    neurons = without = most = strange = 0
    for array in program.arrays:
        room = base.kinds[kind(array)]
        lacking = counts(array.effective, room.magnitudes) - np.array(room.ports, np.int64)
        known = np.isin(array.effective, [0, *room.magnitudes, *(-m for m in room.magnitudes)])
        bad = (lacking > 0).any(axis=1) | ~known.all(axis=1)
        neurons += array.outputs
        without += int(bad.sum())
        strange += int((~known).any(axis=1).sum())
        most = max(most, int(lacking.max()))
    other = f", and {strange} have values without a region" if strange else ""
    return (
        f"{without} of {neurons} neurons have no room, {most} ports are lacking at most{other}; "
        "make the base with more --slack"
    )
