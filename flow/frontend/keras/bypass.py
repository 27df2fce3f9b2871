"""Inputs that pass to an output untouched: no part of a circuit, so they are left out and named.

An encoder that hands its conditions on beside what it computes is the known case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flow.frontend.source import SourceConcat, SourceInput, SourceLayer

Kept = tuple[tuple[SourceLayer, ...], tuple[str, ...], tuple[str, ...]]
"""Layers, outputs and notes."""


def without_bypass(layers: Sequence[SourceLayer], outputs: tuple[str, ...]) -> Kept:
    """The model without inputs that only a concatenation at an output reads, and its notes."""
    by_name = {layer.name: layer for layer in layers}
    readers: dict[str, int] = dict.fromkeys(by_name, 0)
    for name in (*outputs, *(s for layer in layers for s in layer.sources)):
        readers[name] += 1
    dropped: list[str] = []
    changed: dict[str, SourceLayer] = {}
    renamed: dict[str, str] = {}
    for name in outputs:
        layer = by_name[name]
        if not isinstance(layer, SourceConcat) or readers[name] != 1:
            continue
        passing = [s for s in layer.sources if _only_passes(by_name[s], readers)]
        kept = tuple(s for s in layer.sources if s not in passing)
        if not passing or not kept or any(isinstance(by_name[s], SourceInput) for s in kept):
            continue
        dropped.extend(passing)
        if len(kept) > 1:
            changed[name] = replace(layer, sources=kept)
        else:
            renamed[name] = kept[0]
    gone = {*dropped, *renamed}
    rest = tuple(changed.get(x.name, x) for x in layers if x.name not in gone)
    return (
        rest,
        tuple(renamed.get(n, n) for n in outputs),
        tuple(_note(n, by_name) for n in dropped),
    )


def _only_passes(layer: SourceLayer, readers: Mapping[str, int]) -> bool:
    return isinstance(layer, SourceInput) and readers[layer.name] == 1


def _note(name: str, layers: Mapping[str, SourceLayer]) -> str:
    layer = layers[name]
    assert isinstance(layer, SourceInput)
    return (
        f"the input {name!r} of shape {list(layer.shape)} only passes to an output; "
        "it is no part of the circuit"
    )
