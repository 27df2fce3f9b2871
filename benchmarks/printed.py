"""Printed classifiers: exact baselines, searched designs, and everything published beside them.

    make bench-printed
    python benchmarks/printed.py [--only NAME,...] [--seeds N] [--generations N] [--workers N]
                                 [--report] [--times]

Every data set is split 70/30, stratified, with seed 42. The search sees training data; points are
picked by their accuracy in training and validation and by nothing else; the accuracy told is that
of the held-out 30 %, on which `flow build` has shown RTL, netlist and integer meaning equal.
A point counts with the lower of its accuracies in training and in validation, since the search
fits the first and has not seen the second, or, of NAME_crossed.toml (trees and perceptrons without
a search), with that of its cross-validation, if that is lower. For each loss the smallest
cross-validated point is taken that loses no more against the exact baseline, which is
cross-validated too, with a standard error to spare, or, where there is none, the most accurate.
For each published perceptron the most accurate point is taken that is 20 times smaller, or, where
that one does not promise enough, 5 times, or smaller at all; for each published tree the most
accurate that is smaller. Enough is the published accuracy with PROMISE to spare, and with a
standard error of the validation part where that tells the accuracy. Cross-validated points come
first: a validation part of a few dozen samples promises the best of many points more than the test
keeps.
What is done lies in benchmarks/cache/printed and is not done again; `--report` writes the tables of
that alone.
`--times` measures the time of a search of population 1000, for a quiet machine, and nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import HERE, ROOT, versions
from printed_baseline import crossed, forest, full_tree, measured, scripted
from printed_plots import plot
from printed_sets import SETS, Set
from printed_tables import tables

from flow.report.published import Published, published_for
from flow.search.front import Front, read_front
from flow.search.spec import read_spec
from flow.tech.registry import load

CACHE = HERE / "cache" / "printed"
KEPT = HERE / "results" / "printed"
LOSSES = (0.01, 0.05)
FACTORS = {"approximate MLP": (20.0, 5.0, 1.05), "approximate tree": (1.05,)}
"""How many times smaller than a published design of a kind its pick is, as far as it promises its
accuracy. Other kinds get no pick; the tables show all."""
FORM = 2
"""Of the results in the cache; those of another form are made again from what was searched."""
PROMISE = 0.01
TIMED = (30, 3000)
"""Generations of the searches of population 1000 that are timed."""
_TIMED = {"population": 1000, "refine": 0, "start": ["trees"]}


def main() -> None:
    """Everything that the arguments name and the cache lacks, then the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--only", default="", help="names of data sets, with commas")
    parser.add_argument("--seeds", type=int, help="searches of each set, not those of the sets")
    parser.add_argument("--generations", type=int, help="in place of those of the examples")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--report", action="store_true", help="measure nothing that is not cached")
    parser.add_argument("--times", action="store_true", help="only the time of large searches")
    given = parser.parse_args()
    if given.times:
        for generations in TIMED:
            timed(SETS["cardio"], generations, given.workers)
        write()
        return
    names = [name for name in given.only.split(",") if name] or list(SETS)
    if strange := [name for name in names if name not in SETS]:
        parser.error(f"no data set {strange[0]!r}: there are {', '.join(SETS)}")
    if not given.report:
        for name in names:
            if not SETS[name].path.is_file():
                print(f"{name}: not measured, the data set is not here", file=sys.stderr)
                continue
            one_set(SETS[name], given)
            write()
    write()


def one_set(one: Set, given: argparse.Namespace) -> None:
    """Baseline, searches and builds of one data set; the result goes into the cache."""
    place = CACHE / one.name
    place.mkdir(parents=True, exist_ok=True)
    base = cached(place / f"baseline-{one.key}.json", lambda: measured(one))
    seeds = range(1, (given.seeds or one.seeds) + 1)
    base["crossed"] = cached(place / f"crossed-{one.key}.json", lambda: crossed(one))
    ceiling = cached(place / f"forest-{one.key}.json", lambda: forest(one))
    grown = cached(place / f"tree-{one.key}.json", lambda: full_tree(one))
    folders = [
        searched(one, place, seed, given, file)
        for file in (one.spec_file, one.crossed_file)
        for seed in seeds
    ]
    plain = len(folders) // 2
    fronts = [read_front(folder) for folder in folders]
    points = [(seed, index) for seed, f in enumerate(fronts) for index in range(len(f.points))]
    tried = [place for place in points if fronts[place[0]].points[place[1]].tried]
    points = [place for place in points if place[0] < plain]
    wanted = list(wishes(one, base))
    designs: dict[str, Any] = {}
    for wish in wanted:
        kind = wish.get("rival", {}).get("kind")
        groups = [(tried, 0.0)]
        if kind == "approximate MLP":
            groups.append((points, spare(wish["promise"], base)))
        chosen = pick(fronts, groups, wish)
        wish["design"] = None
        if chosen is not None:
            key = f"{folders[chosen[0]].name}-{chosen[1]}"
            front = fronts[chosen[0]]
            wish |= {"design": key, "promised": front.accuracy(front.points[chosen[1]])}
            designs.setdefault(key, (folders[chosen[0]], chosen[1]))
    built = {key: build(one, place, key, *design) for key, design in designs.items()}
    spread = {
        f"{loss:g}": [
            area_at(fronts, [p for p in tried if p[0] == k], bound(base, loss))
            for k in range(plain, len(folders))
        ]
        for loss in LOSSES
    }
    result = {
        "form": FORM,
        "set": one.name,
        "clock_ms": one.clock_ms,
        "clip": one.spec.clip,
        "baseline": base,
        "forest": ceiling,
        "tree": grown,
        "search": [json.loads((folder / "took.json").read_text()) for folder in folders],
        "area_by_seed_cm2": spread,
        "agreement": [front.agreement for front in fronts[:plain]],
        "fronts": [
            [[front.accuracy(p), p.area / 1e8, p.leakage / 1e6] for p in front.points]
            for front in fronts
        ],
        "picks": wanted,
        "designs": built,
    }
    (place / "result.json").write_text(json.dumps(result, indent=1) + "\n")


def cached(file: Path, work: Any) -> Any:
    """What a file holds, or else what the work gives, which goes into it."""
    if not file.is_file():
        file.write_text(json.dumps(work(), indent=1) + "\n")
    return json.loads(file.read_text())


def searched(one: Set, place: Path, seed: int, given: argparse.Namespace, file: Path) -> Path:
    """The folder of a search that has ended; a search that was stopped goes on."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    spec = read_spec(file)
    fewer = given.generations if spec.generations else None
    generations = spec.generations if fewer is None else fewer
    folder = place / f"search-{digest}-{generations}-{seed}"
    if (folder / "took.json").is_file():
        return folder
    took = clocked("search", file, "--data", one.path, "--generations", generations,
                   "--seed", seed, "--workers", given.workers, "-o", folder)  # fmt: skip
    facts = {"seed": seed, "population": spec.population, "generations": generations,
             "workers": given.workers, **took}  # fmt: skip
    (folder / "took.json").write_text(json.dumps(facts) + "\n")
    return folder


def timed(one: Set, generations: int, workers: int) -> None:
    """The time of a whole search of population 1000 without local search, its front mapped.

    One that was stopped goes on, and its time says no more than that.
    """
    place = CACHE / f"times-{one.name}-{generations}"
    if (place / "took.json").is_file():
        return
    resumed = place.is_dir()
    place.mkdir(parents=True, exist_ok=True)
    kept = [
        line
        for line in one.spec_file.read_text().splitlines()
        if line.split("=")[0].strip() not in (*_TIMED, "generations")
    ]
    kept += [f"{name} = {json.dumps(value)}" for name, value in _TIMED.items()]
    spec = place / "spec.toml"
    spec.write_text("\n".join([*kept, f"generations = {generations}"]) + "\n")
    took = clocked("search", spec, "--data", one.path, "--workers", workers, "-o", place / "search")
    facts = {"set": one.name, "population": _TIMED["population"], "generations": generations,
             "workers": workers, **took, "resumed": resumed}  # fmt: skip
    (place / "took.json").write_text(json.dumps(facts) + "\n")


def wishes(one: Set, base: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What picks must have: a cross-validated accuracy, or an area in cm2."""
    for loss in LOSSES:
        yield {"what": f"loss {loss:.0%}", "loss": loss, "fit": bound(base, loss)}
    for rival in published_for(one.name):
        if rival.kind in FACTORS and rival.accuracy is not None:
            limits = [rival.area_cm2 / factor for factor in FACTORS[rival.kind]]
            wish = {"area_cm2": limits, "promise": rival.accuracy + PROMISE}
            yield {"what": named(rival), "rival": facts(rival), **wish}


def bound(base: dict[str, Any], loss: float) -> float:
    """The accuracy that a point must have: the baseline's less the loss, and a standard error."""
    share = base["crossed"] - loss
    samples = base["samples"]["train"] + base["samples"]["valid"]
    return float(share + math.sqrt(share * (1 - share) / samples))


def spare(share: float, base: dict[str, Any]) -> float:
    """The standard error of an accuracy in the validation part."""
    return math.sqrt(max(0.0, share * (1 - share)) / base["samples"]["valid"])


def pick(
    fronts: list[Front], groups: list[tuple[list[tuple[int, int]], float]], wish: dict[str, Any]
) -> tuple[int, int] | None:
    """(front, point): the smallest that is as accurate as wished, or the most accurate that is as
    small and, of the first group that has one, promises enough and what the group has to spare;
    None where none is so small."""

    def accuracy(place: tuple[int, int]) -> float:
        front = fronts[place[0]]
        return front.accuracy(front.points[place[1]])

    def area(place: tuple[int, int]) -> float:
        return fronts[place[0]].points[place[1]].area / 1e8

    def most(points: list[tuple[int, int]]) -> tuple[int, int] | None:
        return min(points, key=lambda p: (-accuracy(p), area(p), p), default=None)

    if "fit" in wish:
        points = [place for group, _ in groups for place in group]
        found = [place for place in points if accuracy(place) >= wish["fit"] - 1e-9]
        return min(found, key=lambda place: (area(place), place)) if found else most(points)
    least: list[tuple[int, int]] = []
    for limit in wish["area_cm2"]:
        least = []
        for points, more in groups:
            best = most([place for place in points if area(place) <= limit])
            if best is not None and accuracy(best) >= wish["promise"] + more:
                return best
            least += [best] if best is not None else []
    return least[0] if least else None


def area_at(fronts: list[Front], points: list[tuple[int, int]], fit: float) -> float | None:
    """The area in cm2 of what `pick` takes of some points for an accuracy."""
    found = pick(fronts, [(points, 0.0)], {"fit": fit})
    return None if found is None else fronts[found[0]].points[found[1]].area / 1e8


def build(one: Set, place: Path, key: str, folder: Path, index: int) -> dict[str, Any]:
    """What `flow build` measures of a point, and its area by the script of all rivals."""
    out = place / f"build-{key}"
    if not (out / "report.json").is_file():
        flow("build", folder, "--pick", index, "--simulator", "icarus", "-o", out)
    report = json.loads((out / "report.json").read_text())
    KEPT.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(out / "manifest.json", KEPT / f"{one.name}-{key}.manifest.json")
    verilog = "\n".join(path.read_text() for path in sorted((out / "rtl").glob("*.v")))
    script = cached(place / f"script-{key}.json", lambda: scripted(verilog, top_of(report, out)))
    low = load("egfet", 0.6)
    cells = {cell["name"]: cell["count"] for cell in report["area"]["cells"]}
    return {
        "accuracy": report["accuracy"]["circuit"],
        "samples": report["accuracy"]["samples"],
        "area_cm2": report["area"]["um2"] / 1e8,
        "script_area_cm2": script[0],
        "script_power_mw": script[1],
        "power_mw": report["power"]["leakage_mw"] + report["power"]["switching_mw"],
        "power_06_mw": sum(low.cells[name].cell_leakage * n for name, n in cells.items()) / 1e3,
        "delay": [report["timing"]["delay"], report["timing"]["unit"]],
        "sensors": {name: report["sensors"][name] for name in ("area_um2", "power_mw")},
        "checks": sorted({check["status"] for check in report["checks"]}),
        "manifest": f"{one.name}-{key}.manifest.json",
    }


def top_of(report: dict[str, Any], out: Path) -> str:
    """The name of the top module: that of the one synthesisable source list."""
    return str(next(iter(sorted(path.stem for path in out.glob("*.core")))))


def flow(*words: object) -> None:
    """Run the command line; its progress goes through."""
    subprocess.run([sys.executable, "-m", "flow", *map(str, words)], check=True, cwd=ROOT)


def clocked(*words: object) -> dict[str, float]:
    """Run the command line: seconds on the wall, seconds of all processors in it and what it
    started, and processes that wanted to run meanwhile, its own among them (mean of both ends)."""
    begin, load = time.perf_counter(), os.getloadavg()[0]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    flow(*words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {
        "seconds": round(time.perf_counter() - begin, 1),
        "cpu_seconds": round(used, 1),
        "load": round((load + os.getloadavg()[0]) / 2, 1),
    }


def named(rival: Published) -> str:
    """How a published design is called in the tables."""
    how = "" if rival.how == "published" else f" ({rival.how})"
    loss = f", {rival.note}" if "loss" in rival.note else ""
    return f"{rival.paper} {rival.kind}{how}{loss}"


def facts(rival: Published) -> dict[str, Any]:
    """The figures of a published design for the record."""
    names = ("paper", "kind", "accuracy", "at_least", "area_cm2", "power_mw", "how", "voltage")
    return {name: getattr(rival, name) for name in names}


def write() -> None:
    """benchmarks/printed.md, results/printed.json and the plots of all that is in the cache.

    Manifests of designs that are picked no more are removed.
    """
    places = [CACHE / name / "result.json" for name in SETS]
    results = [json.loads(place.read_text()) for place in places if place.is_file()]
    results = [result for result in results if result.get("form") == FORM]
    kept = {design["manifest"] for result in results for design in result["designs"].values()}
    for path in KEPT.glob("*.manifest.json"):
        if path.name not in kept:
            path.unlink()
    times = [json.loads(path.read_text()) for path in sorted(CACHE.glob("times-*/took.json"))]
    found = {
        "versions": versions("flow", "numpy", "scikit-learn", "pyosys"),
        "sets": results,
        "times": times,
    }
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "printed.json").write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "printed.md").write_text(tables(results, times))
    plot(results, ROOT / "docs" / "printed_fronts.svg")


if __name__ == "__main__":
    main()
