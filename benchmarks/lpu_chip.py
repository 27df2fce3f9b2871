"""What parts of the benchmark that build chips share: a cache of their own, seconds, stories."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common import Row

from flow.pipeline.build import Build


@contextmanager
def fresh_place() -> Iterator[Path]:
    """A folder for a chip, with empty caches in it, ccache's too: all is compiled anew."""
    place = Path(tempfile.mkdtemp(prefix="flow-lpu-"))
    kept = dict(os.environ)
    os.environ |= {"HOME": str(place), "XDG_CACHE_HOME": str(place / "cache")}
    try:
        yield place
    finally:
        os.environ.clear()
        os.environ.update(kept)
        shutil.rmtree(place, ignore_errors=True)


def processor_seconds() -> float:
    """Seconds of processor time of this process and of those that it has ended."""
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in each)


def agreed(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens until two texts differ."""
    return next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
                min(len(one), len(other)))  # fmt: skip


def checks(what: str, done: Build) -> Row:
    """How many checks of a build hold; it has to be every one."""
    verdicts = done.state.verdicts
    hold = sum(verdict.good for verdict in verdicts)
    return Row(
        f"{what}: checks of the chip that hold", float(hold), f"of {len(verdicts)}",
        reach="all", met=hold == len(verdicts) > 0,
        note="; ".join(f"{v.check}: {v.status}, {v.detail}" for v in verdicts),
    )  # fmt: skip
