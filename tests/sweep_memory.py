"""What a sweep adds to resident sets: `python sweep_memory.py many | large | cluster FOLDER MEMORY ...`, as JSON.

`many` paths of a small system; blocks as `large` as the memory allows, of so many recorded series; the same on a
`cluster` of so many workers. Each figure is a process's highest resident set less the one after its imports.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pyarrow.dataset  # noqa: F401

from gpustress import System
from gpustress.backends import get_backend
from gpustress.sweeps import shard_run, shards
from gpustress.sweeps.question import ask
from gpustress.sweeps.sweeping import sweep
from sweeps import grid, swept

PERIODS = 50
RESET_PEAK = "5"  # proc(5)


def resident(which: str) -> int:
    """VmRSS or VmHWM of this process."""
    found = re.search(rf"^{which}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024


def begin() -> int:
    """Forget the highest resident set; the one there is."""
    Path("/proc/self/clear_refs").write_text(RESET_PEAK)
    return resident("VmRSS")


def largest_blocks() -> None:
    """Blocks as large as the memory allows, as on a fast machine."""
    shard_run.BLOCK_SECONDS = 1e9


def flows(count: int) -> tuple[System, tuple[str, ...]]:
    """A firm with so many flows, and their names to record."""
    names = [f"flow_{i}" for i in range(count)]
    tables = {
        "entities": {"name": ["firm"], "cash": [1.0]},
        "flows": {"name": names, "receiver": ["firm"] * count, "kind": ["revenue"] * count,
                  "amount": [1.0 + i for i in range(count)]},
    }  # fmt: skip
    settings = {"periods": PERIODS, "periods_per_year": 4, "discount_rate": 0.0}
    return System(name="flows", **settings, **tables), tuple(f"flow:{name}" for name in names)


def block_paths(system: System, record: tuple[str, ...], memory: int) -> int:
    """How many paths a block has."""
    asked = ask(system, None, paths=10**9, seed=0, keep="summary", effects="full", record=record, books=None,
                target_error=None, chosen=get_backend())  # fmt: skip
    blocks = shard_run.Blocks(asked, get_backend(), memory)
    return blocks.most(asked.job(asked.grid.shard(0)))


def many(out: Path, memory: int, paths: str, keep: str) -> dict[str, object]:
    """Of many paths of a small system under two scenarios."""
    before = begin()
    swept(out, scenarios=grid(2), record=("estate",), paths=int(paths), keep=keep, memory=memory)
    return {"here": resident("VmHWM") - before}


def large(out: Path, memory: int, series: str) -> dict[str, object]:
    """Of six blocks as large as may be: one is computed while another is written, which of two need not come about."""
    largest_blocks()
    system, record = flows(int(series))
    sweep(system, paths=64, out=out / "small", record=record)
    before = begin()
    paths = shard_run.UNIT // 4 + 6 * block_paths(system, record, memory)
    sweep(system, paths=paths, out=out / "large", record=record, memory=memory)
    return {"here": resident("VmHWM") - before}


def cluster(out: Path, memory: int, series: str, workers: str) -> dict[str, object]:
    """The same for each worker."""
    from distributed import Client, LocalCluster

    system, record = flows(int(series))
    options = {
        "n_workers": int(workers),
        "threads_per_worker": 1,
        "processes": True,
        "dashboard_address": ":0",
    }
    with LocalCluster(**options) as made, Client(made) as client:
        shards.SHARD_WORK, shards.STEP = 1, 64
        sweep(system, paths=64 * int(workers), out=out / "small", record=record, cluster=client)
        client.run(largest_blocks)
        before, here = client.run(begin), begin()
        shards.STEP = shard_run.UNIT // 4 + 2 * block_paths(system, record, memory)
        paths = shards.STEP * int(workers)
        sweep(system, paths=paths, out=out / "large", record=record, memory=memory, cluster=client)
        highest = client.run(resident, "VmHWM")
        added = [highest[worker] - before[worker] for worker in before]
        return {"here": resident("VmHWM") - here, "workers": added}


if __name__ == "__main__":
    kind, folder, size, *rest = sys.argv[1:]
    print(
        json.dumps(
            {"many": many, "large": large, "cluster": cluster}[kind](Path(folder) / "out", int(size), *rest)
        )
    )
