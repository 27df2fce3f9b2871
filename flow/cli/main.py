"""The command line: `flow COMMAND ...`; each command is a file of this folder."""

from __future__ import annotations

import importlib
import sys

import click

from flow import __version__
from flow.errors import FlowError, InternalError, printable

COMMANDS: dict[str, str] = {
    "build": "A trained network in; a proved, measured circuit out.",
    "check": "Everything that stands in the way of a model, at once.",
    "eval": "What the integer network answers, for a model or a build folder.",
    "opt": "Run passes on the text form of a circuit.",
    "report": "Show one build, or several side by side.",
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
            return None
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
    """A hardware-generation compiler: a trained network in; a proved, measured circuit out."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """The exit code of a command line; errors go to stderr as one message."""
    try:
        result = cli.main(args=arguments, prog_name="flow", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; nothing was written", err=True)
        return 130
    except FlowError as error:
        click.echo(error.show(), err=True)
        if isinstance(error, InternalError):
            click.echo(f"  {REPORT_BUG}", err=True)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except MemoryError:
        click.echo("error: the machine has too little memory for this model", err=True)
        return 4
    except OSError as error:
        place = f"\n  at {printable(str(error.filename))}" if error.filename else ""
        click.echo(f"error: {printable(error.strerror or str(error))}{place}", err=True)
        return 2
    except Exception as error:  # noqa: BLE001 - the last resort: our bug, told without a traceback
        where = _innermost(error)
        click.echo(
            f"error: {type(error).__name__}: {printable(str(error))}\n  at {where}", err=True
        )
        click.echo(f"  {REPORT_BUG}", err=True)
        return InternalError.exit_code


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
