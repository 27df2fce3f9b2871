"""Unicode as the published library of tokenizers has it, whatever version Python's own is of.

Its patterns know the categories of Unicode 16, its normal forms the characters of Unicode 9.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD", "NFKC", "NFKD")
SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White_Space of Unicode; that of Python has four more characters."""

# Letters, marks and numbers of Unicode 15 to 16; Python 3.11 has those of 14.
_LATER = """
Lu 1c89 a7cb-a7cc a7da a7dc 10d50-10d65
Ll 1c8a a7cd a7db 10d70-10d85 1df25-1df2a
Lm 10d4e 10d6f 16d40-16d42 16d6b-16d6c 1e030-1e06d 1e4eb
Lo 105c0-105f3 10d4a-10d4d 10d4f 10ec2-10ec4 1123f-11240 11380-11389 1138b 1138e 11390-113b5 113b7
Lo 113d1 113d3 11bc0-11be0 11f02 11f04-11f10 11f12-11f33 1342f 13441-13446 13460-143fa 16100-1611d
Lo 16d43-16d6a 18cff 1b132 1b155 1e4d0-1e4ea 1e5d0-1e5ed 1e5f0 2b739 2ebf0-2ee5d 31350-323af
M 897 cf3 ece 10d69-10d6d 10efc-10eff 11241 113b8-113c0 113c2 113c5 113c7-113ca 113cc-113d0 113d2
M 113e1-113e2 11f00-11f01 11f03 11f34-11f3a 11f3e-11f42 11f5a 13440 13447-13455 1611e-1612f 1e08f
M 1e4ec-1e4ef 1e5ee-1e5ef
Nd 10d40-10d49 116d0-116e3 11bf0-11bf9 11f50-11f59 16130-16139 16d70-16d79 1ccf0-1ccf9 1e4f0-1e4f9
Nd 1e5f1-1e5fa
No 1d2c0-1d2d3
"""
# Characters after Unicode 9, of 14 and before, that a normal form of Python moves or takes apart.
_MOVED = """
M 7fd 898-89f 8ca-8d3 9fe c3c d3b-d3c eba 1715 1abf-1ace 1df6-1dfa a82c 10d24-10d27 10eab-10eac
M 10f46-10f50 10f82-10f85 11070 1133b 1145e 11839-1183a 11930 11935 11938 1193d-1193e 11943 119e0
M 11a34 11a47 11a99 11d42 11d44-11d45 11d97 16ff0-16ff1 1e130-1e136 1e2ae 1e2ec-1e2ef
L 32ff a7f2-a7f4 ab69 10781-10785 10787-107b0 107b2-107ba 1f16c 1fbf0-1fbf9 1ccd6-1ccef
"""
# Letters by their use alone: circled and squared ones (Other_Alphabetic), and the two joiners.
_JOINED = re.compile(
    r"[\u200c\u200d\u24b6-\u24e9\U0001f130-\U0001f149\U0001f150-\U0001f169\U0001f170-\U0001f189]"
)


def category(character: str) -> str:
    """The general category of a character; of marks of Unicode 15 and 16 its first letter."""
    kind = unicodedata.category(character)
    return _later().get(ord(character), kind) if kind == "Cn" else kind


def is_word(character: str) -> bool:
    """Whether words are of it, as Unicode's Technical Standard 18 says."""
    kind = category(character)
    known = kind[0] in "LM" or kind in ("Nd", "Nl", "Pc")
    return known or _JOINED.fullmatch(character) is not None


def normalised(form: Form, text: str) -> str:
    """The text in a normal form; characters after Unicode 9 stay, and nothing passes them."""
    if text.isascii():
        return text
    parts = _inert().split(text)
    return "".join(
        part if number % 2 else unicodedata.normalize(form, part)
        for number, part in enumerate(parts)
    )


@cache
def _inert() -> re.Pattern[str]:
    runs = [*_read(_LATER), *_read(_MOVED)]
    return re.compile("([" + "".join(f"\\U{a:08x}-\\U{b:08x}" for _, a, b in runs) + "])")


@cache
def _later() -> dict[int, str]:
    return {n: kind for kind, first, last in _read(_LATER) for n in range(first, last + 1)}


def _read(table: str) -> list[tuple[str, int, int]]:
    found = []
    for line in table.split("\n"):
        kind, *runs = line.split() or [""]
        for run in runs:
            first, _, last = run.partition("-")
            found.append((kind, int(first, 16), int(last or first, 16)))
    return found
