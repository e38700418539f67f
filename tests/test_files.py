"""A system's folder reads back equal; a bad file is named; a folder appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from build import examples
from build import system as built
from gpustress import files as files_module
from gpustress import system as system_module
from gpustress.errors import LISTED_ROWS, InputError, Problem
from gpustress.files import read_table, write_table
from gpustress.folders import whole_folder
from gpustress.schema import SCHEMAS
from gpustress.system import System, read_system
from gpustress.tables import conform
from test_check import GOOD, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

FORMATS = ("csv", "parquet", "arrow")
TOML = 'name = "good"\nperiods = 8\nperiods_per_year = 4\n'


@pytest.fixture(scope="module")
def good() -> System:
    return System(**SETTINGS, **GOOD)


@pytest.fixture
def folder(good: System, tmp_path: Path) -> Path:
    """The good system as CSV files."""
    good.write(tmp_path / "good")
    return tmp_path / "good"


def problems_of(folder: Path) -> list[Problem]:
    try:
        read_system(folder)
    except InputError as error:
        return list(error.problems)
    return []


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("format", FORMATS)
def test_a_system_reads_back_equal(format, good, tmp_path):
    good.write(tmp_path / "new" / "system", format)
    assert read_system(tmp_path / "new" / "system") == good
    assert names(tmp_path / "new") == {"system"}
    assert names(tmp_path / "new" / "system") == {"system.toml", *(f"{table}.{format}" for table in GOOD)}


def test_formats_may_be_mixed(good, tmp_path):
    for format in FORMATS:
        good.write(tmp_path / format, format)
    for number, table in enumerate(SCHEMAS):
        format = FORMATS[number % 3]
        for other in set(FORMATS) - {"csv"}:
            (tmp_path / "csv" / f"{table}.{other}").unlink(missing_ok=True)
        if format != "csv":
            (tmp_path / "csv" / f"{table}.csv").unlink()
            shutil.copy(tmp_path / format / f"{table}.{format}", tmp_path / "csv")
    assert {path.suffix for path in (tmp_path / "csv").iterdir()} == {".toml", ".csv", ".parquet", ".arrow"}
    assert read_system(tmp_path / "csv") == good


@examples(30)
@given(strategies.systems())
def test_any_system_reads_back_equal(tmp_path_factory, made):
    system = built(*made)
    folder = tmp_path_factory.mktemp("any") / "system"
    for format in FORMATS:
        system.write(folder, format)
        assert read_system(folder) == system


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PITFALLS = ('"', ",", "\r", "\n", "\ufeff", "NA", "null", " a ", "#", "1", "true")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(PITFALLS)


@examples(60)
@given(rows=st.lists(st.tuples(TEXTS.filter(bool), FLOATS, TEXTS, st.booleans()), min_size=1))
def test_any_cell_reads_back_to_the_bit(tmp_path_factory, rows):
    columns = zip(("name", "cash", "source", "solvency_trigger"), zip(*rows, strict=True), strict=True)
    table = conform("entities", {name: list(values) for name, values in columns}, problems := [])
    folder = tmp_path_factory.mktemp("cells")
    for format in FORMATS:
        write_table(table, folder / f"entities.{format}")
        read = read_table(folder / f"entities.{format}", "entities", problems)
        assert problems == []
        assert read.equals(table)
        assert read["cash"].to_numpy().tobytes() == table["cash"].to_numpy().tobytes()  # -0.0 is not 0.0 here


def test_settings_read_back_equal(tmp_path):
    settings = {"name": 'a "b"\\\n\x7f\u2028é', "periods": 3, "periods_per_year": 0.1, "discount_rate": -1e-7,
                "default_costs": (0.1, 1 / 3), "currency": "€", "start": "2026-01-31"}  # fmt: skip
    system = System(**settings, entities=GOOD["entities"], flows={"name": [], "kind": [], "amount": []})
    system.write(tmp_path / "system")
    assert read_system(tmp_path / "system").settings == system.settings
    assert read_system(tmp_path / "system") == system


def test_a_date_may_be_written_as_one(folder):
    (folder / "system.toml").write_text(TOML + "start = 2026-01-31\n")
    assert read_system(folder).settings.start == "2026-01-31"


def test_csv_as_spreadsheets_write_it(folder, good):
    text = (folder / "entities.csv").read_text()
    (folder / "entities.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    assert read_system(folder) == good


def test_a_text_with_line_breaks_may_lie_across_blocks(folder, monkeypatch):
    monkeypatch.setattr(files_module, "_BLOCK_BYTES", 256)
    rows = [(f"e{i}", f"line\n{i}, line\n" * (i % 4)) for i in range(200)]
    text = "".join(f'{name},1,"{source}"\n' for name, source in rows)
    (folder / "entities.csv").write_text("name,cash,source\n" + text)
    table = read_table(folder / "entities.csv", "entities", problems := [])
    assert problems == []
    assert table["source"].to_pylist() == [source for _, source in rows]


def test_csv_is_written_to_be_read_by_people(folder):
    assert (folder / "correlations.csv").read_text() == (
        "factor_a,factor_b,value,source\ndemand,rate,0.3,\ndemand,share,0.2,\nrate,share,0.1,\n"
    )


def test_other_files_are_left_alone(folder, good):
    (folder / "README.md").write_text("# A system")
    (folder / "make.py").write_text("raise SystemExit")
    (folder / ".flows.csv").write_text("an editor's copy")
    (folder / "old").mkdir()
    (folder / "old" / "flows.csv").write_text("x")
    assert read_system(folder) == good


def put(name: str, data: bytes | str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())

    return spoil


def cut(format: str, share: float) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        System(**SETTINGS, **GOOD).write(folder.parent / "whole", format)
        data = (folder.parent / "whole" / f"flows.{format}").read_bytes()
        (folder / "flows.csv").unlink()
        (folder / f"flows.{format}").write_bytes(data[: int(len(data) * share)])

    return spoil


def linked(target: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder.parent / "elsewhere.csv").write_text("name,cash\na,1\n")
        (folder / "entities.csv").unlink()
        (folder / "entities.csv").symlink_to(target)

    return spoil


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def folder_instead(folder: Path) -> None:
    (folder / "flows.csv").unlink()
    (folder / "flows.csv").mkdir()


RAGGED = "name,cash\na,1\n\nb,2,3\nc\n"

BAD_FILES: dict[str, tuple[Callable[[Path], None], tuple[str, int | None, str | None], str, str]] = {
    "empty": (put("flows.csv", ""), ("flows.csv", None, None), "is empty", "name,kind,amount"),
    "blank": (put("flows.csv", "\n\n"), ("flows.csv", None, None), "is empty", "names of the columns"),
    "latin-1": (put("flows.csv", "name,kind\na,é".encode("latin-1")), ("flows.csv", None, None),
        "is not UTF-8 in line 2", "Save it as UTF-8"),
    "utf-16": (put("flows.csv", "name,kind\na,b".encode("utf-16")), ("flows.csv", None, None),
        "is not UTF-8 in line 1", "Save it as UTF-8"),
    "latin-1 in a row of too many cells": (put("flows.csv", b"name,kind\na,b,\xd9\n"),
        ("flows.csv", None, None), "is not UTF-8 in line 2", "Save it as UTF-8"),
    "cut within a letter": (put("flows.csv", "name,kind\na,é".encode()[:-1]),
        ("flows.csv", None, None), "is not UTF-8 in line 2", "Save it as UTF-8"),
    "semicolons": (put("flows.csv", "name;kind;amount\na;fee;1\n"), ("flows.csv", None, None),
        "separates its cells by ';'", "by commas"),
    "open quote": (put("flows.csv", 'name,kind,amount,source\na,fee,1,"note\nb,fee,2,\n'), ("flows.csv", None,
        None), "never closed", "Close it"),
    "binary": (put("flows.csv", bytes(range(256)) * 8), ("flows.csv", None, None), "is not UTF-8", "UTF-8"),
    "cut parquet": (cut("parquet", 0.9), ("flows.parquet", None, None), "can't be read as parquet",
        "cut off"),
    "nothing of parquet": (cut("parquet", 0), ("flows.parquet", None, None), "is empty", "Write the table"),
    "cut arrow": (cut("arrow", 0.9), ("flows.arrow", None, None), "can't be read as arrow", "cut off"),
    "two files": (put("flows.parquet", "x"), ("flows.parquet", None, None), "the same table as `flows.csv`",
        "one of"),
    "unknown table": (put("flow.csv", "name\n"), ("flow.csv", None, None), "no table that is known",
        "`flows`"),
    "capital letters": (put("Loans.CSV", "name\n"), ("Loans.CSV", None, None), "no table that is known",
        "`loans`"),
    "path out": (linked("../elsewhere.csv"), ("entities.csv", None, None), "leads out of the folder",
        "itself"),
    "absolute path": (linked("/dev/null"), ("entities.csv", None, None), "leads out of the folder", "itself"),
    "no target": (linked("nowhere.csv"), ("entities.csv", None, None), "is no file", "Put a file there"),
    "circle of links": (linked("entities.csv"), ("entities.csv", None, None), "is no file",
        "Put a file there"),
    "a folder": (folder_instead, ("flows.csv", None, None), "is no file", "Put a file there"),
    "no settings": (without("system.toml"), ("system.toml", None, None), "is missing", "periods_per_year"),
    "no flows": (without("flows.csv"), ("flows", None, None), "the table is missing", "name, kind, amount"),
    "unknown key": (put("system.toml", TOML + "discount = 0.1"), ("system.toml", None, "discount"),
        "there is no such key", "`discount_rate`"),
    "missing key": (put("system.toml", 'name = "x"\nperiods = 8'), ("system.toml", None, "periods_per_year"),
        "is missing", "a number"),
    "wrong type": (put("system.toml", TOML.replace("8", '"8"')), ("system.toml", None, "periods"),
        "is not a number", "from 1 to 32767"),
    "date and time": (put("system.toml", TOML + "start = 2026-01-01T00:00:00"), ("system.toml", None,
        "start"), "is not a date", "YYYY-MM-DD"),
    "no toml": (put("system.toml", "name: x"), ("system.toml", None, None), "is not TOML", "key = value"),
    "settings not utf-8": (put("system.toml", b'name = "\xe9"'), ("system.toml", None, None), "is not UTF-8",
        "UTF-8"),
    "nameless column": (put("positions.csv", "name,entity,exposure,\na,lab,1,\n"), ("positions", None, None),
        "column 4 has no name", "take it out"),
    "column twice": (put("positions.csv", "name,entity,exposure,name\na,lab,1,b\n"), ("positions", None,
        "name"), "is there twice", "one of the two"),
    "unknown column": (put("positions.csv", "name,entity,exposure, maturity\na,lab,1,2\n"), ("positions",
        None, " maturity"), "no such column", "`maturity`"),
    "bad cell": (put("positions.csv", 'name,entity,exposure\na,lab,1\n\nb,lab,"1,5"\n'), ("positions", 1,
        "exposure"), "is not a number", "with a point"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_named_with_a_remedy(case, folder):
    spoil, place, says, remedy = BAD_FILES[case]
    spoil(folder)
    (found,) = problems_of(folder)
    assert (found.table, found.row, found.column) == place
    assert says in found.message
    assert remedy in found.remedy
    assert "\n" not in str(found)


def test_rows_with_cells_too_few_or_too_many_are_named(folder):
    (folder / "entities.csv").write_text(RAGGED)
    first, second = problems_of(folder)
    assert (first.table, first.row, first.value) == ("entities.csv", 1, "'b,2,3'")
    assert (second.table, second.row, second.value) == ("entities.csv", 2, "'c'")
    assert first.message == "has 3 cells where the first line names 2 columns"
    (folder / "entities.csv").write_text("name,cash\n" + "a\n" * 30)
    problems = problems_of(folder)
    assert len(problems) == LISTED_ROWS + 1
    assert problems[-1].message.startswith("20 more rows")


def test_all_bad_files_come_together(folder):
    put("flows.csv", "")(folder)
    put("loans.csv", RAGGED)(folder)
    put("flow.csv", "x")(folder)
    put("system.toml", "periods = 0")(folder)
    put("entities.csv", "name,cash\na,b\n")(folder)
    found = {(problem.table, problem.column) for problem in problems_of(folder)}
    assert found >= {("flows.csv", None), ("loans.csv", None), ("flow.csv", None), ("entities", "cash"),
                     ("system.toml", "name"), ("system.toml", "periods")}  # fmt: skip


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.95, 0.99])
@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_a_file_cut_anywhere_is_one_problem(format, share, folder):
    cut(format, share)(folder)
    (problem,) = problems_of(folder)
    assert problem.table == f"flows.{format}"


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_a_file_with_other_bytes_is_a_problem_or_a_table(format, folder):
    cut(format, 1.0)(folder)
    path = folder / f"flows.{format}"
    data = path.read_bytes()
    for place in range(0, len(data), len(data) // 50):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        problems_of(folder)


def test_a_link_within_the_folder_is_followed(folder, good):
    (folder / "data").mkdir()
    (folder / "flows.csv").rename(folder / "data" / "flows.csv")
    (folder / "flows.csv").symlink_to("data/flows.csv")
    assert read_system(folder) == good
    (folder.parent / "link").symlink_to(folder)
    assert read_system(folder.parent / "link") == good


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_what_is_no_folder_is_refused(name, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is no folder"):
        read_system(tmp_path / name)


def test_writing_again_leaves_nothing_of_before(folder, good):
    smaller = System(**SETTINGS, entities=GOOD["entities"], flows={"name": [], "kind": [], "amount": []})
    smaller.write(folder, "parquet")
    assert names(folder) == {"system.toml", "entities.parquet", "flows.parquet"}
    assert read_system(folder) == smaller
    assert names(folder.parent) == {"good"}


@pytest.mark.parametrize("other", ["README.md", "flow.csv", ".git"])
def test_writing_takes_nothing_else_away(other, folder, good):
    (folder / other).write_text("mine")
    before = names(folder)
    with pytest.raises(InputError, match="which writing would take away"):
        good.write(folder, "parquet")
    assert names(folder) == before
    assert names(folder.parent) == {"good"}


def test_writing_needs_a_folder_and_a_known_format(good, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        good.write(tmp_path / "file")
    with pytest.raises(InputError, match="is no format"):
        good.write(tmp_path / "new", "xlsx")
    assert names(tmp_path) == {"file"}


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_is_never_half_written(exists, good, tmp_path, monkeypatch):
    if exists:
        good.write(tmp_path / "system")
    written = []

    def fail_at_last(table: pa.Table, path: Path) -> None:
        written.append(path)
        if len(written) == 5:
            raise OSError("no space left on device")
        write_table(table, path)

    monkeypatch.setattr(system_module, "write_table", fail_at_last)
    with pytest.raises(OSError, match="no space left"):
        good.write(tmp_path / "system", "parquet")
    assert names(tmp_path) == ({"system"} if exists else set())
    if exists:
        assert read_system(tmp_path / "system") == good


@pytest.mark.parametrize("interruption", [OSError("no"), KeyboardInterrupt("no")])
def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path, monkeypatch, interruption):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("old")
    rename = Path.rename

    def fail(self: Path, target: Path) -> Any:
        if self.name.endswith(".new"):
            raise interruption
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with (
        pytest.raises(type(interruption), match="no"),
        whole_folder(tmp_path / "folder", lambda _: True) as new,
    ):
        (new / "new").write_text("new")
    assert names(tmp_path) == {"folder"}
    assert names(tmp_path / "folder") == {"old"}


def test_a_folder_has_the_permissions_of_any_other(good, tmp_path):
    (tmp_path / "other").mkdir()
    good.write(tmp_path / "system")
    assert os.stat(tmp_path / "system").st_mode == os.stat(tmp_path / "other").st_mode


def test_a_link_to_a_folder_stays_one(folder, good):
    (folder.parent / "link").symlink_to(folder)
    good.write(folder.parent / "link", "arrow")
    assert (folder.parent / "link").is_symlink()
    assert "flows.arrow" in names(folder)


def test_numbers_are_written_in_the_fewest_digits(tmp_path):
    entities = {"name": ["a"], "cash": [0.1 + 0.2], "credit_line": [1e-7]}
    System(**SETTINGS, entities=entities, flows={"name": [], "kind": [], "amount": []}).write(tmp_path / "s")
    text = (tmp_path / "s" / "entities.csv").read_text()
    assert text.splitlines()[1] == "a,,0.30000000000000004,1e-7,0,0,0,0,0,0,false,"


# --- what may not be replaced ---


def test_a_folder_without_settings_is_no_system(good, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "scenarios.csv").write_text("mine")
    with pytest.raises(InputError, match=r"holds `scenarios\.csv`, which writing would take away"):
        good.write(tmp_path / "mine")
    assert (tmp_path / "mine" / "scenarios.csv").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    good.write(tmp_path / "empty")
    assert read_system(tmp_path / "empty") == good


def test_a_folder_named_as_a_table_is_no_table(folder, good):
    (folder / "flows.parquet").mkdir()
    (folder / "flows.parquet" / "part").write_text("mine")
    with pytest.raises(InputError, match=r"holds `flows\.parquet`"):
        good.write(folder, "arrow")
    assert (folder / "flows.parquet" / "part").read_text() == "mine"


@pytest.mark.parametrize("name", ["", ".", "..", "\0", "\udcff", "x" * 256, "file/below", "x/" * 3000, "/"])
def test_a_folder_that_can_not_be_one_is_refused(name, good, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "file").write_text("mine")
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(InputError, match="`folder`"):
        good.write(name)
    assert names(tmp_path) == {"work"}
    assert names(tmp_path / "work") == {"file"}


def test_an_empty_working_directory_is_not_replaced(good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is the working directory"):
        good.write(tmp_path)
    with pytest.raises(InputError, match="is no path"):
        good.write(None)


def test_a_name_as_long_as_names_get_is_written(good, tmp_path):
    good.write(tmp_path / ("x" * 255))
    assert read_system(tmp_path / ("x" * 255)) == good


@pytest.mark.parametrize("file", ["flows.csv", "flows.parquet", "flows.arrow"])
def test_a_file_that_may_not_be_read_is_to_be_made_readable(file, good, tmp_path, monkeypatch):
    good.write(tmp_path / "s", file.partition(".")[2])

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", file)

    suffix = Path(file).suffix
    monkeypatch.setitem(files_module.FORMATS, suffix, (refuse, files_module.FORMATS[suffix][1]))
    remedies = {problem.remedy for problem in problems_of(tmp_path / "s") if problem.table == file}
    assert remedies == {"Make it readable."}


def test_a_folder_that_may_not_be_read_is_refused(folder, monkeypatch):
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match="may not be read"):
        read_system(folder)


@pytest.mark.parametrize(
    "value", ["9" * 5000, "0x" + "f" * 5000, "[" * 100_000, "[" * 100_000 + "]" * 100_000]
)
def test_settings_beyond_reason_are_one_problem(value, folder):
    (folder / "system.toml").write_text(TOML.replace("periods = 8", f"periods = {value}"))
    (found,) = problems_of(folder)
    assert found.table == "system.toml"
