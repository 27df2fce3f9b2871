"""Mutants of Python source: one operator, constant, condition or statement changed at a time."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.Mod: ast.FloorDiv, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr, ast.And: ast.Or,
    ast.Or: ast.And, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class CodeMutant:
    """The change number `index` of a file; `line` is where, `what` says what."""

    file: str
    index: int
    line: int
    what: str

    @property
    def name(self) -> str:
        """Of the record."""
        return f"{self.file}:{self.line} {self.what} (#{self.index})"


def mutants_of(root: Path, file: str) -> list[CodeMutant]:
    """Every mutant of a file, in order."""
    tree = ast.parse((root / file).read_text())
    return [
        CodeMutant(file, k, getattr(node, "lineno", 0), what)
        for k, (node, what, _) in enumerate(_changes(tree))
    ]


def mutated(root: Path, mutant: CodeMutant) -> ast.Module:
    """The tree of the file with that change."""
    tree = copy.deepcopy(ast.parse((root / mutant.file).read_text()))
    for k, (_, _, apply) in enumerate(_changes(tree)):
        if k == mutant.index:
            apply()
            return ast.fix_missing_locations(tree)
    raise ValueError(f"{mutant.file} has no mutant {mutant.index}")


def _changes(tree: ast.Module) -> Iterator[tuple]:
    """(node, text, what makes the change), outside annotations, messages and docstrings."""
    for node in _code(tree):
        name = type(node).__name__
        if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
            if (other := _OPERATORS.get(type(node.op))) and not _text(node):
                yield node, f"{_word(node.op)} to {other.__name__}", _setter(node, "op", other())
        elif isinstance(node, ast.Compare):
            for k, op in enumerate(node.ops):
                if other := _OPERATORS.get(type(op)):
                    yield node, f"{_word(op)} to {other.__name__}", _item(node.ops, k, other())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node, "not dropped", _setter(node, "op", ast.UAdd())
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, f"{node.value} flipped", _setter(node, "value", not node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            yield node, f"{node.value} one more", _setter(node, "value", node.value + 1)
        elif isinstance(node, ast.Name) and node.id in _NAMES and isinstance(node.ctx, ast.Load):
            yield node, f"{node.id} to {_NAMES[node.id]}", _setter(node, "id", _NAMES[node.id])
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            negated = ast.UnaryOp(ast.Not(), node.test)
            yield node, f"{name.lower()} negated", _setter(node, "test", negated)
        for part in ("body", "orelse"):
            block = getattr(node, part, None)
            for k, statement in enumerate(block if isinstance(block, list) else []):
                called = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
                if called or isinstance(statement, ast.AugAssign):
                    made = ast.copy_location(ast.Pass(), statement)
                    yield statement, "statement dropped", _item(block, k, made)


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that computes: no annotation, no docstring, nothing of a raise or an assert."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _code(child)


def _text(node: ast.AST) -> bool:
    """Whether an operand is text, or a type: other operators make no sense there."""
    kinds = (ast.JoinedStr, ast.List, ast.Tuple, ast.Dict)
    parts = [getattr(node, x, None) for x in ("left", "right", "value")]
    return any(
        isinstance(p, kinds) or (isinstance(p, ast.Constant) and isinstance(p.value, str))
        for p in parts
    )


def _word(op: ast.AST) -> str:
    return type(op).__name__


def _setter(node: ast.AST, name: str, value: object):  # noqa: ANN202
    return lambda: setattr(node, name, value)


def _item(place: list, index: int, value: object):  # noqa: ANN202
    return lambda: place.__setitem__(index, value)
