"""`gpustress sweep`."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import complain, console, duration, print_json, reported, size_of
from .inputs import scenarios_from, split, system_from
from .interrupt import heed_interrupt
from .numerals import number_in
from .options import Backend, Devices, Effects, Json, Memory, Paths, Record, ScenarioFile, Seed, Threads

if TYPE_CHECKING:
    from ..sweeps.progress import SweepProgress
    from ..sweeps.result import Sweep
    from ..system import System


def sweep(
    folder: Annotated[
        str | None, typer.Argument(metavar="FOLDER", help="Folder of a system: system.toml and its tables.")
    ] = None,
    *,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FOLDER", help="A new folder, or that of the same sweep.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option("--status", metavar="OUT", help="Say how the sweep in OUT stands, and nothing else."),
    ] = None,
    paths: Paths = 10_000,
    seed: Seed = 0,
    scenarios: ScenarioFile = None,
    effects: Effects = ["first_round,full"],  # noqa: B006 (typer reads the default, nothing changes it)
    keep: Annotated[
        str, typer.Option("--keep", metavar="WHAT", help="summary, or paths: every path as Parquet besides.")
    ] = "summary",
    target_error: Annotated[
        list[str] | None,
        typer.Option(
            "--target-error", metavar="FIGURE=ERROR",
            help="Stop before all paths are used up once the figure's standard error is as small in all scenarios, "
            "e.g. failure:NAME=0.001. Repeatable.",
        ),
    ] = None,
    backend: Backend = "auto",
    threads: Threads = None,
    devices: Devices = None,
    memory: Memory = None,
    record: Record = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", metavar="ADDRESS",
            help="Run on the workers of a Dask scheduler, tcp://HOST:PORT or a scheduler file.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another sweep that --out holds.")
    ] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what the sweep would take, and run nothing.")
    ] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Run a system out of core, into a folder; the same command goes on where one was left.

    Progress goes to standard error: a bar on a terminal, else a line every 30 seconds. With --json, standard output
    gets one JSON object a line, for each event.
    """
    from ..errors import bad_argument

    with reported(as_json):
        if status is not None:
            _show_status(status, as_json)
            return
        if folder is None or (out is None and not estimate):
            missing = "FOLDER" if folder is None else "--out"
            raise bad_argument(missing, None, "is missing", "Write gpustress sweep FOLDER --out OUT.")
        heed_interrupt()
        system, chosen = system_from(folder), scenarios_from(scenarios)
        asked: dict[str, Any] = {
            "paths": paths,
            "keep": keep,
            "effects": split(effects),
            "record": record or (),
            "target_error": _targets(target_error or []),
            "backend": backend,
            "threads": threads,
            "devices": devices or None,
            "memory": memory,
        }
        if out is None or estimate:
            _show_estimate(system, chosen, asked, as_json)
            return
        from ..sweeps.sweeping import sweep as run

        client = None if cluster is None else _client(cluster)
        try:
            done = run(
                system,
                chosen,
                out=out,
                seed=seed,
                cluster=client,
                overwrite=overwrite,
                progress=_print_event if as_json else True,
                **asked,
            )
        except KeyboardInterrupt:
            complain(f"What is whole is in {out}; the same command goes on from there.")
            raise
        finally:
            if client is not None:
                client.close()
        heed_interrupt()
        if not as_json:
            _show(done)


def _print_event(state: SweepProgress) -> None:
    print(json.dumps(dataclasses.asdict(state), allow_nan=False), flush=True)


def _targets(options: list[str]) -> dict[str, float] | None:
    """Figures and errors of a repeated option."""
    from ..errors import bad_argument

    targets = {}
    for option in options:
        figure, _, error = option.rpartition("=")
        number = number_in(error)
        if number is None:
            remedy = "Write FIGURE=ERROR, e.g. failure:NAME=0.001."
            raise bad_argument("--target-error", option, "is no figure with its error", remedy)
        targets[figure] = number
    return targets or None


def _client(address: str) -> Any:
    """A client of a Dask scheduler."""
    from pathlib import Path

    from ..errors import bad_argument

    try:
        from distributed import Client
    except ImportError as error:
        remedy = "Install gpustress[dask]."
        raise bad_argument("--cluster", address, "needs Dask, which is not installed", remedy) from error
    try:
        return Client(scheduler_file=address) if Path(address).is_file() else Client(address)
    except (OSError, ValueError) as error:
        message = f"can't be reached ({error})"
        raise bad_argument(
            "--cluster", address, message, "Start dask-scheduler, or mend the address."
        ) from error


def _show_estimate(system: System, scenarios: Any, asked: dict[str, Any], as_json: bool) -> None:
    from ..sweeps.estimate import estimate_sweep

    taken = estimate_sweep(system, scenarios, **asked)
    if as_json:
        print_json(dataclasses.asdict(taken))
        return
    print(
        f"{taken.paths:,} paths x {taken.runs:,} (scenarios x effects) with backend {taken.backend}: "
        f"{taken.shards:,} shards,\nabout {duration(taken.seconds)} on this machine, {size_of(taken.memory_bytes)} of "
        f"memory ({size_of(taken.free_memory_bytes)} are free) and up to {size_of(taken.disk_bytes)} on disk."
    )


def _show_status(out: str, as_json: bool) -> None:
    from ..sweeps.progress import line_of
    from ..sweeps.result import sweep_status

    found = sweep_status(out)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    if found.whole:
        print(f"Done: {found.shards_done} shards.")
        return
    print(f"{found.shards_done} of {found.shards} shards are whole.")
    if found.owner is None:
        print("Nobody is at work; the same command as before goes on.")
        return
    print(f"At work: {found.owner}")
    if found.progress is not None:
        print(line_of(found.progress))


def _show(done: Sweep) -> None:
    """Who fails, a line each."""
    from rich.table import Table

    size = sum(file.stat().st_size for file in done.folder.rglob("*") if file.is_file())
    name, runs = done.system.settings.name, len(done.runs)
    print(
        f"{name}: {runs} scenarios x effects, {done.paths:,} paths each, in {done.folder} ({size_of(size)})"
    )
    table = Table("scenario", "entity", "fails, %", "± %", title="Who fails most")
    rows = [row for row in done.failures().to_pylist() if row["cause"] == "any" and row["probability"] > 0.0]
    rows.sort(key=lambda row: -row["probability"])
    for row in rows[:MOST_SHOWN]:
        error = row["standard_error"]
        table.add_row(row["scenario"], row["entity"], f"{100 * row['probability']:.2f}",
                      "" if error is None else f"{100 * error:.2f}")  # fmt: skip
    if rows:
        console().print(table)
    sys.stdout.flush()


MOST_SHOWN = 20  # rows; the tables are in the folder
