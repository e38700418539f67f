"""`memory=` bounds what a sweep adds after imports, to its process and to each worker of a cluster."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.reference import reference_system
from gpustress.backends import get_backend
from gpustress.memory import free_memory
from gpustress.sweeps.question import ask
from gpustress.sweeps.shard_run import needed_bytes
from gpustress.sweeps.tally import UNIT
from needs import require
from sweeps import grid

HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}
MB = 10**6
SLACK = 1.25
USED = 0.4  # at least, so that the bound is one; what sketches might take is not all taken
PATHS = {"summary": 800_000, "paths": 150_000}  # of two scenarios; as arrays the first are 277 MB
SERIES = {256 * MB: 4, 1000 * MB: 16, 4000 * MB: 60}  # recorded: of a path 1.6, 6.4 and 24 kB
WORKERS = 2


def told(*arguments):
    """What `sweep_memory.py` prints of such a sweep."""
    require("proc", Path("/proc/self/clear_refs").exists())
    line = [sys.executable, str(HERE / "sweep_memory.py"), *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("keep", ["summary", "paths"])
def test_a_sweep_adds_no_more_than_it_may(tmp_path, keep):
    memory = 256 * MB
    assert told("many", tmp_path, memory, PATHS[keep], keep)["here"] <= SLACK * memory


@pytest.mark.parametrize("memory", [*list(SERIES)[:2], pytest.param(list(SERIES)[2], marks=pytest.mark.slow)])
def test_blocks_as_large_as_may_be_stay_within_what_they_may_take(tmp_path, memory):
    free = free_memory()
    require(
        "memory", free > 1.5 * memory, f"{free // MB:,} MB are free, {1.5 * memory / MB:,.0f} MB are needed"
    )
    added = told("large", tmp_path, memory, SERIES[memory])["here"]
    assert USED * memory <= added <= SLACK * memory


def test_each_worker_of_a_cluster_adds_no_more_than_it_may(tmp_path):
    memory = 256 * MB
    added = told("cluster", tmp_path, memory, SERIES[memory], WORKERS)
    assert len(added["workers"]) == WORKERS
    assert USED * memory <= max(added["workers"])  # the scheduler may give both shards to one
    assert max(added["workers"]) <= SLACK * memory
    assert added["here"] <= memory // 4  # it computes nothing, and puts together what is small
    assert added["here"] + sum(added["workers"]) <= SLACK * memory * WORKERS


def test_several_recorded_series_fit_into_a_quarter_of_a_gigabyte():
    backend = get_backend()
    names = ("cash:firm_00", "flow:revenue_00", "measure:income", "estate")
    asked = ask(reference_system(), grid(8, "entity.firm_00.cash"), paths=10**6, seed=1, keep="paths", effects="full",
                record=names, books=None, target_error=None, chosen=backend)  # fmt: skip
    assert needed_bytes(asked, asked.job(asked.grid.shard(0)), backend, UNIT) <= 256 * MB
