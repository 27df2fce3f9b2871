"""Fills the templates; they hold shape only, every value is computed before."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flow.assets import asset

if TYPE_CHECKING:
    from jinja2 import Environment


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # None of the outputs is HTML, and the values are names and numbers of our own.
    return Environment(
        loader=FileSystemLoader(asset("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def fill(template: str, **values: Any) -> str:
    """The text of `templates/<template>` with these values; a missing one is an error."""
    return _environment().get_template(template).render(values)
