"""Where the templates, the RTL library and the simulation harness lie on disk."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def asset(*parts: str) -> Path:
    """Path of a template, RTL or simulation file, installed or in a checkout."""
    shipped = _PACKAGE / "_assets"
    return (shipped if shipped.is_dir() else _PACKAGE.parent).joinpath(*parts)
