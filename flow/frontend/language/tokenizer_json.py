"""A `tokenizer.json` of Hugging Face to a tokenizer: BPE of bytes, or with signs for spaces.

What is not read exactly is refused. Nothing of the file is run: patterns are known ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn

from flow.errors import UnsupportedModel, UsageError, printable
from flow.frontend.files import guards
from flow.frontend.language.byte_pairs import SPACE, BytePairs, Rules
from flow.frontend.language.text_pieces import GPT_2, PATTERNS

MOST_PIECE = 4096
_FORMS = ("NFC", "NFD", "NFKC", "NFKD")
_KEPT = ("added_tokens", "normalizer", "pre_tokenizer", "post_processor", "model")
Table = Mapping[str, Any]


def read_tokenizer_json(path: Path, vocabulary: int) -> BytePairs:
    """The tokenizer of a file; UsageError for one that is damaged or has more tokens than
    `vocabulary`, UnsupportedModel for kinds that are not read exactly."""
    where = path.name
    table = guards.parse_json(guards.read_bytes(path, guards.JSON_BYTES), where)
    if not isinstance(table, dict):
        _damaged(where, "it is no JSON object")
    return tokenizer_of(table, vocabulary, where)


def tokenizer_of(table: Table, vocabulary: int, where: str) -> BytePairs:
    """The same for what a file holds."""
    model = _object(table, "model", where)
    if model.get("type", "BPE") != "BPE":
        _refuse(where, f"a model of the kind {printable(repr(model.get('type')), 40)}")
    for key in ("continuing_subword_prefix", "end_of_word_suffix", "dropout"):
        if model.get(key):
            _refuse(where, f"{key} {printable(repr(model[key]), 40)}")
    pieces = _pieces(model, vocabulary, where)
    special, stops, hidden, normal = _special(table, vocabulary, where)
    rules = _rules(table, where)
    if rules.form or rules.spaces == "signs":
        special = {text: token for text, token in special.items() if text not in normal}
        hidden += normal
    before, after = _frame(table.get("post_processor"), vocabulary, where)
    unknown = model.get("unk_token")
    if unknown is not None and (not isinstance(unknown, str) or unknown not in pieces):
        _damaged(where, f"there is no token {printable(repr(unknown), 60)} for what is unknown")
    return BytePairs(
        vocabulary=pieces,
        ranks=_ranks(model, pieces, where),
        special=special,
        rules=rules,
        before=before,
        after=after,
        stops=stops - ({pieces[unknown]} if unknown is not None else set()),
        unknown=None if unknown is None else pieces[unknown],
        fuse=model.get("fuse_unk") is True,
        fallback=model.get("byte_fallback") is True,
        whole=model.get("ignore_merges") is True,
        hidden=hidden,
        table={key: table[key] for key in _KEPT if key in table},
    )


def _pieces(model: Table, vocabulary: int, where: str) -> dict[str, int]:
    found = model.get("vocab")
    if not isinstance(found, dict) or not found:
        _damaged(where, "it has no vocabulary")
    if len(set(map(repr, found.values()))) != len(found):
        _damaged(where, "two pieces are one token")
    for piece, token in found.items():
        _token(token, vocabulary, where)
        if len(piece) > MOST_PIECE:
            _damaged(where, f"a piece has more than {MOST_PIECE} characters")
    return found


def _ranks(
    model: Table, pieces: Mapping[str, int], where: str
) -> dict[tuple[int, int], tuple[int, int]]:
    """The rank of each pair, and what it becomes."""
    merges = model.get("merges")
    if not isinstance(merges, list):
        _damaged(where, "it has no list of merges")
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for rank, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(
            isinstance(part, str) for part in pair
        ):  # fmt: skip
            _damaged(where, f"merge {rank} is no pair")
        one, other = (pieces.get(part) for part in pair)
        merged = pieces.get(pair[0] + pair[1])
        if one is None or other is None or merged is None:
            _damaged(where, f"merge {rank} is of pieces that are no tokens")
        # Of pairs that come twice the last one counts.
        found[one, other] = (rank, merged)
    return found


def _special(
    table: Table, vocabulary: int, where: str
) -> tuple[dict[str, int], frozenset[int], tuple[str, ...], tuple[str, ...]]:
    """Tokens by their text; which are special; texts that are not found exactly; texts that are
    looked for after the text is normalised."""
    added = table.get("added_tokens") or []
    if not isinstance(added, list):
        _damaged(where, "added_tokens is no list")
    found: dict[str, int] = {}
    stops, hidden, normal = set(), [], []
    for entry in added:
        content = entry.get("content") if isinstance(entry, dict) else None
        if not isinstance(content, str) or not 0 < len(content) <= MOST_PIECE:
            _damaged(where, "an added token has no text")
        token = _token(entry.get("id"), vocabulary, where)
        if entry.get("special") is True:
            stops.add(token)
        if any(entry.get(key) is True for key in ("single_word", "lstrip", "rstrip")):
            hidden.append(content)
            continue
        found[content] = token
        if entry.get("normalized") is True:
            normal.append(content)
    return found, frozenset(stops), tuple(hidden), tuple(normal)


def _rules(table: Table, where: str) -> Rules:
    normal = _steps(table.get("normalizer"), "normalizers", where)
    pre = _steps(table.get("pre_tokenizer"), "pretokenizers", where)
    form: Any = ""
    signs = prepended = False
    for step in normal:
        kind = step.get("type")
        if kind in _FORMS and not form:
            form = kind
        elif kind == "Prepend" and step.get("prepend") == SPACE:
            prepended = True
        elif kind == "Replace" and _replaces(step):
            signs = True
        else:
            _refuse(where, f"the normaliser {printable(repr(kind), 40)}")
    kinds = [step.get("type") for step in pre]
    if kinds in (["Metaspace"], []) and (signs or kinds):
        return _signs(pre, form, prepended, where)
    if kinds not in (["ByteLevel"], ["Split", "ByteLevel"]) or signs or prepended:
        _refuse(where, f"words that are cut by {printable(repr(kinds), 80)}")
    last = pre[-1]
    prefix: Literal["", "each"] = "each" if last.get("add_prefix_space", True) else ""
    pattern = GPT_2 if last.get("use_regex", True) else ""
    if len(pre) == 2:
        pattern_of = pre[0].get("pattern")
        given = pattern_of.get("Regex") if isinstance(pattern_of, dict) else None
        if given not in PATTERNS or pattern or prefix:
            _refuse(where, "words that are cut by a pattern which is not known")
        if pre[0].get("behavior") != "Isolated" or pre[0].get("invert"):
            _refuse(where, "words that are cut around a pattern")
        pattern = str(given)
    return Rules("bytes", prefix, pattern=pattern, form=form)


def _signs(pre: list[Table], form: Any, prepended: bool, where: str) -> Rules:
    if not pre:
        return Rules("signs", "each" if prepended else "", twice=prepended, form=form)
    (step,) = pre
    scheme = step.get("prepend_scheme", "always" if step.get("add_prefix_space", True) else "never")
    if step.get("replacement", SPACE) != SPACE or prepended:
        _refuse(where, "another sign for spaces")
    prefixes: Mapping[Any, Any] = {"always": "each", "first": "first", "never": ""}
    prefix = prefixes.get(scheme) if isinstance(scheme, str) else None
    if prefix is None:
        _refuse(where, f"the prefix {printable(repr(scheme), 40)}")
    return Rules("signs", prefix, split=step.get("split", True) is True, form=form)


def _replaces(step: Table) -> bool:
    return step.get("pattern") == {"String": " "} and step.get("content") == SPACE


def _frame(post: Any, vocabulary: int, where: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tokens before and after a text."""
    before: list[int] = []
    after: list[int] = []
    for step in _steps(post, "processors", where):
        kind = step.get("type")
        if kind == "ByteLevel":
            continue
        single, known = step.get("single"), step.get("special_tokens")
        if kind != "TemplateProcessing" or not isinstance(single, list):
            _refuse(where, f"texts that are framed by {printable(repr(kind), 40)}")
        place = before
        for part in single:
            if isinstance(part, dict) and "Sequence" in part:
                place = after
                continue
            token = part.get("SpecialToken") if isinstance(part, dict) else None
            name = token.get("id") if isinstance(token, dict) else None
            table = known if isinstance(known, dict) else {}
            entry = table.get(name) if isinstance(name, str) else None
            ids = entry.get("ids") if isinstance(entry, dict) else None
            if not isinstance(ids, list):
                _damaged(
                    where, f"texts are framed by {printable(repr(name), 40)}, which is nothing"
                )
            place += [_token(token, vocabulary, where) for token in ids]
    return tuple(before), tuple(after)


def _steps(step: Any, several: str, where: str) -> list[Table]:
    """A step, those of a sequence, or none."""
    if step is None:
        return []
    if not isinstance(step, dict):
        _damaged(where, f"a step is {printable(repr(step), 40)}")
    steps = step.get(several) if step.get("type") == "Sequence" else [step]
    if not isinstance(steps, list) or not all(isinstance(one, dict) for one in steps):
        _damaged(where, "a sequence has no steps")
    return steps


def _object(table: Table, key: str, where: str) -> Table:
    found = table.get(key)
    if not isinstance(found, dict):
        _damaged(where, f"it has no {key}")
    return found


def _token(token: Any, vocabulary: int, where: str) -> int:
    if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < vocabulary:
        _damaged(where, f"it has the token {printable(repr(token), 40)} of {vocabulary}")
    return token


def _damaged(where: str, why: str) -> NoReturn:
    raise UsageError(
        f"the tokenizer does not fit the model: {why}", where=where,
        hint="give the tokenizer that the model was trained with",
    )  # fmt: skip


def _refuse(where: str, what: str) -> NoReturn:
    raise UnsupportedModel(
        f"the tokenizer has {what}", where=where,
        hint="byte-level BPE and BPE with signs for spaces are read; give prompts as tokens",
    )  # fmt: skip
