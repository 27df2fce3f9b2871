"""Golden digests: of results too long to keep, which change only where someone means them to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "golden" / "digests"


def digest(content: bytes | str) -> str:
    """Twelve hexadecimal digits."""
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:12]


def check(name: str, case: str, found: Mapping[str, str], update: bool) -> None:
    """Compare what a case gave with golden/digests/NAME/CASE.json, or write it."""
    path = FOLDER / name / f"{case}.json"
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(found), indent=1) + "\n", encoding="utf-8")
    golden = json.loads(path.read_text(encoding="utf-8"))
    changed = sorted(k for k in {*golden, *found} if golden.get(k) != found.get(k))
    assert not changed, f"{case}: other results than golden ones: {changed}"
