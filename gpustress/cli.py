"""The command line: `gpustress check | run | info`.

Modules that take long to import are imported by the command that needs them.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import typer

from .errors import InputError, bad_argument

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    import pyarrow as pa
    from rich.console import Console

    from .system import System

BAD_INPUT, INTERRUPTED, FAILED = 2, 3, 1  # exit codes; 0 is done
WIDEST, NARROWEST = 100, 80
TYPER_INTERRUPTED: Final = 130  # how typer exits on Ctrl-C outside a command

app = typer.Typer(
    name="gpustress",
    help="Stress-test financial systems in which who fails next depends on who failed before.",
    epilog="Exit codes: 0 done, 2 bad input, 3 interrupted, 1 anything else.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Folder = Annotated[
    str, typer.Argument(metavar="FOLDER", help="Folder of a system: system.toml and its tables.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, numbers unrounded.")]
ScenarioFile = Annotated[
    str | None,
    typer.Option("--scenarios", metavar="FILE", help="Scenarios to run instead of the system's own."),
]
Paths = Annotated[
    int, typer.Option("--paths", metavar="N", min=1, help="Monte Carlo paths of each scenario.")
]
Effects = Annotated[
    list[str],
    typer.Option(
        "--effects",
        metavar="E",
        help="none, first_round or full; several by commas or by repeating the option. first_round and full "
        "together tell what contagion adds; full alone takes half the time.",
    ),
]
Backend = Annotated[
    str, typer.Option("--backend", metavar="B", help="auto, or a backend that `gpustress info` lists.")
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        help="At most so many threads; default: as many as there are processors.",
    ),
]
Devices = Annotated[
    list[int] | None,
    typer.Option(
        "--device",
        metavar="N",
        min=0,
        help="A CUDA device to compute on, for the backend cupy. Repeatable; default: 0.",
    ),
]
Record = Annotated[
    list[str] | None,
    typer.Option(
        "--record", metavar="NAME",
        help="Keep a time series: cash:ENTITY, flow:NAME, measure:NAME, factor:NAME or estate. Repeatable.",
    ),
]  # fmt: skip


@app.command()
def check(
    folder: Folder,
    *,
    scenarios: ScenarioFile = None,
    paths: Paths = 10_000,
    effects: Effects = ["first_round,full"],  # noqa: B006 (typer reads the default, nothing changes it)
    as_json: Json = False,
) -> None:
    """Check a system, and estimate what a run takes.

    Lists every problem at once; without any, the size of the system and what a run would take.
    """
    with _reported(as_json):
        from .run_estimate import estimate

        _heed_interrupt()
        system = _read_system(folder)
        taken = estimate(system, _read_scenarios(scenarios), paths=paths, effects=_split(effects))
        size = _size(system)
        if as_json:
            _print_json(
                {
                    "ok": True,
                    "system": system.settings.name,
                    "size": size,
                    "notes": list(map(dataclasses.asdict, system.notes)),
                    "estimate": dataclasses.asdict(taken),
                }
            )
            return
        for note in system.notes:
            _print(f"Note: {note}")
        _print(f"{system.settings.name}: no problems.")
        _print("Size: " + ", ".join(f"{name} {count:,}" for name, count in size.items() if count))
        _print(
            f"A run of {taken.paths:,} paths x {taken.runs} (scenarios x effects) with backend "
            f"{taken.backend}: about {_duration(taken.seconds)},\n{_bytes(taken.memory_bytes)} of memory "
            f"({_bytes(taken.free_bytes)} are free) and, if written, {_bytes(taken.disk_bytes)} on disk."
        )


@app.command()
def run(
    folder: Folder,
    *,
    paths: Paths = 10_000,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="The same seed gives the same result.")
    ] = 0,
    scenarios: ScenarioFile = None,
    effects: Effects = ["first_round,full"],  # noqa: B006
    backend: Backend = "auto",
    threads: Threads = None,
    devices: Devices = None,
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="What the run may take, e.g. 4GB; default: a quarter of what is free.",
        ),
    ] = None,
    record: Record = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FOLDER", help="Store the result there, as Parquet.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a system; print who fails and what is lost.

    The summary says of every scenario who fails, when, why and by contagion, what the measures come to, and
    what the book of positions loses, each with its standard error.
    """
    with _reported(as_json):
        from .rendering import render
        from .simulation import simulate
        from .store import check_target
        from .summary import summarise

        _heed_interrupt()
        if out is not None:
            check_target(out, "--out")
        system = _read_system(folder)
        result = simulate(
            system,
            _read_scenarios(scenarios),
            paths=paths,
            seed=seed,
            backend=backend,
            threads=threads,
            devices=devices or None,
            effects=_split(effects),
            record=record or (),
            memory=memory,
            progress=True,
        )
        _heed_interrupt()
        summary = summarise(result)
        unheard = None
        try:  # before the result is written: a full disk takes no summary away, nor a lost reader the result
            if as_json:
                _print_json(summary)
            else:
                render(summary, _console())
            sys.stdout.flush()
        except OSError as error:
            unheard = error
        if out is not None:
            result.write(out)
            _complain(f"Written to {out}")
        if unheard is not None:
            raise unheard


@app.command()
def info(as_json: Json = False) -> None:
    """Show versions, backends and which one is taken."""
    with _reported(as_json):
        import platform

        import numpy as np
        import pyarrow as pa

        from .backends import AUTO, ENVIRONMENT_VARIABLE, backends, get_backend
        from .memory import free_memory
        from .version import VERSION

        _heed_interrupt()
        wanted, refused = os.environ.get(ENVIRONMENT_VARIABLE), None
        why = f"{ENVIRONMENT_VARIABLE}={wanted}" if wanted else "the best that works"
        try:
            taken = get_backend(AUTO).name
        except InputError as error:  # said when everything else is
            taken, refused = None, error
        facts: dict[str, Any] = {
            "versions": {"gpustress": VERSION, "python": platform.python_version(), "numpy": np.__version__,
                         "pyarrow": pa.__version__},
            "processors": os.cpu_count(),
            "free_bytes": free_memory(),
            "backends": list(map(dataclasses.asdict, backends())),
            "taken": taken,
            "why": why,
        }  # fmt: skip
        if as_json:
            if refused is not None:
                raise refused
            _print_json(facts)
            return
        _print(", ".join(f"{name} {version}" for name, version in facts["versions"].items()))
        _print(f"{facts['processors']} processors, {_bytes(facts['free_bytes'])} of memory free")
        for backend in facts["backends"]:
            state = backend["device"] if backend["works"] else f"does not work: {backend['reason']}"
            mark = f" (taken: {why})" if backend["name"] == taken else ""
            _print(f"backend {backend['name']}: {state}{mark}")
            if backend["versions"]:
                _print("  " + ", ".join(f"{name} {version}" for name, version in backend["versions"].items()))
            for one in backend["hardware"]:
                _print(f"  {one['name']}: {_bytes(one['memory_bytes'])} of memory, driver {one['driver']}")
        if refused is not None:
            raise refused


def main() -> None:
    """Run the command line and exit with its code."""
    _interrupt.noted = _interrupt.leaving = False
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
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
        _silence(sys.stdout)
    except OSError as error:
        code = code or FAILED
        _silence(sys.stdout)
        _complain(f"gpustress: {error}")
    _interrupt.leaving = True
    try:
        sys.stderr.flush()
    except OSError:
        _silence(sys.stderr)
    sys.exit(INTERRUPTED if _interrupt.noted else code)


class _Interrupt:
    """What Ctrl-C does: it is noted, for an import of a module in C may swallow a KeyboardInterrupt."""

    noted = leaving = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        self.noted = True
        if not self.leaving:
            raise KeyboardInterrupt


_interrupt = _Interrupt()


def _heed_interrupt() -> None:
    if _interrupt.noted:
        raise KeyboardInterrupt


def _run_app() -> int | str | None:
    """Run the command; its exit code."""
    try:
        app()
    except SystemExit as leaving:
        return INTERRUPTED if leaving.code == TYPER_INTERRUPTED else leaving.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:  # typer could not print what is wrong with the arguments
        cause = error.__context__
        while cause is not None and not hasattr(cause, "exit_code"):
            cause = cause.__context__
        if cause is None:
            raise
        return int(cause.exit_code)
    except Exception:
        if _interrupt.noted:  # made of a KeyboardInterrupt on its way
            return INTERRUPTED
        raise
    return 0


def _silence(stream: TextIO) -> None:
    """Let what a stream could not write go to nowhere, so that nothing fails again at the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _complain(text: object) -> None:
    """Print to standard error; what can't be printed there changes no exit code."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _silence(sys.stderr)


@contextmanager
def _reported(as_json: bool) -> Iterator[None]:
    """Turn what can go wrong in a command into a message and an exit code."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    except InputError as error:
        if as_json:
            _print_json({"ok": False, "problems": list(map(dataclasses.asdict, error.problems))})
        else:
            _complain(error)
        raise typer.Exit(BAD_INPUT) from error
    except KeyboardInterrupt as interrupt:
        _interrupt.leaving = True
        _complain("Interrupted.")
        raise typer.Exit(INTERRUPTED) from interrupt
    except BrokenPipeError:
        raise
    except (OSError, MemoryError) as error:
        _complain(f"gpustress: {error or 'out of memory'}")
        raise typer.Exit(FAILED) from error


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _complain(f"Warning: {message}")


def _read_system(folder: str) -> System:
    from .system import read_system

    return read_system(folder)


def _read_scenarios(file: str | None) -> pa.Table | None:
    """Scenarios from a table file; None where none was named."""
    if file is None:
        return None
    from pathlib import Path

    from .errors import Problem
    from .files import FORMATS, read_table

    if not os.path.isfile(file) or Path(file).suffix.lower() not in FORMATS:
        raise bad_argument(
            "--scenarios", file, "is no file of a table", f"Name a file: {', '.join(FORMATS)}."
        )
    problems: list[Problem] = []
    table = read_table(Path(file), "scenarios", problems)
    if problems:
        raise InputError(problems)
    return table


def _split(effects: list[str]) -> tuple[str, ...]:
    """Effects of a repeated option, each of which may hold several between commas."""
    return tuple(part.strip() for option in effects for part in option.split(","))


def _size(system: System) -> dict[str, int]:
    settings = system.settings
    return {"periods": settings.periods, **{name: table.num_rows for name, table in system.tables.items()}}


def _console() -> Console:
    from rich.console import Console

    width = min(max(Console().width, NARROWEST), WIDEST) if sys.stdout.isatty() else WIDEST
    return Console(width=width, markup=False, emoji=False, highlight=False)


def _print(text: str) -> None:
    print(text)


def _print_json(content: dict[str, Any]) -> None:
    print(json.dumps(content, indent=1, allow_nan=False))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 0.1):.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _bytes(count: float) -> str:
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{max(count, 0) / 1e3:.0f} kB"
