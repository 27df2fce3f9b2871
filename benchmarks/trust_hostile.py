"""Campaigns of hostile input, accidents and reproducibility, each with a record of its own.

    python benchmarks/trust_hostile.py cases [KIND ...]
    python benchmarks/trust_hostile.py again                the cases that were bad, once more
    python benchmarks/trust_hostile.py fuzz SECONDS [KIND ...]
    python benchmarks/trust_hostile.py kills | searches | starve | at-once | reproduce [COUNT]

All go on where their record ends; `cases` runs the kinds anew that it is given. Records are
results/hostile_*.json; the part `hostile` of trust.py makes the rows of trust.md from them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cases import Options
from common import HERE, ROOT, Row

TESTS = ROOT / "tests"
RESULTS = HERE / "results"
CASES, FUZZ, ACCIDENTS = (RESULTS / f"hostile_{n}.json" for n in ("cases", "fuzz", "accidents"))
ENOUGH = 300
"""Inputs of each kind."""
HOUR = 3600


def _child(*words: str, stdout: Any = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", *words], cwd=TESTS, env=environment, text=True, stdout=stdout
    )


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def _store(path: Path, facts: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    part.replace(path)


def run_corpus(kinds: list[str]) -> None:
    """Run the corpus of each kind, and keep what it came to."""
    sys.path.insert(0, str(TESTS))
    from hostile.corpus import KINDS

    there = _read(CASES)
    for kind in kinds or [kind for kind in KINDS if kind not in there]:
        codes: Counter[str] = Counter()
        bad: list[dict[str, Any]] = []
        seconds = peak = 0.0
        with _child("hostile.arena", kind, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if not line.startswith("{"):
                    continue
                told = json.loads(line)
                codes[str(told["code"])] += 1
                seconds, peak = max(seconds, told["seconds"]), max(peak, told["peak"])
                if told["faults"]:
                    bad.append({key: told[key] for key in ("name", "code", "faults")})
        if child.returncode:
            raise SystemExit(f"{kind}: the runner ended with {child.returncode}")
        there = _read(CASES)
        there[kind] = {
            "cases": sum(codes.values()), "codes": dict(codes), "bad": bad,
            "longest_s": seconds, "peak_mib": round(peak / (1 << 20)),
        }  # fmt: skip
        _store(CASES, there)
        print(kind, there[kind]["cases"], dict(codes), f"{len(bad)} bad", flush=True)


def run_again() -> None:
    """Run the cases that were bad once more: mended, or killed for the load of the machine."""
    for kind, facts in _read(CASES).items():
        names = [f"--named={case['name']}" for case in facts["bad"]]
        if not names:
            continue
        bad = []
        with _child("hostile.arena", kind, *names, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for told in (json.loads(line) for line in child.stdout if line.startswith("{")):
                old = next(case for case in facts["bad"] if case["name"] == told["name"])
                facts["codes"] = dict(
                    Counter(facts["codes"])
                    - Counter([str(old["code"])])
                    + Counter([str(told["code"])])
                )
                facts["longest_s"] = max(facts["longest_s"], told["seconds"])
                facts["peak_mib"] = max(facts["peak_mib"], round(told["peak"] / (1 << 20)))
                if told["faults"]:
                    bad.append({key: told[key] for key in ("name", "code", "faults")})
        facts["bad"] = bad
        _store(CASES, {**_read(CASES), kind: facts})
        print(kind, facts["codes"], f"{len(bad)} bad", flush=True)


def run_accidents(what: str, count: int | None) -> None:
    """Run one campaign of accidents."""
    sys.path.insert(0, str(TESTS))
    import trust_accidents as accidents

    def each(facts: dict[str, Any]) -> None:
        _store(ACCIDENTS, {**_read(ACCIDENTS), what: facts})

    work: dict[str, Callable[[], Any]] = {
        "kills": lambda: accidents.kill_builds(count or accidents.BUILD_KILLS, each),
        "searches": lambda: accidents.kill_searches(count or accidents.SEARCH_KILLS, each),
        "starve": lambda: accidents.starve(each),
        "at-once": lambda: accidents.at_once(each),
        "reproduce": lambda: accidents.reproduce(
            _read(ACCIDENTS).get(what, {}), each, count or accidents.NETWORKS
        ),
    }
    if what not in work:
        raise SystemExit(__doc__)
    print(json.dumps(work[what](), indent=1))


def hostile(options: Options) -> Iterator[list[Row]]:
    """What the records say."""
    del options
    corpus, fuzz, accidents = _read(CASES), _read(FUZZ), _read(ACCIDENTS)
    yield [*_corpus_rows(corpus), *_fuzz_rows(fuzz), *_accident_rows(accidents)]


def _corpus_rows(corpus: dict[str, Any]) -> Iterator[Row]:
    if corpus:
        total, bad = (sum(f["cases"] for f in corpus.values()), sum(
            len(f["bad"]) for f in corpus.values()))  # fmt: skip
        few = min(f["cases"] for f in corpus.values())
        note = f"{len(corpus)} kinds, at least {few} each"
        yield Row("hostile input, files", total, "", reach="at least 300 of each kind",
                  met=few >= ENOUGH, note=note)  # fmt: skip
        yield Row("hostile input, files that did harm or ended wrongly", bad, "", reach="0",
                  met=bad == 0)  # fmt: skip
        longest = max(f["longest_s"] for f in corpus.values())
        yield Row("hostile input, longest", longest, "s", reach="at most 10", met=longest <= 10,
                  note="processor time")  # fmt: skip
        peak = max(f["peak_mib"] for f in corpus.values())
        yield Row("hostile input, most memory", peak, "MiB", reach="below 1024", met=peak < 1024)
    for kind, facts in corpus.items():
        codes = ", ".join(f"{n} ended with {code}" for code, n in sorted(facts["codes"].items()))
        yield Row(f"hostile input, {kind}, wrong", len(facts["bad"]), f"of {facts['cases']}",
                  reach="0", met=not facts["bad"], note=codes)  # fmt: skip


def _fuzz_rows(fuzz: dict[str, Any]) -> Iterator[Row]:
    for kind, facts in sorted(fuzz.items()):
        spent = facts["processor_seconds"]
        note = f"{facts['executions']} inputs in {spent:.0f} s of processor time"
        yield Row(f"fuzzing, {kind}, findings", len(facts["findings"]), "", reach="0 in an hour",
                  met=not facts["findings"] and spent >= HOUR, note=note)  # fmt: skip


def _accident_rows(found: dict[str, Any]) -> Iterator[Row]:
    if facts := found.get("kills"):
        note = f"{facts['old']} left the old folder, {facts['new']} the new one"
        yield Row("accidents, builds killed", facts["kills"], "", reach="at least 200, none bad",
                  met=facts["kills"] >= 200 and not facts["bad"], note=note)  # fmt: skip
    if facts := found.get("searches"):
        note = f"{facts['searches']} searches ended, {len(facts['bad'])} with another front"
        yield Row("accidents, searches killed", facts["kills"], "", reach="at least 100, none bad",
                  met=facts["kills"] >= 100 and not facts["bad"], note=note)  # fmt: skip
    if facts := found.get("starve"):
        note = (f"{facts['limits']} limits of files, full disks: {facts['full disks']}, "
                f"{facts['read-only']} places that cannot be written")  # fmt: skip
        yield Row("accidents, no room, bad", len(facts["bad"]), "", reach="0",
                  met=not facts["bad"], note=note)  # fmt: skip
    if facts := found.get("at-once"):
        yield Row("accidents, eight builds at once, bad", len(facts["bad"]),
                  f"of {facts['builds']}", reach="0", met=not facts["bad"])  # fmt: skip
    if facts := found.get("reproduce"):
        verdicts = [v for v in facts["networks"].values() if v != "refused"]
        same = sum(verdict == "identical" for verdict in verdicts)
        yield Row("reproducible, networks with identical trees", same, f"of {len(verdicts)}",
                  reach="all of at least 20", met=same == len(verdicts) >= 20)  # fmt: skip


def main() -> None:
    """One campaign."""
    match sys.argv[1:]:
        case ["cases", *kinds]:
            run_corpus(kinds)
        case ["again"]:
            run_again()
        case ["fuzz", seconds, *kinds]:
            words = ("hostile.fuzz", str(FUZZ), "--seconds", seconds, *kinds)
            raise SystemExit(_child(*words).wait())
        case [what, *count] if what not in ("-h", "--help"):
            run_accidents(what, int(count[0]) if count else None)
        case _:
            print(__doc__)


if __name__ == "__main__":
    main()
