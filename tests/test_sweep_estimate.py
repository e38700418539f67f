"""What a sweep would take is told before it starts, and holds."""

import dataclasses
import json

import pytest

import gpustress as gs
from gpustress.errors import InputError
from sweeps import PATHS, RECORD, contents, grid, small_shards, swept, swept_system

MEMORY = 10**9


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    small_shards(monkeypatch)


@pytest.mark.parametrize("keep", ["summary", "paths"])
def test_an_estimate_tells_the_shards_and_bounds_memory_and_disk(tmp_path, keep):
    taken = gs.estimate_sweep(
        swept_system(), grid(), paths=PATHS, keep=keep, record=RECORD, memory=MEMORY, effects=("none", "full")
    )
    assert (taken.paths, taken.runs) == (PATHS, 12)
    assert taken.seconds > 0.0
    assert 0 < taken.memory_bytes <= MEMORY
    done = swept(tmp_path / "out", keep=keep, effects=("none", "full"))
    files = contents(done.folder)
    assert taken.shards == taken.shards_left == sum(name.startswith("tallies/runs/") for name in files)

    def written(*kinds):
        return sum(len(data) for name, data in files.items() if name.startswith(kinds))

    assert written("tallies/", "entities/", "measures/", "series/") <= taken.disk_bytes
    run = gs.simulate(swept_system(), grid(), paths=PATHS, record=RECORD, effects=("none", "full"))
    arrays = [run.failed_at, run.cause, run.lowest_liquidity, run.final_cash, *run.series.values()]
    arrays += [array for measure in run.measures.values() for array in vars(measure).values()]
    rows = sum(array.nbytes for array in arrays) if keep == "paths" else 0
    assert taken.disk_bytes <= 2.5 * written("tallies/") + 1.25 * rows


def test_an_estimate_writes_nothing_and_the_command_line_prints_it(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    swept_system().write(tmp_path / "system")
    before = contents(tmp_path)
    options = ("sweep", "system", "--paths", 2000, "--out", "out", "--estimate", "--keep", "paths")
    code, out, err = call(*options)
    assert (code, err) == (0, "")
    assert "2,000 paths x 2 (scenarios x effects) with backend " in out
    assert ": 8 shards,\nabout " in out
    told = json.loads(call("sweep", "system", "--paths", 2000, "--estimate", "--json")[1])
    fields = {field.name for field in dataclasses.fields(gs.SweepEstimate)}
    assert told.keys() == fields
    assert (told["shards"], told["runs"], told["paths"]) == (8, 2, 2000)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "named"),
    [({"memory": "1MB"}, "too little"), ({"keep": "all"}, "keep"), ({"paths": 0}, "paths"),
     ({"target_error": {"failure:omega": 1.0}}, "omega"), ({"scenarios": {"scenario": ["s"], "parameter": ["x"],
      "op": ["set"], "value": [1.0]}}, "x")],
)  # fmt: skip
def test_what_a_sweep_would_refuse_is_refused(options, named):
    with pytest.raises(InputError, match=named):
        gs.estimate_sweep(swept_system(), options.pop("scenarios", grid()), **options)
