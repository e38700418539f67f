"""Small sweeps for tests: a system with everything in it, and folders compared to the byte."""

from __future__ import annotations

import pytest

from gpustress.scenarios import Scenarios
from gpustress.sweeps import shards
from gpustress.sweeps.sweeping import sweep
from made import made_system

PATHS = 700
RECORD = ("cash:alpha", "estate")
LOAN = {
    "name": ["term"], "borrower": ["alpha"], "lender": ["gamma"], "principal": [30.0], "rate": [0.1], "years": [1.0],
}  # fmt: skip


def small_shards(monkeypatch: pytest.MonkeyPatch | None = None) -> None:
    """Shards of 256 paths and four scenarios, so that a small sweep has several."""
    for name, value in (("SHARD_WORK", 1), ("STEP", 256), ("SCENARIOS_TOGETHER", 4), ("ROUNDS", 3)):
        if monkeypatch is None:
            setattr(shards, name, value)
        else:
            monkeypatch.setattr(shards, name, value)


def swept_system():
    """Three entities, a loan between two of them, a measure and a book."""
    return made_system(loans=LOAN)


def grid(count=6, address="flow.sales.scale"):
    """So many scenarios."""
    return Scenarios.grid({address: [0.4 + i / 10 for i in range(count)]})


def swept(out, **options):
    """A sweep of 6 scenarios x 700 paths in 3 x 2 shards."""
    given = {"paths": PATHS, "seed": 3, "keep": "paths", "record": RECORD} | options
    return sweep(
        given.pop("system", None) or swept_system(), given.pop("scenarios", grid()), out=out, **given
    )


def contents(folder):
    """Every file of a folder by name, as bytes."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def assert_same(folder, other):
    """Two folders hold the same files, to the byte."""
    one, two = contents(folder), contents(other)
    assert sorted(one) == sorted(two)
    assert [name for name in one if one[name] != two[name]] == []
