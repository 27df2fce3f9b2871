"""Boolean functions written as in Liberty, compiled so that they run on whole words of bits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

MAX_TEXT = 65_536
KEPT_TEXT = 256
"""Longer texts are parsed each time; a library has few short ones, which are asked for often."""
MAX_TABLE_INPUTS = 16

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_]*(?:\[[0-9]+\])?)|([01])|([!~'()&*|+^]))")
# The Liberty user guide: inversion first, then XOR, then AND, then OR.
_BINDING = {"|": 1, "&": 2, "^": 3, "!": 4}
_SPELLING = {"+": "|", "*": "&", "~": "!"}


@dataclass(frozen=True, slots=True)
class BooleanFunction:
    """A Boolean function in postfix form; `inputs` in the order in which the text names them.

    A step is the name of an input, "0", "1", or one of the operators "!", "&", "|", "^".
    """

    inputs: tuple[str, ...]
    steps: tuple[str, ...]

    def truth_table(self, inputs: Sequence[str] | None = None) -> int:
        """Bit s is the value where input i is bit i of s; at most 16 inputs.

        UsageError where `inputs` lacks one of the function's own, or where there are too many.
        """
        names = self.inputs if inputs is None else tuple(inputs)
        if len(names) > MAX_TABLE_INPUTS:
            raise UsageError(f"a truth table of {len(names)} inputs is too large")
        missing = [name for name in self.inputs if name not in names]
        if missing:
            raise UsageError(f"the function reads {missing[0]}, which is no input of the table")
        ones = (1 << (1 << len(names))) - 1
        columns = {name: _column(i, len(names)) for i, name in enumerate(names)}
        return int(self._run(columns, lambda x: x ^ ones, 0, ones))

    def evaluate(self, values: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The function, bit by bit, of arrays of bool or of unsigned words (say uint64).

        All arrays have one dtype; they broadcast. `values` may hold names the function does not
        read, and must hold at least one array, which gives a constant its shape.
        """
        import numpy as np

        zeros = np.zeros_like(next(iter(values.values())))
        return np.asarray(self._run(values, np.invert, zeros, np.invert(zeros)))

    def _run(
        self, values: Mapping[str, Any], invert: Callable[[Any], Any], zeros: Any, ones: Any
    ) -> Any:
        stack: list[Any] = []
        for step in self.steps:
            match step:
                case "!":
                    stack.append(invert(stack.pop()))
                case "&" | "|" | "^":
                    y, x = stack.pop(), stack.pop()
                    stack.append(x & y if step == "&" else x | y if step == "|" else x ^ y)
                case "0" | "1":
                    stack.append(ones if step == "1" else zeros)
                case name:
                    stack.append(values[name])
        return stack[0]

    def __str__(self) -> str:
        """The function with every binary operation in parentheses, so that all readers agree."""
        stack: list[str] = []
        for step in self.steps:
            match step:
                case "!":
                    stack.append(f"!{stack.pop()}")
                case "&" | "|" | "^":
                    y, x = stack.pop(), stack.pop()
                    stack.append(f"({x}{step}{y})")
                case name:
                    stack.append(name)
        return stack[0]


def parse(text: str) -> BooleanFunction:
    """The function that a Liberty expression states: ! ~ ' & * | + ^ ( ) 0 1, space for AND.

    UsageError with the column where the text is no such expression.
    """
    return _kept(text) if len(text) <= KEPT_TEXT else _parsed(text)


@lru_cache(maxsize=4096)
def _kept(text: str) -> BooleanFunction:
    return _parsed(text)


def _parsed(text: str) -> BooleanFunction:
    if len(text) > MAX_TEXT:
        raise UsageError(f"a Boolean expression of {len(text)} characters is too long")
    steps: list[str] = []
    pending: list[str] = []  # operators and open parentheses
    complete = False  # whether an operand has just ended, so that an operator may follow
    at = 0
    while at < len(text.rstrip()):
        token = _TOKEN.match(text, at)
        if not token:
            raise _wrong(text, at, "no such symbol")
        at, symbol = token.end(), token.group().strip()
        symbol = _SPELLING.get(symbol, symbol)
        if complete and (token[1] or token[2] or symbol in "!("):  # space is AND
            _reduce(pending, steps, _BINDING["&"])
            pending.append("&")
            complete = False
        if symbol == "'":
            if not complete:
                raise _wrong(text, at - 1, "nothing to invert")
            steps.append("!")
        elif symbol in ("&", "|", "^"):
            if not complete:
                raise _wrong(text, at - 1, "an operand is missing")
            _reduce(pending, steps, _BINDING[symbol])
            pending.append(symbol)
            complete = False
        elif symbol == ")":
            if not complete:
                raise _wrong(text, at - 1, "an operand is missing")
            _reduce(pending, steps, 0)
            if not pending:
                raise _wrong(text, at - 1, "no parenthesis is open")
            pending.pop()
            # An inversion before the parenthesis takes the whole of it, as does one behind it.
        elif symbol in ("!", "("):
            pending.append(symbol)
        else:
            steps.append(symbol)
            complete = True
    if not complete:
        raise _wrong(text, len(text), "an operand is missing")
    _reduce(pending, steps, 0)
    if pending:
        raise _wrong(text, len(text), "a parenthesis is not closed")
    inputs = dict.fromkeys(step for step in steps if step not in ("0", "1", *_BINDING))
    return BooleanFunction(tuple(inputs), tuple(steps))


def _reduce(pending: list[str], steps: list[str], binding: int) -> None:
    """Move the waiting operators that bind at least so tightly, up to an open parenthesis."""
    while pending and pending[-1] != "(" and _BINDING[pending[-1]] >= binding:
        steps.append(pending.pop())


def _column(i: int, count: int) -> int:
    """The truth table of input i of `count`."""
    table = ((1 << (1 << i)) - 1) << (1 << i)
    for k in range(i + 1, count):
        table |= table << (1 << k)
    return table


def _wrong(text: str, at: int, why: str) -> UsageError:
    return UsageError(
        f"not a Boolean expression: {why} at column {at + 1} of {text!r}",
        hint="write it as in Liberty, for instance (A & B) | !C",
    )
