"""A search from its specification to its folder: data, first population, generations, front."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from flow import __version__
from flow.errors import ToolError, UsageError
from flow.ir.tensor import IntArray
from flow.pipeline.growing import recipes_for
from flow.pipeline.mapped_areas import MappedAreas
from flow.pipeline.trimming import with_trimmed
from flow.progress import Progress, silent
from flow.search.checkpoint import load_state, save_state, write_whole
from flow.search.conclude import count_right, with_decisions
from flow.search.costs import MappedArea
from flow.search.estimate import AreaEstimate, agreement
from flow.search.evolution import Engine, Estimator, Plan, Problem, State
from flow.search.executors import executor
from flow.search.front import FIT, FRONT, SPEC, TEST, Front, Point, print_front
from flow.search.frugal_trees import frugal_trees
from flow.search.nets import net_genome
from flow.search.refine import points, polish
from flow.search.sensors import MOST_BITS, SensorAreas, SensorEstimate
from flow.search.space import Space
from flow.search.spec import Spec, read_spec
from flow.search.trees import Leaf, tree_genome
from flow.tech.registry import load
from flow.tech.technology import Technology
from flow.tools import abc
from flow.train.dataset import Dataset, prepare
from flow.train.gradient import GradientOptions, powers_of_two, train_many
from flow.train.smearing import Smearing
from flow.train.table import Table, load_table
from flow.train.trees import LEAVES, grow_trees

AREAS = "areas.txt"
"""Costs by the hash of their graph."""
HIDDEN, STEPS = (2, 3, 5, 8), 500
"""What is trained by gradients for a first population: neurons of each size, and steps."""
NETWORKS = (16, 48)
"""How many networks of each size at least and at most; small data afford more."""
VALUES = 200_000
"""Values of all samples of all networks that one step of training works on."""


@dataclass(frozen=True)
class Search:
    """What a search is made of, before any of its work is done."""

    spec: Spec
    text: str
    data: Dataset
    space: Space
    technology: Technology

    @property
    def problem(self) -> Problem:
        """The training part: what fitness counts on."""
        shapes = f"{self.space}:{self.data.x_train.shape}".encode()
        digest = hashlib.sha256(
            shapes + self.data.x_train.tobytes() + self.data.y_train.astype("<i8").tobytes()
        )
        return Problem(self.space, self.data.x_train, self.data.y_train, digest.hexdigest())

    @property
    def identity(self) -> dict[str, str | int]:
        """What two runs of one search have in common."""
        spec = replace(self.spec, source="", name="")
        told = ";".join(f"{f.name}={getattr(spec, f.name)!r}" for f in fields(Spec))
        return {
            "specification": hashlib.sha256(told.encode()).hexdigest(),
            "data": self.data.table.sha256,
            "seed": self.spec.seed,
            "flow": __version__,
        }


def open_search(
    path: Path, data: Path | None = None, generations: int | None = None, seed: int | None = None
) -> Search:
    """A specification and its data, read and checked; UsageError where they do not fit."""
    given = {"generations": generations, "seed": seed}
    spec = read_spec(path, **{name: v for name, v in given.items() if v is not None})
    if spec.sensors and spec.input_bits > MOST_BITS:
        raise UsageError(
            f"converters of {spec.input_bits} bits are not counted",
            where=str(path),
            hint=f"give at most {MOST_BITS} input_bits, or leave sensors out",
        )
    table = _table(spec, path.parent, data)
    held = prepare(table, spec.input_bits, validation=spec.validation, clip=spec.clip)
    space = Space(
        held.features, spec.hidden, held.classes, spec.input_bits, spec.hidden_bits,
        spec.exponents, spec.bias_bits, spec.largest_shift, spec.tournament,
    )  # fmt: skip
    return Search(spec, path.read_text(), held, space, load(spec.tech, spec.voltage))


def _table(spec: Spec, folder: Path, data: Path | None) -> Table:
    if data is not None:
        return load_table(data.name, data.parent, spec.drop, spec.missing)
    place = folder / spec.data
    if not spec.data.startswith("sklearn:") and not place.is_file():
        origin = f"; it is {spec.source}" if spec.source else ""
        raise UsageError(
            f"the data {spec.data} are not here{origin}",
            where=str(place),
            hint="put the file there, label last, or name it with --data FILE",
        )
    return load_table(spec.data, folder, spec.drop, spec.missing)


def run_search(
    search: Search,
    out: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
    listener: Callable[[State], None] = lambda state: None,
) -> Front:
    """Search, or go on where an earlier run of the same search in `out` was left; its front.

    `listener` is told every state.
    """
    out.mkdir(parents=True, exist_ok=True)
    _own(out)
    problem, spec = search.problem, search.spec
    with executor(workers, scheduler) as work:
        areas: MappedArea = MappedAreas(search.technology, work, out / AREAS)
        estimate: Estimator = AreaEstimate(search.technology)
        if spec.sensors:
            areas, estimate = SensorAreas(areas), SensorEstimate(estimate)
        plan = Plan(spec.population, spec.seed, spec.bound, spec.mapped, spec.refit)
        engine = Engine(problem, plan, areas, estimate, work)
        state = load_state(out, search.identity)
        if state is None:
            write_whole(out / SPEC, search.text.encode())
            progress("first population", 0, None)
            state = engine.start(seeds(search))
            save_state(out, state, search.identity)
        listener(state)
        while (after := _next(engine, state, spec, progress)) is not None:
            state = after
            save_state(out, state, search.identity)
            listener(state)
        found = points(state, engine)
        if spec.refine:
            progress("decisions of the points")
            found = with_decisions(problem, found, areas, work, spec.seed)
        found = _validated(search, found)
        if spec.trim:
            progress("trimming gates")
            recipes = recipes_for(search.data, spec.start, spec.recipes)
            found = with_trimmed(
                search.space, search.data, found, areas, work, spec.trim, spec.seed, recipes,
                spec.folds, Smearing(spec.smeared, spec.teacher),
            )  # fmt: skip
        best = state.archive
        estimated = engine.estimates(best.genomes, state.coefficients)
        front = _front(search, state, found, agreement(estimated, best.areas))
    _write(search, out, front)
    return front


def _next(engine: Engine, state: State, spec: Spec, progress: Progress) -> State | None:
    """The state after one more generation or round of local search; None at the end.

    Half of the rounds come between the generations, at equal distances, the others after them.
    """
    early = spec.refine // 2
    due = state.generation * (early + 1) >= (state.rounds + 1) * spec.generations
    left = state.generation < spec.generations
    if state.rounds < (early if left else spec.refine) and (due or not left):
        progress(f"refining {_told(state)}", state.rounds, spec.refine)
        after = polish(engine, state)
        if after is not state:
            return after
    if not left:
        return None
    progress(_told(state), state.generation, spec.generations)
    return engine.step(state)


def seeds(search: Search) -> list[IntArray]:
    """Genomes that the first population stands on."""
    found: list[IntArray | None] = []
    space, data, spec = search.space, search.data, search.spec
    if "trees" in spec.start and spec.hidden:
        # The class of most leaves needs no neurons, so a tree may have more leaves than those.
        sizes = [count for count in LEAVES if count <= 2 * min(spec.hidden)]
        for leaves in grow_trees(data.x_train, data.y_train, sizes, seed=spec.seed):
            found.append(tree_genome(space, [Leaf(path, label) for path, label in leaves]))
        for tree in frugal_trees(data.x_train, data.y_train, spec.input_bits, sizes):
            found.append(tree_genome(space, tree))
    if "gradient" in spec.start and spec.hidden:
        levels = powers_of_two(spec.exponents)
        bits = tuple(range(1, spec.hidden_bits + 1))
        # Networks take turns in bits and sparsity, so they come by sixteens.
        count = VALUES // data.x_train.size // 16 * 16
        count = min(max(count, NETWORKS[0]), NETWORKS[1])
        for hidden in dict.fromkeys(min(width, *spec.hidden) for width in HIDDEN):
            options = GradientOptions(
                hidden, levels, count, bits, steps=STEPS,
                bias=(1 << (spec.bias_bits - 1)) - 1, seed=spec.seed,
            )  # fmt: skip
            for n in train_many(data, options):
                found.append(net_genome(space, n.w1, n.b1, n.shifts, n.bits, n.w2, n.b2))
    return [genome for genome in found if genome is not None]


def _told(state: State) -> str:
    share = state.history[-1] if state.history else 0.0
    return f"{len(state.archive.errors)} points, hypervolume {share:.4f}"


def _own(out: Path) -> None:
    """Refuse a folder that holds what no search has written."""
    names = {path.name for path in out.iterdir()}
    if names and not names & {SPEC, FRONT, "state.json"}:
        raise UsageError(
            "the output folder holds files that no search has written",
            where=str(out),
            hint="name another folder with -o, or empty this one yourself",
        )


def _validated(search: Search, found: Sequence[Point]) -> list[Point]:
    """The points with the number of validation samples that each gets right."""
    data, space = search.data, search.space
    return [replace(p, valid=count_right(space, p, data.x_valid, data.y_valid)) for p in found]


def _front(search: Search, state: State, found: Sequence[Point], ranks: float | None) -> Front:
    data = search.data
    return Front(
        name=search.spec.name or data.table.name,
        space=search.space,
        low=tuple(data.scaler.low.tolist()),
        high=tuple(data.scaler.high.tolist()),
        columns=data.table.columns,
        classes=data.table.classes,
        samples={"train": len(data.y_train), "valid": len(data.y_valid), "test": len(data.y_test)},
        reference=search.spec.reference,
        technology=search.spec.tech,
        voltage=search.technology.voltage,
        generations=state.generation,
        seed=search.spec.seed,
        hypervolume=state.history,
        hashes={
            "data": data.table.sha256,
            "specification": hashlib.sha256(search.text.encode()).hexdigest(),
        },
        versions=_versions(),
        points=tuple(found),
        agreement=ranks,
    )


def _versions() -> dict[str, str]:
    try:
        mapper = abc.version()
    except ToolError as error:
        mapper = f"unknown: {error.message}"
    packages = ("numpy", "deap", "scikit-learn")
    return {"flow": __version__, "abc": mapper, **{name: version(name) for name in packages}}


def _write(search: Search, out: Path, front: Front) -> None:
    """The front, and the samples it stands on, so that a point is built from the folder alone."""
    train, valid, test = search.data.rows
    write_whole(out / TEST, _csv(search.data.table, test))
    write_whole(out / FIT, _csv(search.data.table, np.concatenate([train, valid])))
    write_whole(out / FRONT, print_front(front).encode())


def _csv(table: Table, rows: IntArray) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*table.columns, "label"])
    for sample, label in zip(table.x[rows].tolist(), table.y[rows].tolist(), strict=True):
        writer.writerow([*sample, table.classes[label]])
    return file.getvalue().encode()
