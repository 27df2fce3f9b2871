"""The part `compiler` of the benchmark of trust: what the records of its long campaigns say.

Each campaign is a command of its own that goes on where it stopped; here their records become rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from cases import Options
from common import HERE, Row

NETWORKS, KILLED_BENCH, KILLED_TESTS, RELATED = 3000, 95.0, 85.0, 200
DESIGNS, MUTANTS = 5, 1000


def compiler(options: Options) -> Iterator[list[Row]]:
    """Soak, proofs of passes, strength of bench and tests, relations: those that have a record."""
    parts = {
        "soak": soak, "pass_proofs": proofs, "bench_strength": bench, "mutation": tests,
        "metamorphic": relations,
    }  # fmt: skip
    for name, rows in parts.items():
        path = HERE / "results" / f"{name}.json"
        if path.is_file() and options.only in name:
            yield rows(json.loads(path.read_text()))


def soak(record: dict[str, Any]) -> list[Row]:
    """Networks that agree on every rung, and how many do not."""
    count, wrong = record["networks"], len(record["mismatches"])
    wanted = len(record["counts"].get("layers", {})), len(record["counts"].get("passes", {}))
    mended = len(record.get("mended", []))
    note = (
        f"seed {record['seed']}, {record['stimuli']} stimuli each, {wanted[0]} kinds of layers, "
        f"{wanted[1]} passes, {record['refused']} refused, {mended} mismatches mended on the way, "
        f"{record['seconds'] / 3600:.1f} h"
    )
    bound = 100 * 3 / count if count and not wrong else None
    return [
        Row("soak, networks the same on every rung", count, "", reach=f"at least {NETWORKS}",
            met=count >= NETWORKS, note=note),
        Row("soak, mismatches", wrong, "", reach="0", met=wrong == 0),
        Row("soak, rate of failures below, at 95 % confidence", bound, "%"),
        Row("soak, seconds a network", record["seconds"] / max(1, count), "s"),
    ]  # fmt: skip


def proofs(record: dict[str, Any]) -> list[Row]:
    """Verdicts, never merged."""
    counts = Counter(record["counts"])
    decided = counts["proved"] + counts["disproved"]
    late = counts["timed out"] + counts["mutant timed out"]
    how = ", ".join(f"{counts[k]} {k}" for k in sorted(counts) if k.startswith("by "))
    note = f"{record['networks']} networks; {how}"
    return [
        Row("passes, steps proved", counts["proved"], "", note=note),
        Row("passes, steps disproved", counts["disproved"], "", reach="0",
            met=counts["disproved"] == 0),
        Row("passes, steps timed out", late, "", reach="0", met=late == 0),
        Row("passes, share of steps decided", 100 * decided / max(1, decided + late), "%"),
        Row("passes, mutants refused", counts["mutants refused"], ""),
        Row("passes, mutants found equal", counts["mutant found equal"], "", reach="0",
            met=counts["mutant found equal"] == 0),
    ]  # fmt: skip


def bench(record: dict[str, Any]) -> list[Row]:
    """Mutants that the bench kills with the samples alone, and with probes."""
    total: Counter[str] = Counter()
    for found in record["designs"].values():
        total.update({k: int(v) for k, v in found.items()})
    count = max(1, total["mutants"])
    enough = total["mutants"] >= MUTANTS and len(record["designs"]) >= DESIGNS
    note = (
        f"{total['mutants']} mutants of {len(record['designs'])} designs, {total['equivalent']} "
        f"others proved equivalent, {total['undecided']} undecided count as alive"
    )
    share = 100 * total["both"] / count
    designs = record["designs"].values()
    slowest = max(designs, key=lambda found: found.get("seconds", 0.0), default={})
    seconds = slowest.get("seconds")
    sizes = f"{slowest.get('probes', 0)} probes, {slowest.get('cells', 0)} cells"
    return [
        Row("bench, mutants killed by samples and probes", share, "%", "samples alone",
            100 * total["own"] / count, f"at least {KILLED_BENCH:g}",
            enough and share >= KILLED_BENCH, note=note),
        Row("bench, time to find the probes, the slowest design", seconds, "s", note=sizes),
        Row("bench, mutants that Icarus judges alike",
            100 * total["agree"] / max(1, total["asked"]), "%", reach="100",
            met=0 < total["agree"] == total["asked"], note=f"{total['asked']} mutants"),
    ]  # fmt: skip


def tests(record: dict[str, Any]) -> list[Row]:
    """Mutants of the compiler that its tests kill, by room."""
    found = []
    for room in ("flow/passes", "flow/backends"):
        own = Counter(v for k, v in record["mutants"].items() if k.startswith(room))
        count = sum(own.values())
        share = 100 * own["killed"] / count if count else None
        rest = ", ".join(f"{n} {k}" for k, n in sorted(own.items()) if k != "killed")
        found.append(
            Row(f"tests, mutants of {room} killed", share, "%",
                reach=f"at least {KILLED_TESTS:g}",
                met=None if share is None else share >= KILLED_TESTS,
                note=f"{count} of {record['drawn']} drawn mutants of both rooms; {rest}")
        )  # fmt: skip
    return found


def relations(record: dict[str, Any]) -> list[Row]:
    """Violations of relations between networks."""
    wrong = len(record["violations"])
    return [
        Row("relations, violations", wrong, "", reach="0", met=wrong == 0,
            note=f"{len(record['relations'])} relations on {record['networks']} networks"),
        Row("relations, networks", record["networks"], "", reach=f"at least {RELATED}",
            met=record["networks"] >= RELATED),
    ]  # fmt: skip
