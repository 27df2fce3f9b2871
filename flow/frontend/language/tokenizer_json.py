"""A `tokenizer.json` of Hugging Face to a tokenizer: BPE of bytes, or with signs for spaces.

What is not read exactly is refused. Nothing of the file is run: patterns are known ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flow.errors import printable
from flow.frontend.files import guards
from flow.frontend.language.added_tokens import Added
from flow.frontend.language.byte_pairs import BytePairs
from flow.frontend.language.tokenizer_steps import (
    Table,
    checked_token,
    damaged,
    frame_of,
    refuse,
    rules_of,
)

FILE_BYTES = 48 * guards.MIB
"""The largest file. That of gpt-oss has 28 million bytes."""
FILE_VALUES = 2_500_000
"""The most values in it: what bounds the memory. That of gpt-oss has 1.6 million."""
MOST_PIECE = 4096
_KEPT = ("added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model")


def read_tokenizer_json(path: Path, vocabulary: int) -> BytePairs:
    """The tokenizer of a file; UsageError for one that is damaged or has more tokens than
    `vocabulary`, UnsupportedModel for kinds that are not read exactly."""
    where = path.name
    data = guards.read_bytes(path, FILE_BYTES)
    if sum(data.count(sign) for sign in (b",", b"[", b"{")) > FILE_VALUES:
        damaged(where, f"it has more than {FILE_VALUES} values")
    table = guards.parse_json(data, where, FILE_BYTES)
    if not isinstance(table, dict):
        damaged(where, "it is no JSON object")
    return tokenizer_of(table, vocabulary, where)


def tokenizer_of(table: Table, vocabulary: int, where: str) -> BytePairs:
    """The same for what a file holds."""
    model = table.get("model")
    if not isinstance(model, dict):
        damaged(where, "it has no model")
    if model.get("type", "BPE") != "BPE":
        refuse(where, f"a model of the kind {printable(repr(model.get('type')), 40)}")
    for key in ("continuing_subword_prefix", "end_of_word_suffix", "dropout"):
        if model.get(key):
            refuse(where, f"{key} {printable(repr(model[key]), 40)}")
    for key in ("truncation", "padding"):
        if table.get(key) is not None:
            refuse(where, f"{key} of texts")
    pieces = _pieces(model, vocabulary, where)
    added = _added(table, pieces, vocabulary, where)
    unknown = model.get("unk_token")
    if unknown is not None and (not isinstance(unknown, str) or unknown not in pieces):
        damaged(where, f"there is no token {printable(repr(unknown), 60)} for what is unknown")
    fallback = model.get("byte_fallback") is True
    rules = rules_of(table, fallback, where)
    before, after = frame_of(table, vocabulary, where)
    unknown_token = None if unknown is None else pieces[unknown]
    return BytePairs(
        vocabulary=pieces,
        ranks=_ranks(model, pieces, where),
        added=added,
        rules=rules,
        before=before,
        after=after,
        stops=frozenset(a.token for a in added if a.special and a.token != unknown_token),
        unknown=unknown_token,
        fuse=model.get("fuse_unk") is True,
        fallback=fallback,
        whole=model.get("ignore_merges") is True,
        table={key: table[key] for key in _KEPT if key in table},
    )


def _pieces(model: Table, vocabulary: int, where: str) -> dict[str, int]:
    found = model.get("vocab")
    if not isinstance(found, dict) or not found:
        damaged(where, "it has no vocabulary")
    if len(found) > vocabulary:
        damaged(where, f"it has {len(found)} pieces, the model {vocabulary} tokens")
    if len(set(map(repr, found.values()))) != len(found):
        damaged(where, "two pieces are one token")
    for piece, token in found.items():
        checked_token(token, vocabulary, where)
        if len(piece) > MOST_PIECE:
            damaged(where, f"a piece has more than {MOST_PIECE} characters")
    return found


def _ranks(
    model: Table, pieces: Mapping[str, int], where: str
) -> dict[tuple[int, int], tuple[int, int]]:
    """The rank of each pair, and what it becomes."""
    merges = model.get("merges")
    if not isinstance(merges, list):
        damaged(where, "it has no list of merges")
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for rank, merge in enumerate(merges):
        if isinstance(merge, str) and merge.startswith("#version"):
            continue
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(
            isinstance(part, str) for part in pair
        ):  # fmt: skip
            damaged(where, f"merge {rank} is no pair")
        one, other = (pieces.get(part) for part in pair)
        merged = pieces.get(pair[0] + pair[1])
        if one is None or other is None or merged is None:
            damaged(where, f"merge {rank} is of pieces that are no tokens")
        # Of pairs that come twice the last one counts.
        found[one, other] = (rank, merged)
    return found


def _added(
    table: Table, pieces: Mapping[str, int], vocabulary: int, where: str
) -> tuple[Added, ...]:
    """Tokens that stand in a text as they are, special ones first."""
    entries = table.get("added_tokens") or []
    if not isinstance(entries, list):
        damaged(where, "added_tokens is no list")
    found: dict[str, Added] = {}
    following = len(pieces)
    for entry in entries:
        content = entry.get("content") if isinstance(entry, dict) else None
        if not isinstance(content, str) or not 0 < len(content) <= MOST_PIECE:
            damaged(where, "an added token has no text")
        token = checked_token(entry.get("id"), vocabulary, where)
        # Numbers of a file count for nothing to the published reader: it gives the next one.
        if content in found or token != pieces.get(content, following):
            damaged(where, f"the added token {printable(repr(content), 60)} is not {token}")
        following = max(following, token + 1)
        keys = ("special", "normalized", "single_word", "lstrip", "rstrip")
        found[content] = Added(content, token, *(entry.get(key) is True for key in keys))
    return tuple(sorted(found.values(), key=lambda added: not added.special))
