"""Part of the benchmark of language models: tokens beside those of the library `tokenizers`."""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from cases import Options
from common import HERE, Row
from designs import PYTHON, SEED
from lpu_large_tokenizer import hostile, large
from tokenizer_texts import families, strange, texts

from flow.errors import UnsupportedModel
from flow.frontend.language.tokenizer_json import read_tokenizer_json

SEVERAL, TEXTS, LEARNT = 4, 600, 2500
VOCABULARY = 1 << 20
"""More than any of these has."""


def tokenizers(options: Options) -> Iterable[list[Row]]:
    """Tokens and texts that differ from those of the library, by kind; speed; a large file."""
    if options.report:
        return
    if not PYTHON.is_file():
        yield [Row("tokenizers: texts whose tokens differ", None, "", note="make bench-setup")]
        return
    rival = f"tokenizers {_version()}"
    for name, part in {"kinds": compared, "large": large, "hostile": hostile}.items():
        if options.only in name:
            with tempfile.TemporaryDirectory() as scratch:
                yield part(Path(scratch), rival, options)


def _version() -> str:
    code = "import tokenizers; print(tokenizers.__version__)"
    done = subprocess.run([PYTHON, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def compared(place: Path, rival: str, options: Options) -> list[Row]:
    """Every kind that is read, and those that are not."""
    kinds = families(SEED, 2 if options.quick else SEVERAL)
    refused = strange(SEED)
    held = texts(SEED + 1, 8 * TEXTS)
    rng = random.Random(SEED)
    for specification in chain(*kinds.values(), refused):
        specification["texts"] = rng.sample(range(len(held)), 200 if options.quick else TEXTS)
    job = {
        "corpus": texts(SEED + 2, LEARNT), "texts": held,
        "tokenizers": [*chain(*kinds.values()), *refused],
    }  # fmt: skip
    (place / "job.json").write_text(json.dumps(job))
    subprocess.run(
        [PYTHON, HERE / "tokenizer_rivals.py", "train", place / "job.json", place],
        check=True, timeout=options.timeout_s, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    rows, ours, theirs, characters = [], 0.0, 0.0, 0
    for name, several in kinds.items():
        seen = [_differences(place, one, held) for one in several]
        tokens, told, drawn, known = (sum(one[key] for one in seen) for key in COUNTS)
        failed, lists = (sum(one[key] for one in seen) for key in ("failed", "lists"))
        note = f"{len(several)} tokenizers, of options drawn by chance" + (
            f"; {rival} itself fails at {failed} more" if failed else ""
        )
        rows += [
            Row(f"tokenizers: {name}: texts whose tokens differ", tokens, f"of {known - failed}",
                reach="0", met=tokens == 0, note=note),
            Row(f"tokenizers: {name}: texts that come back differently", told + drawn,
                f"of {known - failed + lists}", reach="0", met=told + drawn == 0,
                note="of their tokens, and of tokens drawn at random"),
        ]  # fmt: skip
        ours += sum(one["ours"] for one in seen)
        theirs += sum(one["theirs"] for one in seen)
        characters += sum(one["characters"] for one in seen)
    named = [_is_refused(place / f"{one['name']}.json") for one in refused]
    return [
        *rows,
        Row("tokenizers: kinds that are not read, refused by name", sum(named),
            f"of {len(named)}", reach="all", met=all(named)),
        Row("tokenizers: encoding of these texts", characters / ours, "characters/s", rival,
            characters / theirs, note="of a processor; ours is Python, theirs Rust"),
    ]  # fmt: skip


COUNTS = ("tokens", "told", "drawn", "texts")


def _differences(place: Path, specification: dict[str, Any], held: list[str]) -> dict[str, Any]:
    name = specification["name"]
    answers = json.loads((place / f"{name}.answers.json").read_text())
    tokenizer = read_tokenizer_json(place / f"{name}.json", VOCABULARY)
    given = [held[number] for number in specification["texts"]]
    start = time.process_time()
    tokens = [tokenizer.encode(text) for text in given]
    seconds = time.process_time() - start
    _show(name, given, tokens, answers["tokens"])
    told = [None if ids is None else tokenizer.decode(ids) for ids in answers["tokens"]]
    _show(name, answers["tokens"], told, answers["texts"])
    drawn = [tokenizer.decode(ids) for ids in answers["drawn"]]
    _show(name, answers["drawn"], drawn, answers["told"])
    return {
        "tokens": _count(tokens, answers["tokens"]), "told": _count(told, answers["texts"]),
        "drawn": _count(drawn, answers["told"]), "lists": len(drawn), "texts": len(given),
        "failed": answers["tokens"].count(None),
        "ours": seconds, "theirs": answers["seconds"], "characters": sum(map(len, given)),
    }  # fmt: skip


def _count(ours: list[Any], theirs: list[Any]) -> int:
    """Answers that differ, of those that the library gives."""
    return sum(other is not None and one != other for one, other in zip(ours, theirs, strict=True))


def _show(name: str, given: list[Any], ours: list[Any], theirs: list[Any]) -> None:
    """The first of what differs."""
    for text, one, other in zip(given, ours, theirs, strict=True):
        if other is not None and one != other:
            print(f"{name}: {text!r}: {one!r}, not {other!r}")
            return


def _is_refused(path: Path) -> bool:
    try:
        read_tokenizer_json(path, VOCABULARY)
    except UnsupportedModel:
        return True
    return False
