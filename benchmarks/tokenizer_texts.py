"""Texts of every kind that a tokenizer can meet, and specifications of tokenizers, by seed."""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import ROOT

from flow.frontend.language.text_pieces import GPT_OSS, LLAMA_3, SINGLE

PLAYS = ROOT.parent / "shared" / "datasets_text" / "tinyshakespeare.txt"
BLOCKS = (
    (0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x17F), (0x180, 0x24F), (0x300, 0x36F), (0x370, 0x3FF),
    (0x400, 0x52F), (0x530, 0x58F), (0x590, 0x5FF), (0x600, 0x6FF), (0x890, 0x8FF), (0x900, 0x97F),
    (0xB80, 0xBFF), (0xC00, 0xCFF), (0xE00, 0xEFF), (0x10A0, 0x11FF), (0x1200, 0x137F),
    (0x1780, 0x17FF), (0x1AB0, 0x1ADF), (0x1C80, 0x1C8F), (0x1E00, 0x1FFF), (0x2000, 0x206F),
    (0x2070, 0x218F), (0x2190, 0x22FF), (0x2460, 0x24FF), (0x2C00, 0x2C5F), (0x3000, 0x30FF),
    (0x3200, 0x33FF), (0x4E00, 0x4FFF), (0xA640, 0xA7FF), (0xAC00, 0xACFF), (0xE000, 0xE01F),
    (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFFFF), (0x10330, 0x1034F), (0x10400, 0x1044F),
    (0x105C0, 0x105FF), (0x10780, 0x107BF), (0x10D40, 0x10D8F), (0x11380, 0x113EF),
    (0x11900, 0x1195F), (0x11F00, 0x11F5F), (0x1D2C0, 0x1D2DF), (0x1D400, 0x1D7FF),
    (0x1E030, 0x1E08F), (0x1E4D0, 0x1E4FF), (0x1F100, 0x1F1FF), (0x1F300, 0x1F64F),
    (0x1F900, 0x1F9FF), (0x1FBF0, 0x1FBFF), (0x2F800, 0x2F8FF), (0x31350, 0x3136F),
    (0xE0000, 0xE007F), (0x10FFF0, 0x10FFFF),
)  # fmt: skip
SPACES = (
    " ", " ", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\r", "\xa0", "\u3000", "\u2003",
    "\u200b", "\x1c", "\x85", "\u2028", "\v", "\u1680", "\u180e", " \n ", "\ufeff",
)  # fmt: skip
DIGITS = (
    "0123456789", "0123456789", "\u0660\u0661\u0662\u0663", "\uff10\uff11\uff12", "²³¹½¼",
    "\u2163\u2168\u2460", "\u0966\u0967\u0968", "\U0001d7ce\U0001d7cf",
)  # fmt: skip
ENDINGS = (
    "It's", "WE'LL", "they've", "I'M", "he'd", "'RE", "don't", "it'\u017f", "'S", "''s",
    "'\u017ft", "\u2019s", "O'REILLY", "'tis", "l'été",
)  # fmt: skip
EMOJI = (
    "\U0001f469\u200d\U0001f4bb", "\U0001f44d\U0001f3fd", "\u2764\ufe0f",
    "\U0001f1e9\U0001f1ea", "\U0001f642\U0001f642", "1\ufe0f\u20e3",
)  # fmt: skip
MARKS = "\u0300\u0301\u0323\u0345\u0327\u0898\u1ac1\u3099\U00011930\U0001e4ef"
BASES = ("a", "e", "É", "か", "\U00011935", "\u0627", "\xc5")
SIGN = "\N{LOWER ONE EIGHTH BLOCK}"
CONTENTS = ("<s>", "</s>", "<|end|>", "<|end|>x", "[PAD]", "  ", "\n\n", " the", "the", "é!", "ﬁ",
            "日本", "'s", "e\u0301", "12", SIGN, "a", "\xa0b", "\u017f", "<0x41>")  # fmt: skip
FLAGS = ("normalized", "single_word", "lstrip", "rstrip", "special")
FORMS = ("", "", "", "NFC", "NFD", "NFKC", "NFKD")


def sources() -> list[str]:
    """Python's own modules, and plays where they are here."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    plays = PLAYS.read_text(encoding="utf-8") if PLAYS.is_file() else ""
    return [*(path.read_text(encoding="utf-8") for path in files), plays]


def texts(seed: int, count: int) -> list[str]:
    """So many texts: code, plays, every script, and mixtures."""
    rng = random.Random(seed)
    *files, plays = sources()
    code = "".join(rng.sample(files, min(60, len(files))))

    def window(text: str) -> str:
        at = rng.randrange(max(1, len(text)))
        return text[at : at + rng.randrange(1, 160)]

    kinds = [lambda: window(code), lambda: window(plays or code), lambda: mixture(rng),
             lambda: mixture(rng)]  # fmt: skip
    return [kinds[n % len(kinds)]() for n in range(count)]


def mixture(rng: random.Random) -> str:
    """Fragments of random kinds, with or without spaces between."""
    found = [fragment(rng) for _ in range(rng.randrange(1, 12))]
    between = rng.choice(("", " ", None))
    return "".join(
        part + (rng.choice(SPACES) if between is None else between) for part in found
    )  # fmt: skip


def fragment(rng: random.Random) -> str:
    """A word of one script, digits, spaces, emoji, marks, any code points, or a token's text."""
    match rng.randrange(10):
        case 0 | 1 | 2:
            low, high = rng.choice(BLOCKS)
            return "".join(chr(rng.randint(low, high)) for _ in range(rng.randrange(1, 9)))
        case 3:
            return "".join(rng.choices(rng.choice(DIGITS), k=rng.randrange(1, 9)))
        case 4:
            return "".join(rng.choices(SPACES, k=rng.randrange(1, 5)))
        case 5:
            return rng.choice(ENDINGS)
        case 6:
            return rng.choice(EMOJI) * rng.randrange(1, 3)
        case 7:
            return rng.choice(BASES) + "".join(rng.choices(MARKS, k=rng.randrange(1, 4)))
        case 8:
            return rng.choice(CONTENTS)
        case _:
            found = (rng.randrange(0x110000) for _ in range(rng.randrange(1, 6)))
            return "".join(chr(c) for c in found if not 0xD800 <= c < 0xE000)


PATTERNS = {
    "GPT-2's": "own",
    "Llama 3's": LLAMA_3,
    "Qwen 2's": SINGLE,
    "gpt-oss's": GPT_OSS,
    "no": "",
}


def families(seed: int, several: int) -> dict[str, list[dict[str, Any]]]:
    """Specifications of tokenizers that flow reads, by kind."""
    rng = random.Random(seed)
    found = {
        f"bytes, {name} pattern": [
            specification(rng, kind="bytes", pattern=pattern) for _ in range(several)
        ]
        for name, pattern in PATTERNS.items()
    }
    schemes = {
        "signs by a normaliser": ("normaliser",),
        "signs by Metaspace": ("always", "first", "never"),
    }
    for name, some in schemes.items():
        found[name] = [
            specification(rng, kind="signs", scheme=some[n % len(some)]) for n in range(several)
        ]
    for name, several_of in found.items():
        for n, one in enumerate(several_of):
            one["name"] = f"{name.replace(' ', '_').replace(',', '')}_{n}"
    return found


def specification(rng: random.Random, **given: Any) -> dict[str, Any]:
    """One of all options that are read, by chance."""
    signs = given["kind"] == "signs"
    contents = rng.sample(CONTENTS, rng.randrange(0, 9))
    frame: tuple[Sequence[str], Sequence[str]] = rng.choice(
        (((), ()), (("<s>",), ()), (("<s>",), ("</s>",)), ((), ("</s>",)), (("<s>", "</s>"), ()))
    )
    contents = ["<s>", "</s>", *(text for text in contents if text not in ("<s>", "</s>"))]
    added = [{"content": "<s>", "special": True}, {"content": "</s>", "special": True}]
    added += [
        {"content": text} | {flag: True for flag in FLAGS if rng.random() < 0.25}
        for text in contents[2:]
    ]
    fallback = rng.choice((0, 1, 1, 1, 8)) if signs else 0
    return {
        "pattern": "", "prefix": rng.random() < 0.5, "removed": rng.random() < 0.3, "scheme": "",
        "split": rng.random() < 0.5, "form": rng.choice(FORMS),
        "size": rng.choice((300, 1000, 5000)), "letters": 120 if signs else 256,
        "fallback": fallback, "fuse": rng.random() < 0.5, "whole": rng.random() < 0.3,
        "added": added, "frame": frame, "changes": {}, "seed": rng.randrange(1 << 30), "texts": [],
    } | given  # fmt: skip


LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
STRANGE: dict[str, dict[str, Any]] = {
    "WordPiece": {"model": {"type": "WordPiece", "vocab": {"a": 0}}},
    "Unigram": {"model": {"type": "Unigram", "vocab": [["a", 0.0]]}},
    "WordLevel": {"model": {"type": "WordLevel", "vocab": {"a": 0}}},
    "lower case": {"normalizer": {"type": "Lowercase"}},
    "stripped accents": {"normalizer": {"type": "StripAccents"}},
    "digits": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": True}, LEVEL]}},
    "another pattern": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "(a|aa)+$"}, "behavior": "Isolated",
         "invert": False}, LEVEL]}},
    "BERT's words": {"pre_tokenizer": {"type": "BertPreTokenizer"}},
    "RoBERTa's frame": {"post_processor": {"type": "RobertaProcessing"}},
    "truncation": {"truncation": {"max_length": 8}},
    "padding": {"padding": {"length": 8}},
    "WordPiece's decoder": {"decoder": {"type": "WordPiece"}},
}  # fmt: skip
"""What is not read: the part of a tokenizer.json that says so."""


def strange(seed: int) -> list[dict[str, Any]]:
    """Specifications of tokenizers that flow does not read."""
    rng = random.Random(seed)
    return [
        specification(rng, kind="bytes", pattern="own", changes=changes, size=300, form="",
                      name=f"strange_{n}")
        for n, changes in enumerate(STRANGE.values())
    ]  # fmt: skip
