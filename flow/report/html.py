"""HTML reports: one file that needs nothing else, of one Record or of several.

Python computes every text and every length (`page`, `compare`); the template holds the shape.
The page has no script, and its content policy forbids one, so that no name in a model can
become code.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from flow.assets import asset
from flow.report.compare import Named, comparison
from flow.report.page import page
from flow.report.record import Record

TEMPLATE = "report.html.j2"
COMPARISON = "compare.html.j2"


def to_html(record: Record) -> str:
    """The page; equal records give equal bytes."""
    return rendered(TEMPLATE, page(record))


def compare_to_html(named: Sequence[Named]) -> str:
    """A page on several named builds: one plot, one table."""
    return rendered(COMPARISON, comparison(named))


def rendered(template: str, values: dict[str, Any]) -> str:
    """A template with `values` as its `page`; every text escaped, control characters spelt out."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(asset("templates")),
        autoescape=True,
        finalize=_visible,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(page=values)


def _visible(value: Any) -> Any:
    """Text with control, direction and lone surrogate characters spelt out."""
    if not isinstance(value, str) or (value.isascii() and value.isprintable()):
        return value
    return "".join(ascii(c)[1:-1] if unicodedata.category(c).startswith("C") else c for c in value)
