"""The command line: `gpustress check | run | sweep | report | explain | reverse | network | info`, a module for each.

Modules that take long to import are imported by the command that needs them.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import takewhile
from typing import Any, Final

import typer

from ..errors import Problem
from .check_command import check
from .console import FAILED, INTERRUPTED, complain, report_json, silence
from .explain_command import explain
from .info_command import info
from .interrupt import interrupt
from .network_command import network
from .report_command import report
from .reverse_command import reverse
from .run_command import run
from .sweep_command import sweep

TYPER_INTERRUPTED: Final = 130  # how typer exits on Ctrl-C outside a command
USAGE_ERROR: Final[type[Exception]] = typer.BadParameter.__mro__[1]  # typer has no name of its own for it

app = typer.Typer(
    name="gpustress",
    help="Stress-test financial systems in which who fails next depends on who failed before.",
    epilog="Exit codes: 0 done, 2 bad input, 3 interrupted (a sweep goes on by the same command), 1 anything else.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (check, run, sweep, report, explain, reverse, info):
    app.command()(command)
app.add_typer(network)


def main() -> None:
    """Run the command line and exit with its code."""
    interrupt.noted = interrupt.leaving = False
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who called us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        if hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="replace")  # a character that a terminal lacks is no fault
    code: int | str | None = 0
    try:
        code = _run_app()
        sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # whoever read our output has left: nothing to tell
        code = code or FAILED
        silence(sys.stdout)
    except OSError as error:
        code = code or FAILED
        silence(sys.stdout)
        complain(f"gpustress: {error}")
    interrupt.leaving = True
    try:
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)
    sys.exit(INTERRUPTED if interrupt.noted else code)


def _run_app() -> int | str | None:
    """Run the command; its exit code."""
    try:
        code = app(prog_name="gpustress", standalone_mode=False)
    except SystemExit as leaving:
        return leaving.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError:
        raise
    except USAGE_ERROR as error:
        return _refuse(error)
    except Exception:
        if interrupt.noted:  # made of a KeyboardInterrupt on its way
            return INTERRUPTED
        raise
    return INTERRUPTED if code == TYPER_INTERRUPTED else code


def _refuse(error: Any) -> int:
    """Say what is wrong with the arguments, as JSON where that is asked for; the exit code."""
    if "--json" in takewhile(lambda argument: argument != "--", sys.argv[1:]):
        command = "gpustress" if error.ctx is None else error.ctx.command_path
        message = error.format_message().rstrip(".")
        report_json([Problem(command, None, None, "", message, f"See `{command} --help`.")])
    else:
        try:
            error.show()
        except OSError:
            silence(sys.stderr)
    return int(error.exit_code)
