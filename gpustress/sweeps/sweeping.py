"""Run a sweep: out of core, resumed where it was left, on this machine or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..backends import AUTO, get_backend
from ..estimates import contagion_pairs
from ..memory import budget
from .combination import combine
from .estimate import check_room, left_of
from .files import (
    CONTAGION,
    SUMMARIES,
    SYSTEM,
    Record,
    SweepFolder,
    check_place,
    mark_of,
    read_manifest,
)
from .lock import locked
from .progress import Listener, Reporter, listening
from .question import Keep, Question, ask
from .result import Sweep, read_sweep
from .shard_run import Blocks, Overlap, read_tally, run_shard
from .shards import Shard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distributed import Client

    from ..backends.base import Backend
    from ..estimates import ScenarioRun
    from ..system import System
    from .summary import SweepSummary

Runner = Callable[[list[Shard], Reporter, Callable[[Record], None]], None]
FEWEST_ERROR: Final = 2  # rounds: one range of paths tells little of its own error


def sweep(
    system: System,
    scenarios: Any = None,
    *,
    paths: int | None = None,
    out: str | os.PathLike[str],
    seed: int = 0,
    keep: Keep = "summary",
    effects: str | Sequence[str] = "full",
    record: Sequence[str] = (),
    books: Mapping[str, Any] | None = None,
    target_error: Mapping[str, float] | None = None,
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
    cluster: Client | None = None,
    overwrite: bool = False,
    progress: bool | Listener = False,
) -> Sweep:
    """Run any number of paths and scenarios in bounded memory, into a folder, and go on where it was left.

    The sweep is a grid of shards. Each is written aside, handed to the disk and renamed; the manifest comes last. The
    same call after a crash, a kill or a full disk does the shards that are not whole. The files are the same bytes
    whatever interrupted it, and whatever the memory, the threads, the workers.

    Parameters
    ----------
    system, scenarios, seed, effects, record, backend, threads, devices
        As `simulate` takes them.
    paths : int, optional
        Monte Carlo paths of each scenario; by default 10,000.
    out : path
        A new or empty folder, or that of the same sweep.
    keep : {"summary", "paths"}
        What is stored: estimates, moments and sketches of quantiles alone, or every path as Parquet besides.
    books : mapping of str to anything that speaks Arrow, optional
        Books of positions whose losses are summed up; by default the system's own positions, if any.
    target_error : mapping of str to float, optional
        The sweep stops before all paths are used up once each of these figures has at most this standard error in
        all scenarios: ``failure:ENTITY``, ``measure:NAME``, ``loss:BOOK``. Looked at after fixed rounds of paths.
    memory : str or int, optional
        What the sweep may add to the process, e.g. ``"4GB"``; by default a quarter of what is free. With `cluster`,
        to each worker.
    cluster : distributed.Client, optional
        Run the shards on its workers, which have to see `out` under the same name.
    overwrite : bool
        Whether another sweep's folder may be replaced.
    progress : bool or callable
        True: on standard error a bar where that is a terminal, else a line every 30 seconds. A callable gets a
        `SweepProgress` now and then.

    Returns
    -------
    Sweep

    Raises
    ------
    InputError
        For bad input, with every problem of its kind; when the memory or the disk is too little; when `out` is another
        sweep's, or another process is writing it.
    OSError
        The disk is full, or may not be written to. The same call goes on later.
    """
    chosen = get_backend(backend, threads=threads, devices=devices)
    question = ask(system, scenarios, paths=paths, seed=seed, keep=keep, effects=effects, record=record, books=books,
                   target_error=target_error, chosen=chosen)  # fmt: skip
    place, allowed = check_place(out), budget(memory)
    digest, runs = question.compile_all()
    identity = question.identity(digest)
    mark = mark_of(identity)
    place.mkdir(parents=True, exist_ok=True)
    with listening(progress) as listener, locked(place), _tidied(SweepFolder(place, mark)) as folder:
        folder.claim(identity, overwrite)
        reporter = Reporter(listener, folder)
        records, faults = folder.whole_shards(question.grid.shards())
        manifest = read_manifest(place)
        for fault in faults:
            reporter.tell("note", f"{fault}: its shard runs again")
        _begin(reporter, question, len(runs), records.values())
        if manifest is None:
            blocks = Blocks(question, chosen, allowed)
            taken = left_of(question, chosen, blocks, done=len(records))
            check_room(taken, place)
            reporter.tell("note", str(taken))
            if cluster is None:
                runner = _here(question, chosen, blocks, folder)
            else:
                from .cluster import on_cluster

                options = {"backend": backend, "threads": threads, "devices": devices and list(devices)}
                runner = on_cluster(cluster, question, place, mark, {**options, "memory": memory})
            rounds = _run_all(question, runs, folder, records, reporter, runner)
            reporter.tell("writing", "all shards are whole; the summary is written")
            _finish(question, identity, runs, folder, records, rounds)
        reporter.tell("done")
    return read_sweep(place)


@contextmanager
def _tidied(folder: SweepFolder) -> Iterator[SweepFolder]:
    """The folder, without what only a sweep at work needs once the block is left."""
    try:
        yield folder
    finally:
        folder.tidy()


def _begin(reporter: Reporter, question: Question, runs: int, records: Iterable[Record]) -> None:
    whole = list(records)
    effects = len(question.effects)
    reporter.begin(
        total=question.grid.paths * runs,
        shards=len(question.grid),
        done=sum(record.shard.paths * record.shard.scenarios * effects for record in whole),
        shards_done=len(whole),
        failures=sum(record.failures for record in whole),
    )


def _here(question: Question, backend: Backend, blocks: Blocks, folder: SweepFolder) -> Runner:
    """Runs shards in this process."""

    def run(shards: list[Shard], reporter: Reporter, done: Callable[[Record], None]) -> None:
        with Overlap() as overlap:
            for shard in sorted(shards, key=lambda each: (each.first_scenario, each.first_path)):
                run_shard(question, shard, backend, blocks, folder, overlap, reporter.advance, done)
            overlap.wait()

    return run


def _run_all(
    question: Question,
    runs: Sequence[ScenarioRun],
    folder: SweepFolder,
    records: dict[int, Record],
    reporter: Reporter,
    runner: Runner,
) -> int:
    """Run what is missing; how many rounds of paths there are in the end."""

    def done(record: Record) -> None:
        records[record.shard.number] = record
        reporter.advance(shards=1)

    grid = question.grid
    if not question.target_error:
        runner([shard for shard in grid.shards() if shard.number not in records], reporter, done)
        return grid.path_ranges
    for each in range(grid.path_ranges):
        missing = [shard for shard in grid.round(each) if shard.number not in records]
        runner(missing, reporter, done)
        if each + 1 >= FEWEST_ERROR and _reached(question, runs, folder.place, records, each + 1):
            return each + 1
    return grid.path_ranges


def _reached(
    question: Question, runs: Sequence[ScenarioRun], place: Path, records: Mapping[int, Record], rounds: int
) -> bool:
    """Whether every figure's standard error is small enough in every run."""
    return all(
        float(np.max(summary.standard_error(figure))) <= error
        for summary in _summaries(question, runs, place, records, rounds)
        for figure, error in question.target_error
    )


def _summaries(
    question: Question, runs: Sequence[ScenarioRun], place: Path, records: Mapping[int, Record], rounds: int
) -> Iterator[SweepSummary]:
    """Summaries of some scenarios at a time, in order, so that no more is held."""
    grid, effects = question.grid, len(question.effects)
    for column, first in enumerate(grid.round(0)):
        place_of = first.first_scenario * effects
        numbers = (each * grid.scenario_ranges + column for each in range(rounds))
        yield combine(
            (read_tally(place, records[number].files) for number in numbers),
            system=question.system,
            runs=tuple(runs[place_of : place_of + first.scenarios * effects]),
            coordinates=question.scenarios.coordinates,
            paths=grid.paths_until(rounds),
            books=tuple(question.books),
            series=question.record,
        )


def _finish(
    question: Question,
    identity: Mapping[str, Any],
    runs: Sequence[ScenarioRun],
    folder: SweepFolder,
    records: Mapping[int, Record],
    rounds: int,
) -> None:
    """Write what belongs to all shards, and the manifest last."""
    grid, place = question.grid, folder.place
    whole = [records[number] for number in range(rounds * grid.scenario_ranges)]
    files = _write_inputs(question, folder)
    files |= _write_summaries(folder, _summaries(question, runs, place, records, rounds))
    exact = np.zeros(len(runs), dtype=np.int64)
    for record in whole:
        first = record.shard.first_scenario * len(question.effects)
        exact[first : first + len(record.exact_finishes)] += record.exact_finishes
    folder.remove_strays(name for record in whole for name in record.files)
    manifest = {
        **identity,
        "paths_done": grid.paths_until(rounds),
        "runs": [{"name": run.name, "scenario": run.scenario, "effects": run.effects} for run in runs],
        "exact_finishes": exact.tolist(),
        "shards": [record.content() for record in whole],
    }
    folder.finish(manifest, files)


def _write_inputs(question: Question, folder: SweepFolder) -> dict[str, str]:
    """The system, the scenarios and the books; checksums by name."""
    files = folder.write_folder(SYSTEM, lambda aside: question.system.write(aside, format="parquet"))
    tables = {"scenarios": question.scenarios.table}
    if question.scenarios.coordinates is not None:
        tables["coordinates"] = question.scenarios.coordinates
    for name, table in tables.items():
        files[f"{name}.parquet"] = _write_table(folder, name, table)
    return files


def _write_summaries(folder: SweepFolder, summaries: Iterable[SweepSummary]) -> dict[str, str]:
    """The tables of estimates, a row group for each range of scenarios; checksums by name."""
    written: dict[str, tuple[Path, pq.ParquetWriter]] = {}
    for summary in summaries:
        names = (*SUMMARIES, CONTAGION) if contagion_pairs(summary.runs) else SUMMARIES
        for name in names:
            table = getattr(summary, name)()
            if name not in written:
                aside = folder.aside(f"{name}.parquet")
                written[name] = aside, pq.ParquetWriter(aside, table.schema, compression="zstd")
            written[name][1].write_table(table)
    for _, writer in written.values():
        writer.close()
    return folder.publish({f"{name}.parquet": aside for name, (aside, _) in written.items()})


def _write_table(folder: SweepFolder, name: str, table: pa.Table) -> str:
    plain = table.replace_schema_metadata(None).combine_chunks()
    return folder.write(f"{name}.parquet", lambda file: pq.write_table(plain, file, compression="zstd"))
