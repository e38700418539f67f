"""Sweeps under torture: killed, on a full disk, in a read-only folder, with a clock that jumps."""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from gpustress.errors import InputError
from gpustress.sweeps.result import read_sweep
from needs import require
from sweeps import PATHS, assert_same, contents, small_shards, swept

HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}
KILLS = 50


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    small_shards(monkeypatch)


@pytest.mark.slow
def test_a_sweep_killed_at_fifty_random_moments_ends_in_the_same_bytes(tmp_path):
    line = [sys.executable, str(HERE / "sweep_torture.py"), str(tmp_path), str(KILLS), "7"]
    done = subprocess.run(line, capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["killed"] == KILLS
    assert told["same"] >= 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_can_not_grow_is_an_error_and_the_sweep_goes_on_later(tmp_path, undisturbed, share):
    most = int(share * max(map(len, contents(undisturbed).values())))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large"):
            swept(tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    swept(tmp_path / "out")
    assert_same(tmp_path / "out", undisturbed)


def test_a_full_disk_is_an_error_and_the_sweep_goes_on_when_there_is_room(tmp_path, undisturbed, monkeypatch):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    can = os.geteuid() == 0 and shutil.which("mount") is not None
    mounted = can and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    require("mount", mounted, "a small disk can't be mounted")
    monkeypatch.setattr("gpustress.sweeps.sweeping.check_room", lambda *_: None)
    try:
        with pytest.raises(OSError, match="No space left"):
            swept(disk / "out")
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        swept(disk / "out")
        assert_same(disk / "out", undisturbed)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@contextmanager
def read_only(folder, patch):
    """A folder that may not be written to: by its mode; for root by a mount, or as if there were one."""
    mount = [["mount", "--bind", str(folder), str(folder)], ["mount", "-o", "remount,ro,bind", str(folder)]]
    if os.geteuid() != 0:
        folder.chmod(0o500)
        try:
            yield
        finally:
            folder.chmod(0o700)
    elif shutil.which("mount") and not subprocess.run(mount[0], capture_output=True, check=False).returncode:
        try:
            subprocess.run(mount[1], check=True)
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    else:
        access = os.access
        with patch.context() as inner:
            inner.setattr(os, "access", lambda path, mode: not mode & os.W_OK and access(path, mode))
            yield


@pytest.mark.parametrize("what", ["out", "its parent"])
def test_a_read_only_folder_is_one_clear_error(tmp_path, undisturbed, monkeypatch, what):
    place = tmp_path / "place"
    out = place / "out"
    if what == "out":
        shutil.copytree(undisturbed, out)
    else:
        place.mkdir()
    with read_only(out if what == "out" else place, monkeypatch):
        with pytest.raises(InputError, match=r"`out`: .*(may not be written to|can't be written)"):
            swept(out, seed=4)
        if what == "out":
            assert_same(out, undisturbed)
            assert read_sweep(out).paths == PATHS
    swept(out)
    assert_same(out, undisturbed)


def test_a_clock_that_jumps_plays_no_part(tmp_path, undisturbed, monkeypatch):
    choose = random.Random(1)
    monkeypatch.setattr(time, "time", lambda: choose.uniform(-1e9, 4e9))
    swept(tmp_path / "out", progress=lambda state: None)
    assert_same(tmp_path / "out", undisturbed)
    for file in (tmp_path / "out").rglob("*"):
        os.utime(file, (choose.uniform(0, 4e9),) * 2)
    (tmp_path / "out" / "entities" / "00001.parquet").unlink()
    swept(tmp_path / "out")
    assert_same(tmp_path / "out", undisturbed)
