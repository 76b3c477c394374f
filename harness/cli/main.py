"""argv, the one error boundary, the exit status.

Each command is a module of this folder, imported only when it is called: `harness --help` imports
none of them.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from harness.cli import render
from harness.errors import HarnessError

# Command, the module that has it as `command`, and what `harness --help` says about it.
_COMMANDS = {
    "init": "write harness.yaml, checks and a CI job into a project that has a firebase.json",
    "begin": "make a new workflow document from the template, filled from a phase file",
    "verify": "run the checks against the emulators, tick what they prove, untick what they do not",
    "report": "show the last run's report; --unchecked: what is not verified, and why",
    "next": "show the next item of the workflow document, and what it needs",
    "audit": "compare ticks with evidence, without running anything; --fix brings boxes into line",
    "sign-off": "record a person's word for an item that no check can verify",
    "evidence": "show an item's evidence; merge the evidence of several machines",
    "emulators": "the Emulator Suite around a command, or until interrupted",
    "firestore": "the embedded Firestore alone: gRPC, REST and admin routes on one port",
    "rules": "the security rules engine by itself",
    "indexes": "which indexes queries use, lack, and leave unused",
    "cost": "what the app's actions cost, will cost, and what makes that grow",
}

EXIT_WRONG_USAGE = 2
_EXIT_OUR_BUG = 70
_EXIT_INTERRUPTED = 130
# As a shell reports death by signal.
_KILLED_BY = 128
# From the system or a CI job, and from a terminal that is closed.
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class _LazyGroup(click.Group):
    """Commands by name; a module is imported when its command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"harness.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
@click.version_option(package_name="firebase-workflow-harness", prog_name="harness")
def cli(debug: bool) -> None:
    """Tick the boxes of a Firebase workflow document when, and only while, emulator runs prove them
    true.
    """


def main() -> None:
    """Run the command line and end the process with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit status. Every error ends here.

    Args:
        arguments: Without the program's name. `--debug` may stand anywhere before `--`.
    """
    arguments, is_debug = _take_debug(list(arguments))
    previous = {number: signal.signal(number, _terminate) for number in _ENDING_SIGNALS}
    try:
        status: Any = cli.main(list(arguments), prog_name="harness", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        render.error(_usage_text(error))
        return EXIT_WRONG_USAGE
    except (KeyboardInterrupt, click.Abort):
        render.error("interrupted")
        return _EXIT_INTERRUPTED
    except HarnessError as error:
        if is_debug:
            render.note(traceback.format_exc())
        render.error(str(error))
        return error.exit_status
    except BrokenPipeError:
        # The reader of our output is gone; what is left to print must not fail again at exit.
        sys.stdout = sys.stderr
        return 0
    except Exception as error:
        return _our_bug(error, is_debug=is_debug)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return status if isinstance(status, int) else 0


def _take_debug(arguments: list[str]) -> tuple[list[str], bool]:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [word for word in arguments[:end] if word != "--debug"]
    return [*kept, *arguments[end:]], len(kept) < end


def _terminate(number: int, frame: object) -> None:
    # An exception, so that everything that was started is ended on the way out.
    raise SystemExit(_KILLED_BY + number)


def _usage_text(error: click.ClickException) -> str:
    text = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text += f"\n  fix: {error.ctx.command_path} --help shows how it is called"
    return text


def _our_bug(error: Exception, *, is_debug: bool) -> int:
    details = "".join(traceback.format_exception(error))
    if is_debug:
        render.note(details)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="harness-", suffix=".log", delete=False
    ) as file:
        file.write(details)
    words = " ".join(str(error).split())[:200]
    render.error(
        f"unexpected error, our fault: {type(error).__name__}: {words} (details: {file.name})"
    )
    return _EXIT_OUR_BUG
