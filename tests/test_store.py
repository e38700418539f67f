"""Stored results: read back equal, the same bytes each time, whole or not at all, and checked."""

import copy
import json
import os
import pickle
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpustress import path_tables, store
from gpustress.checksums import content_checksum
from gpustress.errors import InputError
from gpustress.estimates import FIGURES
from gpustress.result_schema import RESULT_SCHEMAS, STORED
from gpustress.scenarios import Scenarios
from gpustress.store import check_target, read_result
from made import made_result, made_system

GRID = Scenarios.grid({"entity.alpha.cash": [5.0, 10.0]})


@pytest.fixture
def run():
    return made_result(scenarios=GRID, effects=("first_round", "full"), record=["cash:alpha", "estate"])


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def assert_equal(one, other):
    plain = (
        "scenario_table",
        "coordinates",
        "runs",
        "seed",
        "paths",
        "backend",
        "digest",
        "factors_digest",
        "system",
    )
    for name in plain:
        assert getattr(one, name) == getattr(other, name), name
    arrays = [(getattr(one, name), getattr(other, name)) for name in
              ("failed_at", "cause", "lowest_liquidity", "final_cash", "exact_finishes")]  # fmt: skip
    assert list(one.measures) == list(other.measures)
    assert list(one.series) == list(other.series)
    arrays += [
        (getattr(one.measures[m], f), getattr(other.measures[m], f)) for m in one.measures for f in FIGURES
    ]
    arrays += [(one.series[name], other.series[name]) for name in one.series]
    for a, b in arrays:
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()


def test_a_result_reads_back_equal(run, tmp_path):
    run.write(tmp_path / "out")
    assert_equal(read_result(tmp_path / "out"), run)


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_a_result_of_many_row_groups_reads_back_equal(run, tmp_path, monkeypatch, rows):
    monkeypatch.setattr(path_tables, "ROW_GROUP", rows)
    run.write(tmp_path / "out")
    assert pq.ParquetFile(tmp_path / "out" / "entities.parquet").num_row_groups == -(-4 * 50 * 3 // rows)
    assert_equal(read_result(str(tmp_path / "out")), run)


@pytest.mark.parametrize("effects", [("full",), ("none",), ("full", "none")])
def test_results_without_measures_series_and_coordinates_read_back_equal(effects, tmp_path):
    table = {"scenario": ["own", "other"], "effects": ["first_round" if len(effects) == 1 else None, None]}
    run = made_result(made_system(measures=None, positions=None), scenarios=Scenarios(table), effects=effects)
    run.write(tmp_path / "out")
    back = read_result(tmp_path / "out")
    assert_equal(back, run)
    assert back.coordinates is None


def test_extreme_numbers_read_back_to_the_bit(tmp_path):
    run = made_result(paths=4)
    run.final_cash.flags.writeable  # noqa: B018
    values = np.array([0.0, -0.0, 5e-324, 1.7976931348623157e308, -1e-300, 1 / 3] * 2).reshape(1, 4, 3)
    fields = {name: getattr(run, name) for name in run.__dataclass_fields__} | {"final_cash": values}
    type(run)(**fields).write(tmp_path / "out")
    assert read_result(tmp_path / "out").final_cash.tobytes() == values.tobytes()


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    again = made_result(scenarios=GRID, effects=("first_round", "full"), record=["cash:alpha", "estate"])
    run.write(tmp_path / "one")
    again.write(tmp_path / "deep" / "er" / "two")
    read_result(tmp_path / "one").write(tmp_path / "three")
    assert contents(tmp_path / "one") == contents(tmp_path / "deep/er/two") == contents(tmp_path / "three")


def test_the_files_hold_no_path_and_no_pandas(run, tmp_path):
    run.write(tmp_path / "secret_place")
    for name, data in contents(tmp_path / "secret_place").items():
        assert b"secret_place" not in data, name
        assert b"pandas" not in data, name


def test_files_have_the_columns_of_their_schema(run, tmp_path):
    run.write(tmp_path / "out")
    for name in STORED:
        assert pq.read_schema(tmp_path / "out" / f"{name}.parquet").equals(RESULT_SCHEMAS[name].arrow())
    assert pq.read_table(tmp_path / "out" / "failures.parquet").equals(run.failures())
    assert pq.read_table(tmp_path / "out" / "coordinates.parquet").equals(GRID.coordinates)


def test_rows_are_what_they_say(run, tmp_path):
    run.write(tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "entities.parquet").to_pandas()
    where = (table.scenario == run.scenarios[2]) & (table.path == 17) & (table.entity == "gamma")
    (row,) = table[where].to_dict("records")
    assert row["failed_at"] == run.failed_at[2, 17, 2]
    assert row["final_cash"] == run.final_cash[2, 17, 2]
    table = pq.read_table(tmp_path / "out" / "measures.parquet").to_pandas()
    (row,) = table[(table.scenario == run.scenarios[1]) & (table.path == 3) & (table.measure == "gross")].npv
    assert row == run.measures["gross"].npv[1, 3]
    table = pq.read_table(tmp_path / "out" / "series.parquet").to_pandas()
    where = (table.scenario == run.scenarios[3]) & (table.path == 49) & (table.period == 7)
    assert table[where & (table.series == "estate")].value.tolist() == [run.series["estate"][3, 49, 7]]


def test_other_libraries_read_the_files(run, tmp_path):
    polars, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    run.write(tmp_path / "out")
    file = str(tmp_path / "out" / "entities.parquet")
    assert polars.read_parquet(file)["final_cash"].sum() == pytest.approx(run.final_cash.sum())
    query = f"select count(*) from '{file}' where cause = 'liquidity' and scenario = '{run.scenarios[0]}'"
    assert duckdb.sql(query).fetchall()[0][0] == (run.cause[0] == 2).sum()


def test_a_result_explains_itself(run, tmp_path):
    run.write(tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "run.json").read_text())
    assert manifest["seed"] == run.seed
    assert manifest["runs"][1] == {
        "name": f"{GRID.names[0]}/full",
        "scenario": GRID.names[0],
        "effects": "full",
    }
    assert set(manifest["files"]) == set(contents(tmp_path / "out")) - {"run.json"}
    assert set(manifest["versions"]) == {"gpustress", "numpy", "pyarrow"}


# --- whole or not at all ---


def test_a_result_is_replaced_by_the_next(run, tmp_path):
    made_result(paths=3, record=["estate"]).write(tmp_path / "out")
    (tmp_path / "out" / "report.html").write_text("made from the old result")
    run.write(tmp_path / "out")
    assert_equal(read_result(tmp_path / "out"), run)
    assert not (tmp_path / "out" / "report.html").exists()
    assert os.listdir(tmp_path) == ["out"]


def test_an_empty_folder_is_taken(run, tmp_path):
    (tmp_path / "out").mkdir()
    run.write(tmp_path / "out")
    assert read_result(tmp_path / "out").seed == run.seed


@pytest.mark.parametrize("holds", ["notes.txt", "sub/notes.txt", "run.json"])
def test_a_folder_that_holds_something_else_is_left_alone(run, tmp_path, holds):
    (tmp_path / "out" / holds).parent.mkdir(parents=True)
    (tmp_path / "out" / holds).write_text('{"format": "something else"}')
    before = contents(tmp_path)
    with pytest.raises(InputError, match="no result"):
        run.write(tmp_path / "out")
    assert contents(tmp_path) == before


def test_a_result_beside_which_somebody_keeps_notes_is_left_alone(run, tmp_path):
    run.write(tmp_path / "out")
    (tmp_path / "out" / "system" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"system/notes\.txt"):
        run.write(tmp_path / "out")


def test_a_file_is_no_folder(run, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="is a file"):
        check_target(tmp_path / "out")


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("fault", [OSError("disk full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_what_was_there(run, tmp_path, monkeypatch, existing, fault):
    if existing:
        made_result(paths=3).write(tmp_path / "out")
    before = contents(tmp_path)

    def fail(*_):
        raise fault
        yield

    monkeypatch.setitem(path_tables.ROWS, "series", fail)
    with pytest.raises(type(fault)):
        run.write(tmp_path / "out")
    assert contents(tmp_path) == before
    assert os.listdir(tmp_path) == (["out"] if existing else [])


# --- spoiled ---


def stored_files():
    names = ("entities", "measures", "series", "scenarios", "coordinates", "failures", "failure_curve")
    files = [f"{name}.parquet" for name in (*names, "measure_summary")]
    return [*files, "system/system.toml", "system/entities.parquet", "system/flows.parquet", "run.json"]


@pytest.mark.parametrize("name", stored_files())
@pytest.mark.parametrize("how", ["flipped", "truncated", "missing", "empty"])
def test_a_spoiled_file_is_named(run, tmp_path, name, how):
    run.write(tmp_path / "out")
    file = tmp_path / "out" / name
    data = file.read_bytes()
    middle = len(data) // 2
    spoiled = {
        "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "truncated": data[:middle],
        "empty": b"",
    }
    file.unlink()
    if how != "missing":
        file.write_bytes(spoiled[how])
    with pytest.raises(InputError, match=name):
        read_result(tmp_path / "out")


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"paths": 51}, {"digest": "0" * 32}, {"runs": []}, {"files": {}}]
)
def test_a_changed_manifest_is_noticed(run, tmp_path, change):
    run.write(tmp_path / "out")
    file = tmp_path / "out" / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match="checksum"):
        read_result(tmp_path / "out")


def rewrite_manifest(folder, **change):
    """Change the manifest as someone would who knows how its checksum is made."""
    manifest = json.loads((folder / "run.json").read_text()) | change
    manifest["checksum"] = content_checksum(manifest)
    (folder / "run.json").write_text(json.dumps(manifest))


def test_a_digest_of_another_program_is_noticed(run, tmp_path):
    run.write(tmp_path / "out")
    rewrite_manifest(tmp_path / "out", digest="0" * 32)
    with pytest.raises(InputError, match="digest"):
        read_result(tmp_path / "out")
    versions = {"gpustress": "0.0.0", "numpy": "1", "pyarrow": "1"}
    rewrite_manifest(tmp_path / "out", versions=versions)  # another version may compile another program
    assert read_result(tmp_path / "out").digest == "0" * 32


def test_a_file_outside_the_folder_is_refused(run, tmp_path):
    run.write(tmp_path / "out")
    for name in ("../secret", "/etc/passwd"):
        rewrite_manifest(tmp_path / "out", files={name: "00"})
        with pytest.raises(InputError, match="outside"):
            read_result(tmp_path / "out")


def test_another_number_of_rows_is_noticed(run, tmp_path):
    run.write(tmp_path / "out")
    rewrite_manifest(tmp_path / "out", paths=51)
    with pytest.raises(InputError, match=r"entities\.parquet"):
        read_result(tmp_path / "out")


def test_a_later_format_is_refused(run, tmp_path):
    run.write(tmp_path / "out")
    rewrite_manifest(tmp_path / "out", format_version=3)
    with pytest.raises(InputError, match="format_version"):
        read_result(tmp_path / "out")


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"format": "other"}', "\x00"])
def test_a_manifest_that_is_none_is_an_error(run, tmp_path, text):
    run.write(tmp_path / "out")
    (tmp_path / "out" / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json"):
        read_result(tmp_path / "out")


def test_what_is_no_folder_is_an_error(tmp_path):
    for place in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="folder"):
            read_result(place)


def test_a_moved_result_reads(run, tmp_path):
    run.write(tmp_path / "out")
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    assert_equal(read_result(tmp_path / "elsewhere"), run)


def test_writing_adds_little_memory(tmp_path):
    """Arrow's own count of what it holds at most, against arrays of 50 MB."""
    run = made_result(paths=200_000, record=["estate"])
    pool = pa.default_memory_pool()
    before = pool.max_memory()
    run.write(tmp_path / "out")
    assert pool.max_memory() - before < 120e6


# --- targets ---


@pytest.mark.parametrize("name", ["", ".", "..", "\0", "\udcff", "x" * 256, "file/below"])
def test_a_target_that_can_not_be_written_is_refused(run, tmp_path, monkeypatch, name):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "file").write_text("mine")
    monkeypatch.chdir(tmp_path / "work")
    for refused in (check_target, run.write):
        with pytest.raises(InputError, match="`folder`"):
            refused(name)
    assert list(contents(tmp_path)) == ["work/file"]


def test_a_target_in_a_folder_that_takes_no_files_is_refused(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(InputError, match=r"`--out`.*Permission denied"):
        check_target(tmp_path / "deep" / "out", "--out")


def test_a_target_is_tried_without_a_trace(tmp_path):
    assert check_target(tmp_path / "deep" / "out") == tmp_path / "deep" / "out"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("files", [5, None, ["entities.parquet"]])
def test_a_target_with_another_manifest_is_left_alone(run, tmp_path, files):
    run.write(tmp_path / "out")
    rewrite_manifest(tmp_path / "out", files=files)
    with pytest.raises(InputError, match="not the result's"):
        check_target(tmp_path / "out")


# --- manifests that somebody made ---

KEYS = (
    "versions", "seed", "paths", "backend", "digest", "factors_digest", "runs", "measures", "series",
    "exact_finishes", "files",
)  # fmt: skip


WRONG = ("missing", None, 5.5, True, -1, "x", [], [[]], [5], {}, {"a": 5}, 10**30)
MAY_BE_TEXT = ("backend", "digest", "factors_digest")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (key, value)
        for value in WRONG
        for key in KEYS
        if not (key in MAY_BE_TEXT and value == "x") and (key, value) != ("seed", 10**30)
    ],
)
def test_a_manifest_with_wrong_keys_is_an_error(run, tmp_path, key, value):
    run.write(tmp_path / "out")
    rewrite_manifest(tmp_path / "out", **{key: value})
    if value == "missing":
        manifest = json.loads((tmp_path / "out" / "run.json").read_text())
        del manifest[key]
        manifest["checksum"] = content_checksum(manifest)
        (tmp_path / "out" / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError):
        read_result(tmp_path / "out")


@pytest.mark.parametrize("place", ["\0", "\udcff", ""])
def test_a_place_that_is_no_path_holds_no_result(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="folder"):
        read_result(place)


def test_a_result_that_may_not_be_read_is_to_be_made_readable(run, tmp_path, monkeypatch):
    run.write(tmp_path / "out")

    def refuse(file):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(store, "file_checksum", refuse)
    with pytest.raises(InputError, match="Make it readable"):
        read_result(tmp_path / "out")


def test_a_result_does_not_change_and_can_be_copied(run):
    for mapping in (run.series, run.measures):
        with pytest.raises(TypeError):
            mapping["new"] = None
    assert_equal(pickle.loads(pickle.dumps(run)), run)
    assert_equal(copy.deepcopy(run), run)
