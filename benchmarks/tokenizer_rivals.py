"""Runs in the rivals' own environment: the library `tokenizers`, on tokenizers that it trains.

    python tokenizer_rivals.py train JOB FOLDER
    python tokenizer_rivals.py read JOB FOLDER

A job is JSON. `train` has texts to learn ("corpus"), texts to encode ("texts"), and specifications
("tokenizers"): each is trained, saved as NAME.json, and answered as NAME.answers.json with the
tokens of its texts, the texts of its tokens, texts of tokens drawn at random, and the seconds of a
processor that encoding took. `read` names a file ("file") and texts: answers.json has their tokens,
and seconds. Imports nothing of flow.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

SIGN = "\N{LOWER ONE EIGHTH BLOCK}"
DRAWN, LENGTH = 200, 12
UNKNOWN = "<unk>"
LAST = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def main() -> None:
    """All of a job."""
    task, job, folder = sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3])
    if task == "read":
        read(job, folder)
        return
    for specification in job["tokenizers"]:
        texts = [job["texts"][number] for number in specification["texts"]]
        answer(specification, texts, train(specification, job["corpus"]), folder)


def train(specification: dict[str, Any], corpus: list[str]) -> tuple[list[str], list[Any]]:
    """Pieces in the order of their tokens, and merges."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    signs = specification["kind"] == "signs"
    tokenizer = Tokenizer(models.BPE())
    if specification["form"]:
        tokenizer.normalizer = getattr(normalizers, specification["form"])()
    if signs:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=specification["split"])
    else:
        step = json.dumps(pre_tokenizer(specification))
        blank = json.loads(tokenizer.to_str()) | {"pre_tokenizer": json.loads(step)}
        tokenizer = Tokenizer.from_str(json.dumps(blank))
    trainer = trainers.BpeTrainer(
        vocab_size=specification["size"], show_progress=False, max_token_length=24,
        initial_alphabet=[] if signs else pre_tokenizers.ByteLevel.alphabet(),
        limit_alphabet=specification["letters"],
    )  # fmt: skip
    tokenizer.train_from_iterator(corpus, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].__getitem__), model["merges"]


def pre_tokenizer(specification: dict[str, Any]) -> dict[str, Any] | None:
    """How a text is cut into words."""
    if specification["kind"] == "signs":
        if specification["scheme"] == "normaliser":
            return None
        return {"type": "Metaspace", "replacement": SIGN, "prepend_scheme": specification["scheme"],
                "split": specification["split"]}  # fmt: skip
    if (pattern := specification["pattern"]) in ("", "own"):
        return LAST | {"add_prefix_space": specification["prefix"], "use_regex": pattern == "own"}
    around = ("Removed", True) if specification["removed"] else ("Isolated", False)
    cut = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": around[0],
           "invert": around[1]}  # fmt: skip
    return {"type": "Sequence", "pretokenizers": [cut, LAST]}


def assembled(
    specification: dict[str, Any], pieces: list[str], merges: list[Any]
) -> dict[str, Any]:
    """All of a tokenizer.json."""
    signs = specification["kind"] == "signs"
    first = [UNKNOWN, "<s>", "</s>"] if signs else []
    if specification["fallback"]:
        skipped = specification["fallback"] - 1
        first += [f"<0x{byte:02X}>" for byte in range(256) if not skipped or byte % skipped]
    vocabulary = {piece: n for n, piece in enumerate(dict.fromkeys([*first, *pieces]))}
    added, following = [], len(vocabulary)
    own = {"content": UNKNOWN, "special": True}
    for entry in [*([own] if signs else []), *specification["added"]]:
        token = vocabulary.get(entry["content"], following)
        following = max(following, token + 1)
        plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        added.append(plain | entry | {"id": token})
    normal = [{"type": specification["form"]}] if specification["form"] else []
    steps: list[dict[str, Any]] = [{"type": "ByteLevel"} | LAST]
    if signs:
        strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
        steps = [{"type": "Replace", "pattern": {"String": SIGN}, "content": " "},
                 {"type": "ByteFallback"}, {"type": "Fuse"}, strip]  # fmt: skip
        if specification["scheme"] == "normaliser":
            replace = {"type": "Replace", "pattern": {"String": " "}, "content": SIGN}
            normal += [{"type": "Prepend", "prepend": SIGN}, replace]
        elif not specification["fallback"]:
            steps = [{"type": "Metaspace", "replacement": SIGN, "split": True,
                      "prepend_scheme": specification["scheme"]}]  # fmt: skip
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": normal} if normal else None,
        "pre_tokenizer": pre_tokenizer(specification),
        "post_processor": frame(specification, {a["content"]: a["id"] for a in added}),
        "decoder": {"type": "Sequence", "decoders": steps} if len(steps) > 1 else steps[0],
        "model": {
            "type": "BPE", "dropout": None, "unk_token": UNKNOWN if signs else None,
            "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": specification["fuse"], "byte_fallback": bool(specification["fallback"]),
            "ignore_merges": specification["whole"], "vocab": vocabulary, "merges": merges,
        },
    } | specification["changes"]  # fmt: skip


def frame(specification: dict[str, Any], tokens: dict[str, int]) -> dict[str, Any] | None:
    """What stands around a text."""
    before, after = specification["frame"]
    if not before and not after:
        return None

    def part(name: str) -> dict[str, Any]:
        return {"SpecialToken": {"id": name, "type_id": 0}}

    one, two = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    single = [*map(part, before), one, *map(part, after)]
    template = {
        "type": "TemplateProcessing", "single": single, "pair": [*single, two],
        "special_tokens": {n: {"id": n, "ids": [tokens[n]], "tokens": [n]}
                           for n in {*before, *after}},
    }  # fmt: skip
    if specification["kind"] == "signs":
        return template
    return {"type": "Sequence", "processors": [LAST, template]}


def answer(
    specification: dict[str, Any], texts: list[str], trained: tuple[list[str], list[Any]],
    folder: Path,
) -> None:  # fmt: skip
    """The files of one tokenizer."""
    from tokenizers import Tokenizer

    name = specification["name"]
    table = assembled(specification, *trained)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(table, ensure_ascii=False))
    if specification["changes"]:
        return
    tokenizer = Tokenizer.from_file(str(path))
    start = time.process_time()
    tokens = [encoded(tokenizer, text) for text in texts]
    seconds = time.process_time() - start
    stops = {a["id"] for a in table["added_tokens"] if a["special"] and a["content"] != UNKNOWN}
    begin = len(specification["frame"][0])

    def told(ids: list[int]) -> str:
        body = ids[begin:]
        end = next((n for n, token in enumerate(body) if token in stops), len(body))
        return str(tokenizer.decode(body[:end], skip_special_tokens=False))

    rng = random.Random(specification["seed"])
    known = sorted(tokenizer.get_vocab(with_added_tokens=True).values())
    # Raw bytes are few of all pieces, and of most use in a row.
    raw = [n for piece, n in table["model"]["vocab"].items() if piece.startswith("<0x")]
    head = next(ids for ids in tokens if ids is not None)[:begin]
    drawn = [
        head + rng.choices(raw if raw and n % 2 else known, k=LENGTH // 2)
        + rng.choices(known, k=LENGTH // 2) for n in range(DRAWN)
    ]  # fmt: skip
    found = {
        "tokens": tokens, "texts": [None if ids is None else told(ids) for ids in tokens],
        "drawn": drawn, "told": list(map(told, drawn)), "seconds": seconds,
    }  # fmt: skip
    (folder / f"{name}.answers.json").write_text(json.dumps(found))


def encoded(tokenizer: Any, text: str) -> list[int] | None:
    """The tokens of a text; None where the library fails."""
    try:
        return list(tokenizer.encode(text).ids)
    except Exception:
        raise
    except BaseException as error:
        # A panic of Rust is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        return None


def read(job: dict[str, Any], folder: Path) -> None:
    """A file, its seconds of a processor and MiB, and the tokens of texts."""
    from tokenizers import Tokenizer

    start = time.process_time()
    tokenizer = Tokenizer.from_file(job["file"])
    seconds = time.process_time() - start
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.process_time()
    tokens = [tokenizer.encode(text).ids for text in job["texts"]]
    encoding = time.process_time() - start
    found = {"seconds": seconds, "mib": mib, "encoding": encoding, "tokens": tokens}
    (folder / "answers.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
