"""The syntax of a Liberty file: nested groups of attributes, read without recursion."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from flow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 256 * 2**20
MAX_DEPTH = 64

_TOKEN = re.compile(
    r"(?P<space>(?:[ \t\r\f\v]|\\[ \t]*\r?\n)+)"
    r"|(?P<line>\n)"
    r"|(?P<comment>/\*.*?\*/|//[^\n]*)"
    r'|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<mark>[{}();:,])"
    r'|(?P<word>[^\s{}();:,"\\]+)',
    re.DOTALL,
)
_CONTINUED = re.compile(r"\\\s*\n\s*")


@dataclass(slots=True)
class Group:
    """`keyword (arguments) { ... }`, with what it holds in the order of the file."""

    keyword: str
    arguments: tuple[str, ...]
    line: int
    values: dict[str, str] = field(default_factory=dict)
    lists: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def all(self, *keywords: str) -> Iterator[Group]:
        """Yield the groups directly inside this one that have one of the keywords."""
        return (group for group in self.groups if group.keyword in keywords)

    def list(self, name: str) -> tuple[str, ...] | None:
        """The arguments of the last complex attribute of that name, or None."""
        return next((args for key, args in reversed(self.lists) if key == name), None)


class _Token(NamedTuple):
    kind: str
    text: str
    line: int

    @property
    def mark(self) -> str:
        """The punctuation that it is, or nothing."""
        return self.text if self.kind == "mark" else ""


def read_groups(path: Path) -> Group:
    """The library group of a Liberty file; UsageError with file and line where it has none."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UsageError(
                f"the Liberty file has {size} bytes; at most {MAX_BYTES} are read",
                where=path.name,
                hint="take the cells you need into a smaller file",
            )
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read the Liberty file: {error.strerror}",
            where=path.name,
            hint="give the path of a readable .lib file",
        ) from None
    if b"\0" in data:
        raise UsageError(
            "the file is not text, so it is no Liberty file",
            where=path.name,
            hint="unpack it first, or give the .lib file instead of a .db",
        )
    return parse_groups(data.decode("utf-8", "replace"), path.name)


def parse_groups(text: str, name: str) -> Group:
    """The library group in a text; `name` is the file that messages name."""
    tokens = _Tokens(text, name)
    root = Group("", (), 1)
    open_groups = [root]
    for token in tokens:
        inner = open_groups[-1]
        if token.kind == "line" or token.mark in (";", ","):
            continue
        if token.mark == "}":
            if len(open_groups) == 1:
                raise _wrong("a brace is closed that was never opened", name, token.line)
            open_groups.pop()
        elif token.kind not in ("word", "text"):
            raise _wrong(f"{token.text!r} where a name should be", name, token.line)
        else:
            group = _statement(token, tokens, inner, name)
            if group is not None:
                inner.groups.append(group)
                open_groups.append(group)
                if len(open_groups) > MAX_DEPTH:
                    raise _wrong(f"groups nest deeper than {MAX_DEPTH}", name, token.line)
    if len(open_groups) > 1:
        unclosed = open_groups[-1]
        raise _wrong(f"the group {unclosed.keyword!r} is never closed", name, unclosed.line)
    library = next(root.all("library"), None)
    if library is None:
        raise UsageError(
            "the file holds no library group, so it is no Liberty file",
            where=name,
            hint="a Liberty file begins with: library (name) {",
        )
    return library


def _statement(token: _Token, tokens: _Tokens, inner: Group, name: str) -> Group | None:
    """Read what follows a name: a value, a list, or the head of a group, which is returned."""
    mark = next(tokens, None)
    if mark is None or mark.mark not in (":", "("):
        raise _wrong(f"{token.text!r} has neither a value nor arguments", name, token.line)
    if mark.mark == ":":
        _value(token, tokens, inner, name)
        return None
    arguments: list[str] = []
    for part in tokens:
        if part.mark == ")":
            break
        if part.kind in ("word", "text"):
            arguments.append(part.text)
        elif part.mark in ("{", "}", ";"):
            raise _wrong(f"the parenthesis behind {token.text!r} is not closed", name, token.line)
    else:
        raise _wrong(f"the parenthesis behind {token.text!r} is not closed", name, token.line)
    after = next((each for each in tokens if each.kind != "line"), None)
    if after is not None and after.mark == "{":
        return Group(token.text, tuple(arguments), token.line)
    inner.lists.append((token.text, tuple(arguments)))
    if after is not None and after.mark != ";":  # the semicolon was left out
        tokens.held = after
    return None


def _value(token: _Token, tokens: _Tokens, inner: Group, name: str) -> None:
    """Read a simple value up to its semicolon, or to the end of the line where that is missing."""
    parts: list[str] = []
    for part in tokens:
        if part.kind == "line" and not parts:
            continue
        if part.mark == ";" or part.kind == "line":
            break
        if part.mark == "}":
            tokens.held = part
            break
        if part.mark == "{":
            raise _wrong(f"{token.text!r} has a brace for a value", name, part.line)
        parts.append(part.text)
    inner.values[token.text] = " ".join(parts)


class _Tokens:
    """The tokens of a text, with one place to put one back."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name, self._at, self._line = text, name, 0, 1
        self.held: _Token | None = None

    def __iter__(self) -> _Tokens:
        return self

    def __next__(self) -> _Token:
        if self.held is not None:
            token, self.held = self.held, None
            return token
        while self._at < len(self._text):
            found = _TOKEN.match(self._text, self._at)
            if not found or not found.lastgroup:
                raise _wrong(
                    f"{self._text[self._at]!r} cannot be read here", self._name, self._line
                )
            kind, raw, line = found.lastgroup, found.group(), self._line
            self._at = found.end()
            self._line += raw.count("\n")
            if kind == "text":
                return _Token(kind, _CONTINUED.sub(" ", raw[1:-1]), line)
            if kind not in ("space", "comment"):
                return _Token(kind, raw, line)
        raise StopIteration


def _wrong(what: str, name: str, line: int) -> UsageError:
    return UsageError(
        f"not a Liberty file: {what}", where=f"{name}, line {line}", hint="correct that line"
    )
