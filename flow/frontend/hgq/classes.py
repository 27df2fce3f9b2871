"""How the classes of HGQ 1 and HGQ 2 are told from others in a configuration."""

from __future__ import annotations

PROXIES = frozenset({"FixedPointQuantizer", "UnaryLUT"})
"""The classes of HGQ 1 that stand in proxies only."""

HGQ_MERGES = frozenset({
    "QAdd", "QAveragePow2", "QSubtract", "QMultiply", "QMaximum", "QMinimum", "QDot", "QEinsum",
    "HAdd", "PConcatenate",
})  # fmt: skip
"""The classes that read several tensors."""

_ONE = frozenset({
    *PROXIES, "HQuantize", "HDense", "HDenseBatchNorm", "HActivation", "HConv1D", "HConv2D",
    "HConv1DBatchNorm", "HConv2DBatchNorm", "HAdd", "PReshape", "PFlatten", "PConcatenate",
    "PDropout", "PPermute", "PMaxPooling1D", "PMaxPooling2D", "PAveragePooling1D",
    "PAveragePooling2D", "Signature",
})  # fmt: skip
"""Classes of HGQ 1, whose configurations may lack the module."""


def is_hgq(kind: str, module: str | None) -> bool:
    """Whether a class is one of HGQ: by its module, by the package in its name, or by the name."""
    package = (module or kind.partition(">")[0] if module or ">" in kind else "").split(".")[0]
    return package.lower() in ("hgq", "hgq2") or kind in _ONE


def plain_kind(kind: str) -> str:
    """`hgq>QDense` -> `QDense`, as whole-model HDF5 files write classes."""
    return kind.rsplit(">", 1)[-1]
