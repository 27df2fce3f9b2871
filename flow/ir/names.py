"""Names of layers and networks: any text becomes a name of the form `spec.NAME`."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_LENGTH = 63
_OTHER = re.compile(r"[^a-z0-9]+")


def identifier(text: str) -> str:
    """The text in lower case, each run of other characters one `_`; `n` leads where no letter does.

    Reserved words of an output language are its backend's business.
    """
    name = _OTHER.sub("_", text[: 4 * MAX_LENGTH].lower()).strip("_")
    if not name or not name[0].isalpha():
        name = f"n{name}"
    return name[:MAX_LENGTH].rstrip("_")


def unique(texts: Iterable[str], taken: Iterable[str] = ()) -> tuple[str, ...]:
    """`identifier` of each text, in order, with `_2`, `_3`, ... where a name is taken."""
    seen: set[str] = set(taken)
    counts: dict[str, int] = {}
    names = []
    for text in texts:
        base = name = identifier(text)
        while name in seen:
            counts[base] = counts.get(base, 1) + 1
            tail = f"_{counts[base]}"
            name = base[: MAX_LENGTH - len(tail)].rstrip("_") + tail
        seen.add(name)
        names.append(name)
    return tuple(names)
