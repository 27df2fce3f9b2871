"""A build: the stages in order, in a folder that appears only when all of them have ended well."""

from __future__ import annotations

import time
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from flow import __version__
from flow.errors import UsageError
from flow.pipeline.config import BuildConfig
from flow.pipeline.folder import hashes, read_manifest, replacing, write_manifest
from flow.pipeline.provenance import command_line, plain, tool_versions
from flow.pipeline.state import Recipe, Stage, State
from flow.progress import Progress, silent


@dataclass(frozen=True)
class Build:
    """A build that ended well: its folder, everything known of it, the seconds of each stage."""

    out: Path
    state: State
    seconds: tuple[tuple[str, float], ...]


def build(
    config: BuildConfig,
    recipe: Recipe,
    out: Path,
    *,
    first: str | None = None,
    last: str | None = None,
    stages: Progress = silent,
    progress: Progress = silent,
) -> Build:
    """Run the stages from `first` to `last` into the folder `out`.

    With `first`, the products of the earlier stages are taken from the build that is in `out`,
    which must have been made from the same model and data with the same choices. Any error
    leaves `out` as it was. `stages` is told the stages, `progress` what each of them does.
    """
    begin, end = _bounds(recipe.stages, first, last)
    earlier = _earlier(out, config, recipe.stages, begin) if begin else None
    state = State(config, recipe, tools=tool_versions(recipe.tools), progress=progress)
    seconds: list[tuple[str, float]] = []
    with replacing(out) as folder:
        for i, stage in enumerate(recipe.stages[: end + 1]):
            own = folder / own_folder(i, stage)
            own.mkdir()
            stages(stage.name, i, end + 1)
            start = time.perf_counter()
            if earlier is not None and i < begin:
                state = stage.recall(state, folder, own, earlier / own_folder(i, stage))
            else:
                state = stage.run(state, folder, own)
            seconds.append((stage.name, time.perf_counter() - start))
            stages(stage.name, i + 1, end + 1)
        write_manifest(folder, _facts(state, end))
    return Build(out, state, tuple(seconds))


def own_folder(index: int, stage: Stage) -> str:
    """The name of a stage's folder: its number among those of the target, from 1, and its name."""
    return f"{index + 1:02d}-{stage.name}"


def _bounds(stages: tuple[Stage, ...], first: str | None, last: str | None) -> tuple[int, int]:
    names = [stage.name for stage in stages]
    found = []
    for option, name, default in (("--from", first, names[0]), ("--to", last, names[-1])):
        if (name or default) not in names:
            near = get_close_matches(name or "", names, n=1)
            also = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(
                f"{option}: there is no stage {name!r}", hint=f"one of {', '.join(names)}{also}"
            )
        found.append(names.index(name or default))
    if found[0] > found[1]:
        raise UsageError(f"--from {first} comes after --to {last}")
    return found[0], found[1]


def _earlier(out: Path, config: BuildConfig, stages: tuple[Stage, ...], begin: int) -> Path:
    """The folder of the earlier build, if it has what comes before stage `begin`.

    UsageError unless this version made it, with the same choices, and nothing has changed since.
    """
    manifest = read_manifest(out)
    if manifest.get("flow") != __version__:
        raise UsageError(
            f"the earlier build was made by flow {manifest.get('flow')}, this is {__version__}",
            where=str(out),
            hint="build it anew without --from",
        )
    ended = manifest.get("stages") or ["nothing"]
    if len(ended) < begin:
        raise UsageError(
            f"the earlier build ended after stage {ended[-1]}",
            where=str(out),
            hint=f"give --from {stages[len(ended)].name}, or an earlier stage",
        )
    if manifest.get("choices") != plain(config):
        raise UsageError(
            "the earlier build was made with other choices",
            where=str(out),
            hint="build it anew without --from",
        )
    if hashes(out) != manifest.get("files"):
        raise UsageError(
            "the earlier build has been changed since it was made",
            where=str(out),
            hint="build it anew without --from",
        )
    return out


def _facts(state: State, end: int) -> dict[str, Any]:
    return {
        "flow": __version__,
        "command": command_line(state.config),
        "choices": plain(state.config),
        "stages": [stage.name for stage in state.recipe.stages[: end + 1]],
        "whole": end == len(state.recipe.stages) - 1,
        "seed": state.config.seed,
        "model": {"sha256": state.source.sha256, "format": state.source.format}
        if state.source
        else {},
        "data": {"sha256": state.samples.sha256} if state.samples else {},
        "tools": dict(state.tools),
        "checks": [
            {"check": v.check, "status": v.status, "detail": v.detail} for v in state.verdicts
        ],
    }
