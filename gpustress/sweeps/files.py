"""A sweep's folder: files written aside and renamed, a record of each whole shard, the manifest last."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ..checksums import (
    CHECKSUM,
    content_checksum,
    file_checksum,
    files_below,
    leads_out,
    read_json,
    signed_json,
)
from ..errors import InputError, Problem, bad_argument, shown
from ..folders import check_writable, target_of
from ..result_schema import STORED
from .lock import LOCK
from .shards import Shard

FORMAT: Final = "gpustress sweep"
FORMAT_VERSION: Final = 1  # of the folder's layout; rises when an older reader would misread it
SWEPT: Final = "Name one that a sweep was written to."
PLAN: Final = "plan.json"  # written first: whose folder it is
MANIFEST: Final = "sweep.json"  # written last: what is in it
SYSTEM: Final = "system"
RECORDS: Final = "records"  # of the shards that are whole; their content goes into the manifest
TALLIES: Final = "tallies"
ASIDE: Final = ".aside-"  # and a mark of the sweep: what still writes for another can't write into this one
STATUS: Final = ".status.json"
CONTAGION: Final = "contagion"
SUMMARIES: Final = (
    "failures", "failure_curve", "measure_summary", "series_summary", "entity_summary", "loss_summary",
)  # fmt: skip
_REPLACE: Final = "Name another folder, or say overwrite=True (--overwrite) to replace what is there."
_AGAIN: Final = "Run the same sweep again: it goes on from the shards that are whole."


@dataclass(frozen=True)
class Record:
    """What is told of a whole shard.

    Attributes
    ----------
    shard : Shard
    files : dict of str to str
        Checksums by name.
    exact_finishes : list of int
        Of each run of the shard: path-periods whose settlement was finished exactly.
    failures : int
        Failures of all entities on all paths of all runs.
    """

    shard: Shard
    files: dict[str, str]
    exact_finishes: list[int]
    failures: int

    def content(self) -> dict[str, Any]:
        """It as JSON holds it."""
        return asdict(self)

    @staticmethod
    def of(content: Mapping[str, Any]) -> Record:
        """The record that JSON holds."""
        return Record(
            Shard(**content["shard"]), content["files"], content["exact_finishes"], content["failures"]
        )


def shard_name(number: int) -> str:
    """The name of a shard's file in the folder of its kind."""
    return f"{number:05d}.parquet"


def check_place(out: str | os.PathLike[str], argument: str = "out") -> Path:
    """The absolute path of a folder that a sweep may be written to: a new or empty one, or a sweep's.

    Raises
    ------
    InputError
        It can't be written, or holds what is no sweep's.
    """
    place = target_of(out, argument)
    if not place.exists():
        check_writable(place, argument)
    elif not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        raise bad_argument(argument, str(out), "may not be written to", "Make it writable, or name another.")
    plan = read_json(place / PLAN)
    if (place / PLAN).exists() and not (isinstance(plan, dict) and plan.get("format") == FORMAT):
        remedy = "Name another folder, or move that file away, and what a sweep left beside it."
        raise bad_argument(argument, str(out), f"holds a `{PLAN}` that is no sweep's, or damaged", remedy)
    if place.exists() and (strange := sorted(set(os.listdir(place)) - _own_names(place))):
        message = f"holds `{shown(strange[0])}`, which is no sweep's"
        raise bad_argument(argument, str(out), message, "Name a new folder, or move that elsewhere first.")
    return place


def _own_names(place: Path) -> set[str]:
    """Names that a sweep's folder may have; without a plan only those that come before it."""
    early = {LOCK, STATUS, *(each.name for each in place.glob(f"{ASIDE}*"))}
    if not (place / PLAN).exists():
        return early
    return early | {
        PLAN, MANIFEST, SYSTEM, RECORDS, TALLIES, *STORED,
        *(f"{name}.parquet" for name in ("scenarios", "coordinates", CONTAGION, *SUMMARIES)),
    }  # fmt: skip


class SweepFolder:
    """The folder of a sweep that is being written; its caller holds the lock.

    Parameters
    ----------
    place : Path
    mark : str
        Of the sweep, see `mark_of`.
    """

    def __init__(self, place: Path, mark: str):
        self.place, self._aside = place, place / f"{ASIDE}{mark}"
        self._known = {place}

    # --- whose it is ---

    def claim(self, identity: Mapping[str, Any], overwrite: bool) -> None:
        """Make the folder this sweep's.

        Raises
        ------
        InputError
            It is another sweep's, and `overwrite` does not say that it may go: with a problem for each difference.
        """
        plan = plan_of(identity)
        stored = read_json(self.place / PLAN)
        found = stored if isinstance(stored, dict) else {}
        if (self.place / PLAN).exists() and not self._is_plan(stored):
            problems = [Problem(PLAN, None, None, "", "is not as a sweep wrote it", _REPLACE)]
        else:
            problems = [
                Problem(PLAN, None, key, shown(found.get(key)), f"is another sweep's; here it is {shown(value)}",
                        _REPLACE)
                for key, value in plan.items()
                if found and found.get(key) != value
            ]  # fmt: skip
        if problems and not overwrite:
            raise InputError(problems)
        if problems:
            self._clear()
        self.tidy()
        self._aside.mkdir()
        if problems or not found:
            self.write_text(PLAN, signed_json(plan))

    @staticmethod
    def _is_plan(stored: Any) -> bool:
        return (
            isinstance(stored, dict)
            and stored.get("format") == FORMAT
            and stored.get(CHECKSUM) == content_checksum(stored)
        )

    def _clear(self) -> None:
        """Take everything away, the manifest first and the plan last."""
        (self.place / MANIFEST).unlink(missing_ok=True)
        for entry in sorted(self.place.iterdir()):
            if entry.name in (PLAN, LOCK):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        (self.place / PLAN).unlink(missing_ok=True)

    # --- files ---

    def write_text(self, name: str, text: str) -> None:
        """Write a small file, whole or not at all."""
        self.write(name, lambda aside: aside.write_text(text, encoding="utf-8"))

    def write(self, name: str, write: Callable[[Path], object]) -> str:
        """Let a function write a file aside, then give it its name; its checksum."""
        aside = self.aside(name)
        try:
            write(aside)
            return self.publish({name: aside})[name]
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def aside(self, name: str) -> Path:
        """Where a file is written before it has its name; nobody else writes there."""
        return self._aside / f"{secrets.token_hex(4)}-{name.replace('/', '-')}"

    def publish(self, files: Mapping[str, Path]) -> dict[str, str]:
        """Give files that are whole their names, once the disk has them; checksums by name.

        All are handed to the disk before the first has its name: most of the waiting is for the first.
        """
        checksums = {name: file_checksum(aside) for name, aside in files.items()}
        for aside in files.values():
            _sync(aside)
        folders = set()
        for name, aside in files.items():
            target = self.place / name
            if target.parent not in self._known:
                target.parent.mkdir(parents=True, exist_ok=True)
                _sync(target.parent.parent)
                self._known.add(target.parent)
            try:
                aside.replace(target)
            except IsADirectoryError as error:
                message = f"holds a folder `{name}`, where a file of the sweep belongs"
                raise bad_argument("out", str(self.place), message, "Move it elsewhere first.") from error
            folders.add(target.parent)
        for folder in sorted(folders):
            _sync(folder)
        return checksums

    def write_folder(self, name: str, write: Callable[[Path], object]) -> dict[str, str]:
        """Let a function write a folder aside, then give it its name; checksums of its files by name."""
        aside, target = self.aside(name), self.place / name
        write(aside)
        files = sorted(files_below(aside))
        checksums = {f"{name}/{file}": file_checksum(aside / file) for file in files}
        for file in files:
            _sync(aside / file)
        _sync(aside)
        if target.exists():  # of a sweep that was killed before its manifest was there
            shutil.rmtree(target)
        aside.rename(target)
        _sync(self.place)
        return checksums

    # --- shards ---

    def record(self, record: Record) -> None:
        """Tell that a shard is whole."""
        name = f"{RECORDS}/{record.shard.number:05d}.json"
        self.write_text(name, signed_json(record.content()))

    def whole_shards(self, shards: Iterable[Shard]) -> tuple[dict[int, Record], list[str]]:
        """Records of the shards that are whole, by number; and what is wrong with others.

        A manifest is taken apart into the records that it was made of when a file beside it is not as it was.
        """
        told = {}
        manifest = read_manifest(self.place)
        if manifest is not None:
            told = {content["shard"]["number"]: content for content in manifest["shards"]}
        records: dict[int, Record] = {}
        faults: list[str] = []
        for shard in shards:
            content = told.get(shard.number) or self._stored_record(shard.number)
            if content is None:
                continue
            record = Record.of(content)
            if record.shard != shard:
                faults.append(f"the record of shard {shard.number} is another's")
            elif fault := self._fault(record):
                faults.append(fault)
            else:
                records[shard.number] = record
        if manifest is not None and (faults or self._common_faults(manifest)):
            for record in records.values():
                self.record(record)
            (self.place / MANIFEST).unlink()
        return records, faults

    def _stored_record(self, number: int) -> dict[str, Any] | None:
        stored = read_json(self.place / RECORDS / f"{number:05d}.json")
        good = isinstance(stored, dict) and stored.get(CHECKSUM) == content_checksum(stored)
        return stored if good else None

    def _fault(self, record: Record) -> str:
        for name, checksum in record.files.items():
            fault = file_fault(self.place, name, checksum)
            if fault:
                return f"{name} {fault}"
        return ""

    def _common_faults(self, manifest: Mapping[str, Any]) -> list[str]:
        return [
            name for name, checksum in manifest["files"].items() if file_fault(self.place, name, checksum)
        ]

    # --- the end ---

    def finish(self, manifest: Mapping[str, Any], files: Mapping[str, str]) -> None:
        """Write the manifest; from then on the sweep is there."""
        head = {"format": FORMAT, "format_version": FORMAT_VERSION, "files": dict(files)}
        self.write_text(MANIFEST, signed_json({**manifest, **head}))

    def tidy(self) -> None:
        """Take away what only a sweep at work needs."""
        if (self.place / MANIFEST).exists():
            shutil.rmtree(self.place / RECORDS, ignore_errors=True)
        for aside in self.place.glob(f"{ASIDE}*"):
            shutil.rmtree(aside, ignore_errors=True)
        (self.place / STATUS).unlink(missing_ok=True)

    def remove_strays(self, keep: Iterable[str]) -> None:
        """Take away shards that are none of the result's: of rounds that were not needed after all."""
        kept = set(keep)
        for folder in (TALLIES, *STORED):
            for name in files_below(self.place / folder):
                if f"{folder}/{name}" not in kept:
                    (self.place / folder / name).unlink()


def plan_of(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The plan of a sweep, without its checksum."""
    head = {"format": FORMAT, "format_version": FORMAT_VERSION}
    return head | dict(json.loads(json.dumps(identity)))


def mark_of(identity: Mapping[str, Any]) -> str:
    """What tells the files of this sweep from those of another while they are written."""
    return content_checksum(plan_of(identity))[:8]


def file_fault(place: Path, name: str, checksum: str) -> str:
    """What is wrong with a stored file; "" where nothing is."""
    if leads_out(name):
        return "lies outside of the folder"
    if not (place / name).is_file():
        return "is missing"
    return "" if file_checksum(place / name) == checksum else "is not as it was written"


def read_manifest(place: Path) -> dict[str, Any] | None:
    """The manifest of a sweep that is whole; None where there is none, or it is damaged."""
    manifest = read_json(place / MANIFEST)
    good = (
        isinstance(manifest, dict)
        and manifest.get("format") == FORMAT
        and manifest.get("format_version") == FORMAT_VERSION
        and manifest.get(CHECKSUM) == content_checksum(manifest)
    )
    return manifest if good else None


def read_plan(place: Path) -> dict[str, Any]:
    """The plan of a sweep, whole or not.

    Raises
    ------
    InputError
        The folder is no sweep's, or of another format.
    """
    plan = read_json(place / PLAN)
    if not isinstance(plan, dict) or plan.get("format") != FORMAT:
        raise bad_argument("out", str(place), "is no folder of a sweep", SWEPT)
    if plan.get("format_version") != FORMAT_VERSION:
        message = "this version of gpustress does not read this format"
        remedy = f"Read it with the version that wrote it; this one reads format {FORMAT_VERSION}."
        version = shown(plan.get("format_version"))
        raise InputError([Problem(PLAN, None, "format_version", version, message, remedy)])
    if plan.get(CHECKSUM) != content_checksum(plan):
        raise InputError(
            [Problem(PLAN, None, None, "", "is not as it was written: its checksum differs", _AGAIN)]
        )
    return plan


def _sync(path: Path) -> None:
    """Wait until the disk has a file, or a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
