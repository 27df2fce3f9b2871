"""The command line: `flow COMMAND ...`; each command is a file of this folder."""

from __future__ import annotations

import importlib
import io
import signal
import sys
from difflib import get_close_matches
from types import FrameType
from typing import Any

import click

from flow import __version__
from flow.cli.output import Said, print_failure
from flow.errors import FlowError, InternalError, printable

COMMANDS: dict[str, str] = {
    "build": "A trained network in; a proved, measured circuit out.",
    "search": "A front of small classifiers from data: accuracy, area, power.",
    "train": "The same, from gradients or genes alone.",
    "codesign": "Widths for a float model within a budget, retrained.",
    "run": "The text that a chip of the target lpu tells, token by token.",
    "plan": "A chip set for a language model: area, speed, power, cost.",
    "array": "A matrix of weights as wires over an array of equal neurons.",
    "check": "Everything that stands in the way of a model, at once.",
    "eval": "What the integer network answers, for a model or a build folder.",
    "opt": "Run passes on the text form of a circuit.",
    "report": "Show one build, or several side by side.",
    "faults": "What single stuck-at faults of a build cost; test vectors; hardening.",
    "retune": "New threshold voltages for flash cells on late paths.",
    "verify": "Hashes, vectors and proofs of a build folder again.",
    "list": "Targets, passes, technologies, stages, primitives.",
}
"""Every command with its line of help, so that --help loads none of them."""


class Commands(click.Group):
    """Loads a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in reading order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            near = get_close_matches(cmd_name, COMMANDS, n=1)
            also = f"Did you mean {near[0]!r}?" if near else "See flow --help."
            raise click.UsageError(f"No such command {printable(cmd_name)!r}. {also}", ctx)
        module = importlib.import_module(f"flow.cli.{cmd_name}_command")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flow")
def cli() -> None:
    """A hardware-generation compiler: a trained network in; a proved, measured circuit out.

    Results go to stdout, progress and errors to stderr. With --json every command prints one
    JSON document on stdout: its result, or {"error": {message, where, hint, code}}.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code.

    SIGINT and SIGTERM end every tool, remove what is half written, and give 128 + their number.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """The exit code of a command line; errors go to stderr as one message.

    With --json they stand on stdout too, as `{"error": {"message", "where", "hint", "code"}}`.
    """
    said = Said()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        result = cli.main(args=arguments, prog_name="flow", standalone_mode=False, obj=said)
        return result if isinstance(result, int) else 0
    except (BrokenPipeError, SystemExit):
        return 0  # The reader of stdout has gone, and click has ended so: `flow list | head -1`.
    except (Exception, KeyboardInterrupt, _Interrupted) as error:  # noqa: BLE001 - told to the user
        facts, text = _told(error)
        print_failure(facts, text, said, "--json" in words)
        return int(facts["code"])


def _told(error: BaseException) -> tuple[dict[str, Any], str]:
    """What went wrong, for machines and for readers; never a traceback."""
    match error:
        case click.Abort() | KeyboardInterrupt():
            return _facts(f"interrupted; {_left_behind(error)}", 130)
        case _Interrupted():
            return _facts(f"interrupted; {_left_behind(error)}", 128 + error.number)
        case click.ClickException():
            return _facts(error.format_message(), 2)[0], _shown(error)
        case InternalError():
            return error.facts(), f"{error.show()}\n  {REPORT_BUG}"
        case FlowError():
            return error.facts(), error.show()
        case MemoryError():
            return _said("the machine has too little memory for this model", 4)
        case OSError():
            where = printable(str(error.filename)) if error.filename else None
            return _said(printable(error.strerror or str(error)), 2, where)
        case _:
            # The last resort: our bug, told without a traceback.
            text = f"{type(error).__name__}: {printable(str(error))}"
            return _said(text, InternalError.exit_code, _innermost(error), REPORT_BUG)


def _left_behind(error: BaseException) -> str:
    """What an interrupted command says in a note about what it has kept."""
    notes = getattr(error, "__notes__", None) or getattr(error.__cause__, "__notes__", None)
    return str(notes[-1]) if notes else "nothing was written"


def _facts(message: str, code: int) -> tuple[dict[str, Any], str]:
    return {"message": message, "where": None, "hint": None, "code": code}, message


def _said(
    message: str, code: int, where: str | None = None, hint: str | None = None
) -> tuple[dict[str, Any], str]:
    lines = [f"error: {message}", *([f"  at {where}"] if where else [])]
    facts = {"message": message, "where": where, "hint": hint, "code": code}
    return facts, "\n".join([*lines, *([f"  {hint}"] if hint else [])])


def _shown(error: click.ClickException) -> str:
    """The message of click with its lines on usage, as it would print it."""
    file = io.StringIO()
    error.show(file)
    return file.getvalue().rstrip("\n")


class _Interrupted(BaseException):
    """A signal has asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Threads that wait for a tool end with it, so the main thread need not wait for them."""
    from flow.tools.process import CHILDREN

    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)
    CHILDREN.end()
    raise _Interrupted(number)


REPORT_BUG = (
    "this is a bug of flow: please report it with the command, the model or its text form, "
    "and this message"
)


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    place = "flow"
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{code.co_name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place
