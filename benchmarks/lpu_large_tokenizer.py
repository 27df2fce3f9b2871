"""Parts of the benchmark of tokenizers: a file as large as that of gpt-oss, and hostile ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cases import Options
from common import HERE, ROOT, Row
from designs import PYTHON, SEED
from lpu_arrays import WATCH
from tokenizer_texts import sources, texts

from flow.frontend.language.byte_pairs import byte_characters
from flow.frontend.language.text_pieces import GPT_OSS
from flow.frontend.language.tokenizer_json import FILE_BYTES, FILE_VALUES

PIECES, MERGES, VOCABULARY = 199_998, 446_189, 201_088
"""Of gpt-oss."""
LONGEST = 16
LIMIT_S, LIMIT_MIB = 10.0, 1024
READ = """import json, sys, time
from pathlib import Path
from flow.errors import FlowError
from flow.frontend.language.tokenizer_json import read_tokenizer_json
start = time.process_time()
try:
    found = read_tokenizer_json(Path(sys.argv[1]), int(sys.argv[2]))
except FlowError as error:
    found = None
seconds = time.process_time() - start
texts = json.loads(Path(sys.argv[3]).read_text())["texts"] if found and sys.argv[3:] else []
print(json.dumps([seconds, found is not None, [found.encode(text) for text in texts]]))
"""


def large(place: Path, rival: str, options: Options) -> list[Row]:
    """A made file of as many pieces and merges: time, memory, and tokens."""
    path = place / "tokenizer.json"
    size = made(path, PIECES // 20 if options.quick else PIECES)
    (place / "job.json").write_text(
        json.dumps({"file": str(path), "texts": texts(SEED + 3, 100 if options.quick else 2000)})
    )
    subprocess.run(
        [PYTHON, HERE / "tokenizer_rivals.py", "read", place / "job.json", place],
        check=True, timeout=options.timeout_s,
    )  # fmt: skip
    theirs = json.loads((place / "answers.json").read_text())
    seconds, read, _, mib = _read(path)
    _, _, tokens, _ = _read(path, place / "job.json")
    bad = sum(a != b for a, b in zip(tokens, theirs["tokens"], strict=True)) if read else None
    note = f"{size / 1e6:.1f} MB, made: as many pieces and merges as gpt-oss's"
    return [
        Row("tokenizers: a file of gpt-oss's size: reading", seconds, "s of a processor", rival,
            theirs["seconds"], reach="below 10 s", met=seconds < LIMIT_S, note=note),
        Row("tokenizers: a file of gpt-oss's size: resident memory", mib, "MiB", rival,
            theirs["mib"], reach="below 1024 MiB", met=mib < LIMIT_MIB, note=note),
        Row("tokenizers: a file of gpt-oss's size: texts whose tokens differ", bad,
            f"of {len(tokens)}", reach="0", met=bad == 0),
    ]  # fmt: skip


def made(path: Path, count: int) -> int:
    """A byte-level tokenizer of so many pieces, parts of words of code and plays, with as many
    ways to make them as gpt-oss has for its own; bytes of the file."""
    names = byte_characters()
    found: Counter[str] = Counter()
    for word in set(re.findall(r" ?[^\s]+", "".join(sources()))):
        told = "".join(names[byte] for byte in word.encode())[:LONGEST]
        found.update(told[i:j] for i in range(len(told)) for j in range(i + 2, len(told) + 1))
    best = sorted(found, key=lambda piece: (-found[piece], piece))[: count - len(names)]
    pieces = dict.fromkeys([*names.values(), *sorted(best, key=lambda piece: (len(piece), piece))])
    ways = [
        (at, piece[:at], piece[at:])
        for piece in pieces
        for at in range(1, len(piece))
        if piece[:at] in pieces and piece[at:] in pieces
    ]
    # The first ways of all pieces come before the second ones.
    merges = [[one, other] for _, one, other in sorted(ways, key=lambda way: way[0])]
    merges = merges[: MERGES * count // PIECES]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
             "use_regex": False}  # fmt: skip
    cut = {"type": "Split", "pattern": {"Regex": GPT_OSS}, "behavior": "Isolated", "invert": False}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    table = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": len(pieces) + n, "content": f"<|{n}|>", **flags, "special": True}
                         for n in range(21)],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [cut, level]},
        "post_processor": level, "decoder": level | {"use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
            "ignore_merges": False, "vocab": {piece: n for n, piece in enumerate(pieces)},
            "merges": merges,
        },
    }  # fmt: skip
    return path.write_bytes(json.dumps(table, indent=2, ensure_ascii=False).encode())


def _read(path: Path, job: Path | None = None) -> tuple[float, bool, list[list[int]], float]:
    """Seconds, whether the file is read, tokens of the texts of a job, MiB of a fresh process."""
    arguments = [sys.executable, "-c", READ, path, str(VOCABULARY), *([job] if job else [])]
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *arguments], stdout=subprocess.PIPE, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    code, said, _, kib = json.loads(done.stdout)
    if code:
        raise SystemExit(f"reading {path.name} failed")
    seconds, read, tokens = json.loads(said)
    return seconds, read, tokens, kib / 1024


def hostile(place: Path, _rival: str, options: Options) -> list[Row]:
    """The longest time and the largest memory of files that are made to hurt."""
    slowest = largest = 0.0
    slow = large = ""
    read = count = 0
    for name, head, item, tail in bombs():
        path = place / "tokenizer.json"
        repeats = min(FILE_VALUES // max(1, sum(map(item.count, b",[{"))) - 9,
                      (FILE_BYTES - 4096) // len(item))  # fmt: skip
        if options.quick:
            repeats //= 20
        numbered = b"%x" in item
        path.write_bytes(
            head
            + b"".join(item.replace(b"%x", b"%x" % n).replace(b"%d", b"%d" % (n + 4))
                       for n in range(repeats))
            + tail
            if numbered else head + item * repeats + tail
        )  # fmt: skip
        with path.open("ab") as file:
            file.write(b" " * (FILE_BYTES - path.stat().st_size))
        seconds, was_read, _, mib = _read(path)
        read, count = read + was_read, count + 1
        if seconds > slowest:
            slowest, slow = seconds, name
        if mib > largest:
            largest, large = mib, name
    note = f"{count} files of 48 MiB, {read} of them read, the others refused"
    return [
        Row("tokenizers: hostile files: the longest time", slowest, "s of a processor",
            reach="below 10 s", met=slowest < LIMIT_S, note=f"{slow}; {note}"),
        Row("tokenizers: hostile files: the largest memory", largest, "MiB",
            reach="below 1024 MiB", met=largest < LIMIT_MIB, note=f"{large}; {note}"),
    ]  # fmt: skip


def bombs() -> Iterator[tuple[str, bytes, bytes, bytes]]:
    """A name; what begins, what repeats and what ends a file."""
    yield "empty lists", b"[0", b",[]", b"]"
    yield "empty objects", b"[0", b",{}", b"]"
    yield "nested lists", b"", b"[", b""
    yield "keys", b'{"z":0', b',"%x":0', b"}"
    yield "strings", b"[0", ',"\u65e5%x"'.encode(), b"]"
    yield "numbers", b"[0", b",65536.5", b"]"
    yield "one string", '{"a":"\U0001f642\\n'.encode(), b"a", b'"}'
    yield "escapes", b'{"a":"', b"\\u00e9", b'"}'
    yield "pieces", b'{"model":{"merges":[],"vocab":{"z":0', b',"%x":%d', b"}}}"
    signs = '{"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"\u2581"},'
    model = b'"model":{"vocab":{"a":0,"b":1,"ab":2},"merges":['
    yield "merges", signs.encode() + model + b'["a","b"]', b',["a","b"]', b"]}}"
    yield ("added tokens", signs.encode() + model + b']},"added_tokens":[{"id":3,"content":"#"}',
           b',{"id":%d,"content":"%x"}', b"]}")  # fmt: skip
