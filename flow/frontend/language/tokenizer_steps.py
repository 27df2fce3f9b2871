"""The steps that a `tokenizer.json` names, as rules: how texts become words, and pieces texts.

What is not read exactly is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NoReturn

from flow.errors import UnsupportedModel, UsageError, printable
from flow.frontend.language.byte_pairs import SPACE, Normal, Rules
from flow.frontend.language.text_pieces import GPT_2, PATTERNS
from flow.frontend.language.unicode_runs import FORMS

Table = Mapping[str, Any]
_DECODERS = (
    ["Replace"], ["Replace", "Fuse"], ["Replace", "ByteFallback"],
    ["Replace", "ByteFallback", "Fuse"], ["Replace", "Fuse", "Strip"],
    ["Replace", "ByteFallback", "Fuse", "Strip"],
)  # fmt: skip


def rules_of(table: Table, fallback: bool, where: str) -> Rules:
    """The rules of a file; `fallback` is whether its model has bytes for what is unknown."""
    normal = _normal(table, where)
    steps = _steps(table.get("pre_tokenizer"), "pretokenizers", where)
    kinds = [step.get("type") for step in steps]
    prefix: Any = ""
    pattern, split = "", False
    if kinds in (["ByteLevel"], ["Split", "ByteLevel"]) and not {"signs", "prepend"} & {*normal}:
        prefix, pattern = _byte_level(steps, where)
    elif kinds == ["Metaspace"]:
        prefix, split = _meta_space(steps[0], where)
    elif kinds or "signs" not in normal:
        refuse(where, f"words that are cut by {printable(repr(kinds), 80)}")
    spaces: Literal["bytes", "signs"] = "bytes" if "ByteLevel" in kinds else "signs"
    raw, drop = _decoder(table, spaces, where)
    if drop is None:
        raw, drop = spaces == "signs" and fallback, "one" if prefix or "prepend" in normal else ""
    return Rules(spaces, prefix, pattern, split, normal, raw, drop)


def _normal(table: Table, where: str) -> tuple[Normal, ...]:
    found: list[Normal] = []
    for step in _steps(table.get("normalizer"), "normalizers", where):
        kind = step.get("type")
        if kind in FORMS and "signs" not in found:
            found.append(kind)
        elif kind == "Prepend" and step.get("prepend") == SPACE:
            found.append("prepend")
        elif kind == "Replace" and _replaces(step, " ", SPACE):
            found.append("signs")
        else:
            refuse(where, f"the normaliser {printable(repr(kind), 40)}")
    return tuple(found)


def _byte_level(steps: list[Table], where: str) -> tuple[str, str]:
    """What comes before each part, and the pattern of words."""
    last = steps[-1]
    prefix = "each" if last.get("add_prefix_space", True) else ""
    pattern = GPT_2 if last.get("use_regex", True) else ""
    if len(steps) == 1:
        return prefix, pattern
    pattern_of = steps[0].get("pattern")
    given = pattern_of.get("Regex") if isinstance(pattern_of, dict) else None
    if given not in PATTERNS or pattern or prefix:
        refuse(where, "words that are cut by a pattern which is not known")
    # Each pattern finds all of any text.
    around = (steps[0].get("behavior"), bool(steps[0].get("invert")))
    if around not in (("Isolated", False), ("Removed", True)):
        refuse(where, "words that are cut around a pattern")
    return "", str(given)


def _meta_space(step: Table, where: str) -> tuple[str, bool]:
    """Where a sign comes before a text, and whether words are cut at signs."""
    if step.get("replacement", SPACE) != SPACE:
        refuse(where, "another sign for spaces")
    return _scheme(step, where), step.get("split", True) is True


def _scheme(step: Table, where: str) -> str:
    scheme = step.get("prepend_scheme", "always" if step.get("add_prefix_space", True) else "never")
    prefixes: Mapping[Any, str] = {"always": "each", "first": "first", "never": ""}
    if not isinstance(scheme, str) or scheme not in prefixes:
        refuse(where, f"the prefix {printable(repr(scheme), 40)}")
    return prefixes[scheme]


def _decoder(
    table: Table, spaces: str, where: str
) -> tuple[bool, Literal["", "one", "all"] | None]:
    """Whether raw bytes are read, and what is dropped of the begin; None where nothing is said."""
    steps = _steps(table.get("decoder"), "decoders", where)
    kinds = [step.get("type") for step in steps]
    if not steps:
        return False, None
    if spaces == "bytes" and kinds == ["ByteLevel"]:
        return False, ""
    if spaces == "signs" and kinds == ["Metaspace"] and steps[0].get("replacement") == SPACE:
        return False, "all" if _scheme(steps[0], where) else ""
    if spaces == "signs" and kinds in _DECODERS and _replaces(steps[0], SPACE, " "):
        strip = steps[-1] if kinds[-1] == "Strip" else {"content": " ", "start": 0, "stop": 0}
        first, last = strip.get("start"), strip.get("stop")
        if strip.get("content") == " " and first in (0, 1) and last == 0:
            return "ByteFallback" in kinds, "one" if first else ""
    refuse(where, f"pieces that are read by {printable(repr(kinds), 80)}")


def _replaces(step: Table, old: str, new: str) -> bool:
    return step.get("pattern") == {"String": old} and step.get("content") == new


def frame_of(table: Table, vocabulary: int, where: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tokens before and after a text."""
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    for step in _steps(table.get("post_processor"), "processors", where):
        kind = step.get("type")
        if kind == "ByteLevel":
            continue
        single, known = step.get("single"), step.get("special_tokens")
        if kind != "TemplateProcessing" or not isinstance(single, list):
            refuse(where, f"texts that are framed by {printable(repr(kind), 40)}")
        parts: list[int | None] = []
        for part in single:
            if isinstance(part, dict) and "Sequence" in part:
                parts.append(None)
            else:
                parts += _framing(part, known, vocabulary, where)
        if parts.count(None) != 1:
            refuse(where, f"a frame with {parts.count(None)} texts in it")
        at = parts.index(None)
        # A later frame stands around an earlier one.
        before = (*(token for token in parts[:at] if token is not None), *before)
        after = (*after, *(token for token in parts[at:] if token is not None))
    return before, after


def _framing(part: Any, known: Any, vocabulary: int, where: str) -> list[int]:
    token = part.get("SpecialToken") if isinstance(part, dict) else None
    name = token.get("id") if isinstance(token, dict) else None
    table = known if isinstance(known, dict) else {}
    entry = table.get(name) if isinstance(name, str) else None
    ids = entry.get("ids") if isinstance(entry, dict) else None
    if not isinstance(ids, list):
        damaged(where, f"texts are framed by {printable(repr(name), 40)}, which is nothing")
    return [checked_token(token, vocabulary, where) for token in ids]


def _steps(step: Any, several: str, where: str) -> list[Table]:
    """A step, those of a sequence, or none."""
    if step is None:
        return []
    if not isinstance(step, dict):
        damaged(where, f"a step is {printable(repr(step), 40)}")
    steps = step.get(several) if step.get("type") == "Sequence" else [step]
    if not isinstance(steps, list) or not all(isinstance(one, dict) for one in steps):
        damaged(where, "a sequence has no steps")
    return steps


def checked_token(token: Any, vocabulary: int, where: str) -> int:
    """The token, if it is one of `vocabulary`; else UsageError."""
    if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < vocabulary:
        damaged(where, f"it has the token {printable(repr(token), 40)} of {vocabulary}")
    return token


def damaged(where: str, why: str) -> NoReturn:
    """Raises UsageError."""
    raise UsageError(
        f"the tokenizer does not fit the model: {why}", where=where,
        hint="give the tokenizer that the model was trained with",
    )  # fmt: skip


def refuse(where: str, what: str) -> NoReturn:
    """Raises UnsupportedModel."""
    raise UnsupportedModel(
        f"the tokenizer has {what}", where=where,
        hint="byte-level BPE and BPE with signs for spaces are read; give prompts as tokens",
    )  # fmt: skip
