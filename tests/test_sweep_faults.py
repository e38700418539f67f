"""What keeps a sweep whole is broken in known ways, and each is seen by a check that the sweep itself passes.

The power is cut at one of many moments, and the disk forgets half of every file that was not handed to it (fsync). Then
a reader may find nothing or all; a record may tell of no shard that is not there; and the same call has to end in the
same bytes.
"""

import contextlib
import os
import shutil
import time
from pathlib import Path

import pytest

from gpustress.checksums import file_checksum, files_below, read_json
from gpustress.errors import InputError
from gpustress.sweeps import files as sweep_files
from gpustress.sweeps import progress as sweep_progress
from gpustress.sweeps import shard_run, sweeping
from gpustress.sweeps.files import RECORDS, STATUS, Record, SweepFolder, file_fault
from gpustress.sweeps.lock import LOCK, locked
from gpustress.sweeps.result import read_sweep
from gpustress.sweeps.shards import Shard
from sweeps import assert_same, grid, small_shards, swept

EVERY = 11  # of the steps of writing, at which the power is cut
LAST = 3  # the manifest is written, has its name, and its folder is handed over
OPTIONS = {"paths": 300, "scenarios": grid(2)}  # two shards


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    small_shards(monkeypatch)
    monkeypatch.setattr(sweep_progress, "STATUS_SECONDS", 1e9)  # steps are the same each time


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The folder of such a sweep that nothing disturbed."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    with pytest.MonkeyPatch.context() as patch:
        small_shards(patch)
        swept(out, **OPTIONS)
    return out


# --- the power is cut ---


class PowerCut(BaseException):
    """Nothing more is written."""


class Disk:
    """Counts the steps of writing, and goes off before one of them; -1: before none."""

    def __init__(self, patch, steps):
        self.off, self.steps, self._cut_at, self._held = False, 0, steps, set()
        self.of_folders: list[int] = []  # steps in which a folder gets its name
        sync, unlink, rmtree = os.fsync, Path.unlink, shutil.rmtree

        def watched_sync(descriptor):
            self._step()
            sync(descriptor)
            self._held.add(self._state(os.fstat(descriptor)))

        def watched(move):
            def moved(path, target):
                if path.is_dir():
                    self.of_folders.append(self.steps)
                self._step()
                return move(path, target)

            return moved

        def watched_unlink(path, missing_ok=False):
            if not self.off:
                unlink(path, missing_ok=missing_ok)

        def watched_rmtree(path, ignore_errors=False):
            if not self.off:
                rmtree(path, ignore_errors=ignore_errors)

        patch.setattr(os, "fsync", watched_sync)
        patch.setattr(Path, "replace", watched(Path.replace))
        patch.setattr(Path, "rename", watched(Path.rename))
        patch.setattr(Path, "unlink", watched_unlink)
        patch.setattr(shutil, "rmtree", watched_rmtree)

    def _step(self):
        self.off = self.off or self.steps == self._cut_at
        if self.off:
            raise PowerCut
        self.steps += 1

    @staticmethod
    def _state(found):
        return found.st_ino, found.st_size, found.st_mtime_ns

    def forget(self, folder):
        """Halve the files that it does not hold."""
        for file in folder.rglob("*"):
            if (
                file.is_file()
                and file.name not in (LOCK, STATUS)
                and self._state(file.stat()) not in self._held
            ):
                os.truncate(file, file.stat().st_size // 2)


def check_cut_power(tmp_path, expected):
    """Cut the power at every so many steps, before a folder has its name, and at each of the last."""
    out = tmp_path / "cut"
    with pytest.MonkeyPatch.context() as patch:
        counted = Disk(patch, -1)
        swept(out, **OPTIONS)
    shutil.rmtree(out)
    last = range(counted.steps - LAST, counted.steps)
    for steps in [0, *last, *counted.of_folders, *reversed(range(EVERY, counted.steps, EVERY))]:
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, steps)
            with contextlib.suppress(PowerCut):
                swept(out, **OPTIONS)
        disk.forget(out)
        check_readers(out)
        check_records(out)
        swept(out, **OPTIONS)
        assert_same(out, expected)
        shutil.rmtree(out)


def check_readers(out):
    """A reader finds a sweep that is whole, or is told that there is none."""
    try:
        read_sweep(out).verify()
    except InputError as error:
        assert "is not whole" in str(error) or "no folder of a sweep" in str(error)  # noqa: PT017


def check_records(out):
    """What a record tells of is there."""
    for name in sorted((out / RECORDS).glob("*.json")):
        record = read_json(name)
        assert record is not None, f"{name.name} is damaged"
        faults = {file: file_fault(out, file, checksum) for file, checksum in record["files"].items()}
        assert not any(faults.values()), faults


# --- the other checks ---


def check_damage(tmp_path, expected):
    """A byte of a shard is changed."""
    out = tmp_path / "damaged"
    shutil.copytree(expected, out)
    file = out / "entities" / "00001.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    swept(out, **OPTIONS)
    assert_same(out, expected)


def check_second_process(tmp_path, expected):
    """Another process is at work."""
    out = tmp_path / "held"
    shutil.copytree(expected, out)
    with locked(out), pytest.raises(InputError, match="process"):
        swept(out, **OPTIONS)


def check_another_sweep(tmp_path, expected):
    """Another sweep's folder is refused, and left as it is."""
    out = tmp_path / "other"
    shutil.copytree(expected, out)
    with pytest.raises(InputError, match="seed"):
        swept(out, seed=4, **OPTIONS)
    assert_same(out, expected)


def check_bytes(tmp_path, expected):
    """The same question at another time, in blocks of another size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: 1e9)
        patch.setattr(shard_run.Blocks, "paths", lambda *_: 67)
        swept(tmp_path / "again", **OPTIONS)
    assert_same(tmp_path / "again", expected)


CHECKS = (check_cut_power, check_damage, check_second_process, check_another_sweep, check_bytes)


@pytest.mark.parametrize("check", CHECKS)
def test_a_sweep_passes(check, tmp_path, expected):
    check(tmp_path, expected)


# --- the faults ---


def record_before_files(patch):
    """The record of a shard comes before its files have their names."""
    publish, record = SweepFolder.publish, SweepFolder.record

    def told_early(folder, files):
        if len(files) > 1 and any(name.startswith("tallies/runs/") for name in files):
            number = int(next(iter(files)).rpartition("/")[2].partition(".")[0])
            shard = Shard(number, 256 * number, (256, 44)[number], 0, 2)
            checksums = {name: file_checksum(aside) for name, aside in files.items()}
            record(folder, Record(shard, checksums, [0, 0], 0))
        return publish(folder, files)

    patch.setattr(SweepFolder, "publish", told_early)


def manifest_before_tables(patch):
    """The manifest comes before the tables of estimates."""
    finish, write = SweepFolder.finish, sweeping._write_summaries

    def early(folder, manifest, files):
        held = []
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(SweepFolder, "publish", lambda _, asides: held.append(asides) or {
                name: file_checksum(aside) for name, aside in asides.items()
            })  # fmt: skip
            tables = write(folder, summaries[0])
        finish(folder, manifest, {**files, **tables})
        folder.publish(held[0])

    summaries = []
    patch.setattr(sweeping, "_write_summaries", lambda folder, given: summaries.append(list(given)) or {})
    patch.setattr(SweepFolder, "finish", early)


def files_not_handed_over(patch):
    """Files have their names before the disk has them."""
    sync = sweep_files._sync
    patch.setattr(sweep_files, "_sync", lambda path: sync(path) if path.is_dir() else None)


def system_not_handed_over(patch):
    """Files that others wrote are taken to be on the disk."""
    write = SweepFolder.write_folder

    def told(folder, name, write_aside):
        with pytest.MonkeyPatch.context() as inner:
            files_not_handed_over(inner)
            return write(folder, name, write_aside)

    patch.setattr(SweepFolder, "write_folder", told)


def system_written_beside(patch):
    """A folder is written aside where nobody looks for what was left."""

    def beside(folder, name, write):
        target = folder.place / name
        write(target)
        files = sorted(files_below(target))
        for path in [*(target / file for file in files), target, folder.place]:
            sweep_files._sync(path)
        return {f"{name}/{file}": file_checksum(target / file) for file in files}

    patch.setattr(SweepFolder, "write_folder", beside)


def written_in_place(patch):
    """Files are written where they are to be."""
    aside = SweepFolder.aside

    def in_place(folder, name):
        return aside(folder, name) if name == sweep_files.SYSTEM else _parent_made(folder.place / name)

    patch.setattr(SweepFolder, "aside", in_place)
    patch.setattr(Path, "replace", lambda path, target: target)


def _parent_made(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def checksums_not_compared(patch):
    """A file that is there is taken for good."""
    patch.setattr(
        sweep_files, "file_fault", lambda place, name, _: "" if (place / name).is_file() else "is missing"
    )


def no_lock(patch):
    """Nobody looks whether another is at work."""
    patch.setattr(sweeping, "locked", lambda _: contextlib.nullcontext())


def whose_folder_is_not_asked(patch):
    """A folder is taken for this sweep's."""
    claim = SweepFolder.claim

    def trusting(folder, identity, overwrite):
        claim(folder, identity, overwrite=True)

    patch.setattr(SweepFolder, "claim", trusting)


def the_time_is_written_down(patch):
    """The manifest says when it was written."""
    finish = SweepFolder.finish
    patch.setattr(
        SweepFolder,
        "finish",
        lambda folder, manifest, files: finish(folder, {**manifest, "t": time.time()}, files),
    )


def failures_of_the_last_block(patch):
    """What is counted of a block replaces what was counted before."""
    add = shard_run.ShardWriter.add

    def forgetful(writer, outcome):
        writer._failures = 0
        return add(writer, outcome)

    patch.setattr(shard_run.ShardWriter, "add", forgetful)


FAULTS = {
    record_before_files: check_cut_power,
    manifest_before_tables: check_cut_power,
    files_not_handed_over: check_cut_power,
    system_not_handed_over: check_cut_power,
    system_written_beside: check_cut_power,
    written_in_place: check_cut_power,
    checksums_not_compared: check_damage,
    no_lock: check_second_process,
    whose_folder_is_not_asked: check_another_sweep,
    the_time_is_written_down: check_bytes,
    failures_of_the_last_block: check_bytes,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(fault, tmp_path, expected, monkeypatch):
    fault(monkeypatch)
    with pytest.raises((AssertionError, InputError, pytest.fail.Exception)):
        FAULTS[fault](tmp_path, expected)
