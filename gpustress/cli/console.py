"""What a command says, and how it ends."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TextIO

import typer

from ..errors import InputError
from .interrupt import interrupt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

    from ..errors import Problem

BAD_INPUT: Final = 2  # exit codes; 0 is done
INTERRUPTED: Final = 3
FAILED: Final = 1
WIDEST, NARROWEST = 100, 80


def silence(stream: TextIO) -> None:
    """Let what a stream could not write go to nowhere, so that nothing fails again at the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def complain(text: object) -> None:
    """Print to standard error; what can't be printed there changes no exit code."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)


@contextmanager
def reported(as_json: bool) -> Iterator[None]:
    """Turn what can go wrong in a command into a message and an exit code."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    except InputError as error:
        if as_json:
            report_json(error.problems)
        else:
            complain(error)
        raise typer.Exit(BAD_INPUT) from error
    except KeyboardInterrupt as cause:
        interrupt.leaving = True
        complain("Interrupted.")
        raise typer.Exit(INTERRUPTED) from cause
    except BrokenPipeError:
        raise
    except (OSError, MemoryError) as error:
        complain(f"gpustress: {error or 'out of memory'}")
        raise typer.Exit(FAILED) from error


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    complain(f"Warning: {message}")


def console() -> Console:
    """Where tables are printed: as wide as the terminal, within limits."""
    from rich.console import Console

    class Telling(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # not SystemExit: there may be a result to write yet

    width = min(max(Console().width, NARROWEST), WIDEST) if sys.stdout.isatty() else WIDEST
    return Telling(width=width, markup=False, emoji=False, highlight=False)


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object, numbers unrounded."""
    print(json.dumps(content, indent=1, allow_nan=False))


def report_json(problems: Iterable[Problem]) -> None:
    """Print what is wrong with the input as one JSON object."""
    print_json({"ok": False, "problems": list(map(dataclasses.asdict, problems))})


def duration(seconds: float) -> str:
    """For people: 12 s, 5 min, 1.5 h."""
    if seconds < 90:
        return f"{max(seconds, 0.1):.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size_of(count: float) -> str:
    """Bytes for people: 12.0 MB."""
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{max(count, 0) / 1e3:.0f} kB"
