"""Sweeps: the same bytes whatever the blocks and the interruptions, and nothing that is whole is done again."""

import itertools
import json
import os
import shutil
import subprocess
import sys

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from build import examples
from gpustress.backends import get_backend
from gpustress.checksums import content_checksum, file_checksum
from gpustress.errors import InputError
from gpustress.job import prepare
from gpustress.result_schema import STORED
from gpustress.simulation import simulate
from gpustress.sweeps import files as sweep_files
from gpustress.sweeps import lock as sweep_lock
from gpustress.sweeps import progress as sweep_progress
from gpustress.sweeps import shard_run, shards
from gpustress.sweeps.lock import locked
from gpustress.sweeps.question import unpack
from gpustress.sweeps.result import read_sweep, sweep_status
from gpustress.sweeps.shard_run import needed_bytes
from gpustress.sweeps.shards import Grid, Shard, make_grid
from gpustress.sweeps.sweeping import ask
from sweeps import PATHS, RECORD, assert_same, contents, grid, small_shards, swept, swept_system


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    small_shards(monkeypatch)


@pytest.fixture
def out(tmp_path, undisturbed):
    """A copy of that folder."""
    shutil.copytree(undisturbed, tmp_path / "out")
    return tmp_path / "out"


def question(**options):
    given = {"paths": PATHS, "seed": 3, "keep": "paths", "effects": "full", "record": RECORD, "books": None,
             "target_error": None, "chosen": get_backend("numpy")}  # fmt: skip
    return ask(swept_system(), options.pop("scenarios", grid()), **(given | options))


class Finished:
    """Counts shards that are finished, and fails at one of them."""

    def __init__(self, monkeypatch, fail_at=None, fault=None):
        self.count = 0
        finish = shard_run.ShardWriter.finish

        def counted(writer):
            if self.count == fail_at:
                raise fault
            self.count += 1
            return finish(writer)

        monkeypatch.setattr(shard_run.ShardWriter, "finish", counted)


# --- what it gives ---


def test_a_sweep_gives_the_estimates_of_a_run_with_the_same_seed(undisturbed):
    sweep = read_sweep(undisturbed)
    run = simulate(swept_system(), grid(), paths=PATHS, seed=3, record=RECORD)
    assert sweep.scenarios == run.scenarios
    assert sweep.digest == run.digest
    assert (sweep.paths, sweep.seed, sweep.record) == (PATHS, 3, RECORD)
    assert sweep.system == run.system
    assert sweep.failures().equals(run.failures())
    assert sweep.failure_curve().equals(run.failure_curve())
    assert sweep.exact_finishes.tolist() == run.exact_finishes.tolist()
    assert sweep.summary.failures().equals(run.failures())
    assert sweep.loss_summary()["book"].unique().to_pylist() == ["positions"]
    assert sweep.series_summary()["series"].unique().to_pylist() == list(RECORD)


def test_every_path_is_kept_as_a_run_has_it(undisturbed):
    sweep = read_sweep(undisturbed)
    run = simulate(swept_system(), grid(), paths=PATHS, seed=3, record=RECORD)
    place = {name: i for i, name in enumerate(run.scenarios)}
    entity = {name: i for i, name in enumerate(run.entities)}
    table = sweep.dataset("entities").to_table().to_pandas()
    assert len(table) == run.failed_at.size
    where = table.scenario.map(place).to_numpy(), table.path.to_numpy(), table.entity.map(entity).to_numpy()
    for name in ("failed_at", "lowest_liquidity", "final_cash"):
        assert np.array_equal(table[name].to_numpy(), getattr(run, name)[where])
    table = sweep.dataset("measures").to_table().to_pandas()
    assert len(table) == 2 * run.paths * len(run.runs)
    for measure, rows in table.groupby("measure", observed=True):
        where = rows.scenario.map(place).to_numpy(), rows.path.to_numpy()
        for figure in ("total", "npv", "trough", "payback"):
            assert np.array_equal(rows[figure].to_numpy(), getattr(run.measures[measure], figure)[where])
    table = sweep.dataset("series").to_table().to_pandas()
    for name, rows in table.groupby("series", observed=True):
        where = rows.scenario.map(place).to_numpy(), rows.path.to_numpy(), rows.period.to_numpy()
        assert np.array_equal(rows.value.to_numpy(), run.series[name][where])


def test_pyarrow_duckdb_and_polars_read_the_paths_with_filters(undisturbed):
    name = grid().names[4]
    wanted = (ds.field("scenario") == name) & (ds.field("path") >= 500) & (ds.field("entity") == "gamma")
    table = read_sweep(undisturbed).dataset("entities").to_table(filter=wanted)
    assert sorted(table["path"].to_pylist()) == list(range(500, PATHS))
    files = f"{undisturbed}/entities/*.parquet"
    query = f"select count(*), sum(final_cash) from '{files}' where scenario = ? and path >= 500 and entity = 'gamma'"
    count, total = duckdb.connect().execute(query, [name]).fetchall()[0]
    assert count == table.num_rows
    frame = pl.scan_parquet(files).filter(
        (pl.col("scenario") == name) & (pl.col("path") >= 500) & (pl.col("entity") == "gamma")
    )
    assert frame.collect()["final_cash"].sum() == pytest.approx(total)
    assert sum(table["final_cash"].to_pylist()) == pytest.approx(total)


def test_a_summary_alone_keeps_no_path_and_says_so(tmp_path, undisturbed):
    sweep = swept(tmp_path / "out", keep="summary")
    assert not any((sweep.folder / name).exists() for name in STORED)
    assert sweep.failures().equals(read_sweep(undisturbed).failures())
    with pytest.raises(InputError, match='keep="paths"'):
        sweep.dataset("entities")
    with pytest.raises(InputError, match="entities, measures, series"):
        read_sweep(undisturbed).dataset("paths")


def test_contagion_is_told_where_both_effects_ran(tmp_path, undisturbed):
    both = ("first_round", "full")
    sweep = swept(tmp_path / "out", effects=both, record=(), keep="summary")
    run = simulate(swept_system(), grid(), paths=PATHS, seed=3, effects=both)
    assert sweep.scenarios == run.scenarios
    assert sweep.contagion().equals(run.contagion())
    assert sweep.failures().equals(run.failures())
    with pytest.raises(InputError, match="no scenario ran with both"):
        read_sweep(undisturbed).contagion()


def test_a_sweep_leaves_nothing_but_its_result(undisturbed):
    assert not [file for file in contents(undisturbed) if file.startswith((".", "records"))]
    text = "".join(file.read_text() for file in (undisturbed / "sweep.json", undisturbed / "plan.json"))
    assert str(undisturbed) not in text
    assert "native" not in text


# --- the same bytes ---


def test_blocks_of_any_size_give_the_same_bytes(tmp_path, undisturbed, monkeypatch):
    asked = question()
    job = asked.job(asked.grid.shard(0))
    needed = needed_bytes(asked, job, get_backend(), 37)
    swept(tmp_path / "little", memory=needed)
    assert_same(tmp_path / "little", undisturbed)
    monkeypatch.setattr(shard_run.Blocks, "paths", lambda *_: 101)
    swept(tmp_path / "odd", threads=1)
    assert_same(tmp_path / "odd", undisturbed)


def test_too_little_memory_is_said_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match=r"too little for a shard.*Give at least [\d.]+ MB"):
        swept(tmp_path / "out", memory="5MB")


def test_too_small_a_disk_is_said_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(InputError, match="the sweep may need"):
        swept(tmp_path / "out")


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("fail_at", [0, 3])
def test_a_sweep_that_was_cut_off_goes_on_from_the_shards_that_are_whole(
    tmp_path, undisturbed, monkeypatch, fault, fail_at
):
    with monkeypatch.context() as patch:
        Finished(patch, fail_at, fault)
        with pytest.raises(type(fault)):
            swept(tmp_path / "out")
    status = sweep_status(tmp_path / "out")
    assert (status.whole, status.owner, status.shards_done, status.shards) == (False, None, fail_at, 6)
    with pytest.raises(InputError, match="not whole"):
        read_sweep(tmp_path / "out")
    again = Finished(monkeypatch)
    swept(tmp_path / "out")
    assert again.count == 6 - fail_at
    assert_same(tmp_path / "out", undisturbed)
    assert sweep_status(tmp_path / "out").whole


def test_a_sweep_that_is_whole_is_not_done_again(out, undisturbed, monkeypatch):
    again = Finished(monkeypatch)
    swept(out)
    assert again.count == 0
    assert_same(out, undisturbed)


@pytest.mark.parametrize("keep", ["summary", "paths"])
def test_amounts_that_overflow_are_an_error_and_no_shard(tmp_path, keep, monkeypatch):
    backend = type(get_backend())
    simulate_block = backend.simulate

    def overflowing(self, program, block, series=()):
        outcome = simulate_block(self, program, block, series)
        if block.first_path == 0:
            outcome.npv[1, 7, 0] = np.inf
        return outcome

    monkeypatch.setattr(backend, "simulate", overflowing)
    with pytest.raises(InputError, match=rf"npv.* amounts overflow in scenario '{grid().names[1]}', path 7"):
        swept(tmp_path / "out", keep=keep)
    assert sweep_status(tmp_path / "out").shards_done == 0


# --- damage ---


def cut(file):
    os.truncate(file, file.stat().st_size // 2)


def change(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, change, os.remove])
@pytest.mark.parametrize("name", ["entities/00003.parquet", "tallies/moments/00005.parquet"])
def test_a_damaged_shard_runs_again_and_says_so(out, undisturbed, monkeypatch, damage, name):
    damage(out / name)
    with pytest.raises(InputError, match=name):
        read_sweep(out).verify()
    told, again = [], Finished(monkeypatch)
    swept(out, progress=told.append)
    assert again.count == 1
    assert any(event.event == "note" and name in event.message for event in told)
    assert_same(out, undisturbed)


@pytest.mark.parametrize("name", ["failures.parquet", "system/entities.parquet", "scenarios.parquet"])
def test_a_damaged_table_is_written_again_without_a_shard(out, undisturbed, monkeypatch, name):
    change(out / name)
    with pytest.raises(InputError, match="not as it was written"):
        read_sweep(out)
    again = Finished(monkeypatch)
    swept(out)
    assert again.count == 0
    assert_same(out, undisturbed)


def test_a_damaged_manifest_is_made_anew(out, undisturbed):
    change(out / "sweep.json")
    with pytest.raises(InputError, match=r"sweep\.json"):
        read_sweep(out)
    swept(out)
    assert_same(out, undisturbed)


def test_a_damaged_plan_is_one_clear_error(out):
    change(out / "plan.json")
    with pytest.raises(InputError, match=r"plan\.json"):
        swept(out)


@pytest.mark.parametrize("name", ["plan.json", "sweep.json"])
@pytest.mark.parametrize("make", [lambda file: file.symlink_to(file.name), os.mkfifo, os.mkdir])
def test_what_stands_for_a_file_and_is_none_is_one_clear_error(out, name, make):
    os.remove(out / name)
    make(out / name)
    for read in (read_sweep, sweep_status) if name == "plan.json" else (read_sweep,):
        with pytest.raises(InputError, match=r"no folder of a sweep|sweep\.json"):
            read(out)


@pytest.mark.parametrize("name", ["failures.parquet", "entities/00003.parquet", "sweep.json"])
def test_a_folder_where_a_file_belongs_is_refused_and_nothing_in_it_lost(out, undisturbed, name):
    os.remove(out / name)
    (out / name / "mine").mkdir(parents=True)
    with pytest.raises(InputError, match=rf"`out`: holds a folder `{name}`"):
        swept(out)
    assert (out / name / "mine").is_dir()
    shutil.rmtree(out / name)
    swept(out)
    assert_same(out, undisturbed)


@pytest.mark.parametrize("where", ["files", "shards"])
def test_a_manifest_that_names_a_file_elsewhere_is_refused(out, tmp_path, where):
    (tmp_path / "elsewhere.parquet").write_bytes((out / "scenarios.parquet").read_bytes())
    manifest = json.loads((out / "sweep.json").read_text())
    files = manifest["files"] if where == "files" else manifest["shards"][0]["files"]
    files[os.path.relpath(tmp_path / "elsewhere.parquet", out)] = file_checksum(
        tmp_path / "elsewhere.parquet"
    )
    manifest["checksum"] = content_checksum(manifest)
    (out / "sweep.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"elsewhere.parquet`: lies outside of the folder"):
        read_sweep(out)


@pytest.mark.parametrize("key", ["shards", "files", "runs"])
def test_a_manifest_that_is_signed_and_means_nothing_is_one_clear_error(out, key):
    for wrong in (None, 7, [7], {"a": 7}):
        manifest = json.loads((out / "sweep.json").read_text()) | {key: wrong}
        manifest["checksum"] = content_checksum(manifest)
        (out / "sweep.json").write_text(json.dumps(manifest))
        with pytest.raises(InputError, match=r"sweep\.json|is missing"):
            read_sweep(out)
        if key == "shards" and wrong in (None, 7):
            with pytest.raises(InputError, match=r"sweep\.json"):
                sweep_status(out)


# --- whose folder ---


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"seed": 4}, "seed"), ({"paths": 701}, "paths"), ({"keep": "summary"}, "keep"), ({"record": ()}, "record"),
        ({"scenarios": grid(5)}, "scenarios"), ({"effects": "none"}, "effects"), ({"backend": "numpy"}, "arithmetic"),
        ({"books": {"mine": {"name": ["a"], "entity": ["alpha"], "exposure": [1.0]}}}, "books"),
        ({"target_error": {"failure:alpha": 0.1}}, "target_error"),
    ],
)  # fmt: skip
def test_another_sweeps_folder_is_refused_with_the_difference(out, undisturbed, options, key):
    with pytest.raises(InputError) as error:
        swept(out, **options)
    assert key in [problem.column for problem in error.value.problems]
    assert "overwrite" in str(error.value)
    assert_same(out, undisturbed)


@pytest.mark.parametrize("key", ["versions", "contract_version", "format_version", "digest"])
def test_the_folder_of_another_version_is_refused(out, key):
    plan = json.loads((out / "plan.json").read_text())
    plan[key] = {"gpustress": "0.0.1"} if key == "versions" else 99
    plan["checksum"] = content_checksum(plan)
    (out / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(InputError) as error:
        swept(out)
    assert [problem.column for problem in error.value.problems] == [key]


def test_overwrite_replaces_another_sweep_and_goes_on_with_its_own(out, undisturbed, tmp_path, monkeypatch):
    swept(tmp_path / "other", seed=4)
    swept(out, seed=4, overwrite=True)
    assert_same(out, tmp_path / "other")
    again = Finished(monkeypatch)
    swept(out, seed=4, overwrite=True)
    assert again.count == 0


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path, out):
    (out / "notes.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"notes\.txt"):
            swept(out, seed=5, overwrite=overwrite)
    swept_system().write(tmp_path / "system")
    before = contents(tmp_path / "system")
    with pytest.raises(InputError, match="no sweep's"):
        swept(tmp_path / "system", overwrite=True)
    assert contents(tmp_path / "system") == before
    for reader in (read_sweep, sweep_status):
        with pytest.raises(InputError, match="no folder of a sweep"):
            reader(tmp_path / "system")


# --- one process a folder ---


def test_a_second_process_is_told_who_is_at_work(out):
    with locked(out):
        owner = sweep_status(out).owner or sweep_lock.owner(out)
        assert owner is not None
        assert owner.pid == os.getpid()
        with pytest.raises(InputError, match=rf"process {os.getpid()} on "):
            swept(out)
    assert sweep_lock.owner(out) is None
    swept(out)


def test_the_lock_of_a_dead_owner_is_free(out, undisturbed):
    script = (
        "import os, sys, pathlib; from gpustress.sweeps.lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script, out], check=False).returncode == -9
    assert (out / sweep_lock.LOCK).exists()
    assert sweep_lock.owner(out) is None
    swept(out)
    assert_same(out, undisturbed)


# --- early stopping ---


def test_a_sweep_stops_after_the_first_round_that_is_precise_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "ROUNDS", 10)
    precise = {"failure:[bold]beta": 0.011, "measure:net": 1e9}
    full = swept(tmp_path / "all", keep="summary", paths=2560, record=())
    stopped = swept(tmp_path / "early", keep="summary", paths=2560, record=(), target_error=precise)
    assert 512 < stopped.paths < full.paths
    errors = stopped.summary.standard_error("failure:[bold]beta")
    assert errors.max() <= 0.011
    run = simulate(swept_system(), grid(), paths=stopped.paths, seed=3)
    assert stopped.failures().equals(run.failures())
    earlier = simulate(swept_system(), grid(), paths=stopped.paths - 256, seed=3).failures().to_pylist()
    assert (
        max(
            row["standard_error"]
            for row in earlier
            if row["entity"] == "[bold]beta" and row["cause"] == "any"
        )
        > 0.011
    )
    with monkeypatch.context() as patch:
        Finished(patch, 3, OSError(28, "No space left on device"))
        with pytest.raises(OSError, match="No space"):
            swept(tmp_path / "cut", keep="summary", paths=2560, record=(), target_error=precise)
    swept(tmp_path / "cut", keep="summary", paths=2560, record=(), target_error=precise)
    assert_same(tmp_path / "cut", tmp_path / "early")


@pytest.mark.parametrize(
    "target",
    [
        {"failure:alhpa": 0.1},
        {"failure:alpha": 0.0},
        {"failure:alpha": "x"},
        ["failure:alpha"],
        {"alpha": 1.0},
    ],
)
def test_a_target_that_is_none_is_refused(tmp_path, target):
    with pytest.raises(InputError, match="target_error"):
        swept(tmp_path / "out", target_error=target)
    assert not (tmp_path / "out").exists()


# --- arguments ---


@pytest.mark.parametrize(
    ("options", "named"),
    [({"keep": "all"}, "keep"), ({"books": ["a"]}, "books"), ({"seed": -1}, "seed"), ({"paths": 0}, "paths"),
     ({"books": {"mine": {"name": ["a"], "entity": ["omega"], "exposure": [1.0]}}}, "omega"),
     ({"memory": "much"}, "memory"), ({"effects": "all"}, "effects"), ({"record": ["cash:omega"]}, "omega"),
     ({"system": 1}, "system"), ({"cluster": 1}, "Dask")],
)  # fmt: skip
def test_bad_arguments_are_refused(tmp_path, options, named):
    with pytest.raises(InputError, match=named):
        swept(tmp_path / "out", **options)


def test_all_faults_of_all_scenarios_are_told_with_their_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("gpustress.sweeps.question.COMPILED_AT_ONCE", 2)
    names = [f"s{i}" for i in range(5)]
    scenarios = {"scenario": names, "parameter": ["flow.sales.scale"] * 5, "op": ["set"] * 5,
                 "value": [1.0, -1.0, 1.0, 1.0, -2.0]}  # fmt: skip
    with pytest.raises(InputError) as error:
        swept(tmp_path / "out", scenarios=scenarios)
    assert [problem.row for problem in error.value.problems] == [1, 4]


# --- parts ---


@examples(1)
@given(
    work=st.integers(1, 10**6), effects=st.integers(1, 3), scenarios=st.integers(1, 3000), paths=st.integers(1, 10**7),
    early=st.booleans(),
)  # fmt: skip
def test_a_grid_holds_every_path_of_every_scenario_once(work, effects, scenarios, paths, early):
    made = make_grid(work, effects, scenarios, paths, early=early)
    found = [made.shard(0), made.shard(len(made) - 1), made.shard(len(made) // 2)]
    assert all(shard.paths > 0 and shard.scenarios > 0 for shard in found)
    assert found[1].first_path + found[1].paths == paths
    assert found[1].first_scenario + found[1].scenarios == scenarios
    rounds = [made.round(i) for i in (0, made.path_ranges - 1)]
    for each in rounds:
        assert sum(shard.scenarios for shard in each) == scenarios
        assert len({(shard.first_path, shard.paths) for shard in each}) == 1
    assert made.paths_until(made.path_ranges) == paths
    assert sum(made.shard(i * made.scenario_ranges).paths for i in range(min(made.path_ranges, 50))) == min(
        paths, 50 * made.shard_paths
    )


def test_shards_are_few_and_large(monkeypatch):
    monkeypatch.undo()
    made = make_grid(40 * 160, 1, 1000, 10**6)
    assert 500 <= len(made) <= 2 * shards.MOST_SHARDS
    assert made.shard_paths % shards.STEP == 0
    assert len(make_grid(40 * 160, 1, 1, 10_000)) == 1


def test_a_question_travels_as_bytes(undisturbed):
    asked = question(effects=("first_round", "full"), target_error={"failure:alpha": 0.01})
    packed = asked.pack()
    assert all(type(name) is str and type(data) is bytes for name, data in packed.items())
    again = unpack(packed)
    digest, _ = asked.compile_all()
    assert again.identity(digest) == asked.identity(digest)
    shard = asked.grid.shard(5)
    assert again.job(shard).program.digest == asked.job(shard).program.digest


def test_a_shards_scenarios_are_what_they_are_in_the_whole():
    asked = question()
    whole = prepare(swept_system(), grid(), "full", None)
    backend = get_backend()
    everything = backend.simulate(whole.program, whole.block(3, 5, 40), ())
    some = asked.job(Shard(0, 0, 1, 4, 2))
    part = backend.simulate(some.program, some.block(3, 5, 40), ())
    assert [run.name for run in some.runs] == [run.name for run in whole.runs[4:6]]
    for name in ("failed_at", "final_cash", "npv"):
        assert getattr(part, name).tobytes() == getattr(everything, name)[4:6].tobytes()
    assert Grid(10, 6, 4, 4).scenario_ranges == 2


def test_progress_is_told_to_a_function_and_as_lines(tmp_path, capsys, monkeypatch):
    told = []
    monkeypatch.setattr(sweep_progress, "EVENT_SECONDS", 0.0)
    swept(tmp_path / "one", progress=told.append)
    assert [told[0].event, told[-2].event, told[-1].event] == ["start", "writing", "done"]
    assert (told[-1].done, told[-1].total) == (6 * PATHS, 6 * PATHS)
    assert (told[-1].shards_done, told[-1].shards) == (6, 6)
    assert told[-1].failures > 0
    assert all(one.done <= two.done for one, two in itertools.pairwise(told))
    swept(tmp_path / "two", progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert "6 of 6 shards to do" in lines[1]
    assert f"{6 * PATHS:,} of {6 * PATHS:,} paths x scenarios" in lines[-1]


def test_the_status_is_seen_from_elsewhere_while_a_sweep_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_progress, "STATUS_SECONDS", 0.0)
    monkeypatch.setattr(sweep_progress, "EVENT_SECONDS", 0.0)
    seen = []
    swept(tmp_path / "out", progress=lambda _: seen.append(sweep_status(tmp_path / "out")))
    at_work = [status for status in seen if status.progress is not None and not status.whole]
    assert at_work
    assert all(status.owner is not None and status.owner.pid == os.getpid() for status in at_work)
    assert max(status.shards_done for status in at_work) >= 5


def test_files_are_handed_to_the_disk_before_they_have_their_name(tmp_path, monkeypatch):
    synced = []
    sync = sweep_files._sync
    monkeypatch.setattr(sweep_files, "_sync", lambda path: (synced.append(path), sync(path)))
    folder = sweep_files.SweepFolder(tmp_path, "mark")
    (tmp_path / ".aside-mark").mkdir()
    folder.write_text("a.json", "{}")
    assert [path.name.endswith("a.json") or path for path in synced] == [True, tmp_path]


def test_tables_of_a_sweep_are_arrow_tables(undisturbed):
    sweep = read_sweep(undisturbed)
    for name in (
        "failures",
        "failure_curve",
        "measure_summary",
        "series_summary",
        "entity_summary",
        "loss_summary",
    ):
        assert isinstance(getattr(sweep, name)(), pa.Table)
        assert getattr(sweep, name)().equals(getattr(sweep.summary, name)())
    assert "6 runs x 700 paths" in repr(sweep)
