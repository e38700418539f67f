"""What a sweep gives: a folder on disk, tables of estimates, and with `keep="paths"` a data set of every path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..errors import InputError, Problem, bad_argument
from ..estimates import Named, ScenarioRun, check_contagion
from ..files import read_parquet
from ..folders import consistent, folder_at
from ..result_schema import STORED
from ..system import System, read_system
from .combination import combine
from .files import (
    CONTAGION,
    MANIFEST,
    RECORDS,
    STATUS,
    SWEPT,
    SYSTEM,
    TALLIES,
    file_fault,
    read_manifest,
    read_plan,
)
from .lock import Owner, owner
from .progress import SweepProgress
from .shard_run import read_tally

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from numpy.typing import NDArray

    from .summary import SweepSummary

_AGAIN: Final = "Run the same sweep again: it does what is missing or damaged anew, and nothing else."


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(Named):
    """A sweep that is whole, on disk.

    Attributes
    ----------
    folder : Path
    system : System
    scenario_table : pyarrow.Table
    coordinates : pyarrow.Table or None
        Of a grid or sample.
    runs : tuple of ScenarioRun, length S
    seed, paths : int
        Paths of each run: fewer than were asked for where `target_error` was reached before.
    keep : str
        "summary" or "paths".
    books, record : tuple of str
    digest : str
        Stands for the system under its scenarios.
    exact_finishes : ndarray (S,) of int64
        Path-periods whose settlement was finished exactly.
    """

    folder: Path
    system: System
    scenario_table: pa.Table
    coordinates: pa.Table | None
    runs: tuple[ScenarioRun, ...]
    seed: int
    paths: int
    keep: str
    books: tuple[str, ...]
    record: tuple[str, ...]
    digest: str
    exact_finishes: NDArray[np.int64]

    def __repr__(self) -> str:
        """Say in a line what it is."""
        return (
            f"<Sweep of {self.system.settings.name!r}: {len(self.runs)} runs x {self.paths} paths, seed {self.seed}, "
            f"in {str(self.folder)!r}>"
        )

    def failures(self) -> pa.Table:
        """Probability of failing by the last period, for each run, entity and cause; as `Result.failures`."""
        return self._table("failures")

    def failure_curve(self) -> pa.Table:
        """Probability of having failed by the end of each period; as `Result.failure_curve`."""
        return self._table("failure_curve")

    def contagion(self) -> pa.Table:
        """What contagion adds to each entity's probability of failing; as `Result.contagion`.

        Raises
        ------
        InputError
            No scenario ran with both first_round and full.
        """
        check_contagion(self.runs)
        return self._table(CONTAGION)

    def measure_summary(self) -> pa.Table:
        """Mean and quantiles of every measure's figures; as `SweepSummary.measure_summary`."""
        return self._table("measure_summary")

    def series_summary(self) -> pa.Table:
        """Mean and quantiles of the recorded series, by period; as `SweepSummary.series_summary`."""
        return self._table("series_summary")

    def entity_summary(self) -> pa.Table:
        """Mean and spread of what entities hold; as `SweepSummary.entity_summary`."""
        return self._table("entity_summary")

    def loss_summary(self) -> pa.Table:
        """Expected loss, value at risk and expected shortfall of each book; as `SweepSummary.loss_summary`."""
        return self._table("loss_summary")

    @cached_property
    def summary(self) -> SweepSummary:
        """All tallies of all shards, put together: any quantile, any figure."""
        return combine(
            _tallies(self.folder, _whole(self.folder)["shards"]), system=self.system, runs=self.runs,
            coordinates=self.coordinates, paths=self.paths, books=self.books, series=self.record,
        )  # fmt: skip

    def dataset(self, name: str) -> ds.Dataset:
        """Every path, as a data set that is read piece by piece; duckdb and polars read the same files.

        Parameters
        ----------
        name : str
            ``entities``, ``measures`` or ``series``: the tables of a stored result.

        Raises
        ------
        InputError
            There is no such table, or the sweep kept its summary alone.
        """
        import pyarrow.dataset as ds

        if name not in STORED:
            raise bad_argument("name", name, "is no table of paths", f"Name one of {', '.join(STORED)}.")
        if self.keep != "paths":
            raise bad_argument("name", name, "was not kept", 'Run the sweep with keep="paths".')
        return ds.dataset(self.folder / name, format="parquet")

    def verify(self) -> None:
        """Read every file and compare its checksum.

        Raises
        ------
        InputError
            With a problem for each file that is missing or not as it was written.
        """
        manifest = _whole(self.folder)
        _verify(self.folder, dict(_files_of(manifest)))

    def _table(self, name: str) -> pa.Table:
        return read_parquet(self.folder / f"{name}.parquet")


def read_sweep(out: str | os.PathLike[str]) -> Sweep:
    """A sweep that is whole, from its folder.

    The checksums of the system, the estimates and the shards' summaries are compared; `Sweep.verify` does so for
    every path that was kept as well.

    Raises
    ------
    InputError
        There is no sweep, it is not whole yet, or a file is not as it was written.
    """
    place = folder_at(out, SWEPT, "out")
    with consistent(place, MANIFEST, _AGAIN):
        return _read_sweep(place)


def _read_sweep(place: Path) -> Sweep:
    read_plan(place)
    manifest = _whole(place)
    files = _files_of(manifest)
    _verify(place, {name: checksum for name, checksum in files if name.partition("/")[0] not in STORED})
    coordinates = place / "coordinates.parquet"
    return Sweep(
        folder=place,
        system=read_system(place / SYSTEM),
        scenario_table=read_parquet(place / "scenarios.parquet"),
        coordinates=read_parquet(coordinates) if coordinates.name in manifest["files"] else None,
        runs=tuple(ScenarioRun(**run) for run in manifest["runs"]),
        seed=manifest["seed"],
        paths=manifest["paths_done"],
        keep=manifest["keep"],
        books=tuple(manifest["books"]),
        record=tuple(manifest["record"]),
        digest=manifest["digest"],
        exact_finishes=np.array(manifest["exact_finishes"], dtype=np.int64),
    )


@dataclass(frozen=True)
class SweepStatus:
    """How a sweep stands.

    Attributes
    ----------
    whole : bool
        Whether it is done.
    owner : Owner or None
        The process that writes it now.
    shards_done, shards : int
        `shards` are those of all paths; a sweep with `target_error` may end before.
    progress : SweepProgress or None
        As the process at work last told, a few seconds ago at most.
    """

    whole: bool
    owner: Owner | None
    shards_done: int
    shards: int
    progress: SweepProgress | None


def sweep_status(out: str | os.PathLike[str]) -> SweepStatus:
    """How a sweep stands, from anywhere that sees its folder; disturbs nobody.

    Raises
    ------
    InputError
        The folder is no sweep's.
    """
    place = folder_at(out, SWEPT, "out")
    with consistent(place, MANIFEST, _AGAIN):
        return _status(place)


def _status(place: Path) -> SweepStatus:
    from ..checksums import read_json
    from .shards import Grid

    plan = read_plan(place)
    manifest = read_manifest(place)
    shards = len(Grid(**plan["grid"]))
    if manifest is not None:
        return SweepStatus(True, None, len(manifest["shards"]), shards, None)
    records = place / RECORDS
    done = sum(1 for each in records.iterdir() if each.suffix == ".json") if records.is_dir() else 0
    told = read_json(place / STATUS)
    known = isinstance(told, dict) and told.keys() == SweepProgress.__dataclass_fields__.keys()
    return SweepStatus(False, owner(place), done, shards, SweepProgress(**told) if known else None)


def _whole(place: Path) -> dict[str, Any]:
    manifest = read_manifest(place)
    if manifest is None:
        there = (place / MANIFEST).exists()
        message = "is not as it was written" if there else "is missing: the sweep is not whole"
        raise InputError([Problem(MANIFEST, None, None, "", message, _AGAIN)])
    return manifest


def _files_of(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    files = list(manifest["files"].items())
    for shard in manifest["shards"]:
        files += shard["files"].items()
    return files


def _verify(place: Path, files: Mapping[str, str]) -> None:
    faults = {name: file_fault(place, name, checksum) for name, checksum in files.items()}
    problems = [Problem(name, None, None, "", fault, _AGAIN) for name, fault in faults.items() if fault]
    if problems:
        raise InputError(problems)


def _tallies(place: Path, shards: list[dict[str, Any]]) -> Iterator[dict[str, pa.Table]]:
    for shard in shards:
        yield read_tally(place, {name: "" for name in shard["files"] if name.startswith(TALLIES)})
