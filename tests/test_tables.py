"""A table is the same table from wherever it comes, and its reference page is that of its schema."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from gpustress.reference import input_tables_markdown
from gpustress.schema import SCHEMAS
from gpustress.system import System
from gpustress.tables import arrow_schema, booleans, conform, floats, integers, strings
from test_check import GOOD, SETTINGS, problems_of, spoiled

if TYPE_CHECKING:
    from gpustress.errors import Problem


class Capsule:
    """Speaks the PyCapsule interface, and nothing else."""

    def __init__(self, table: pa.Table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


LIBRARIES = {
    "mapping of lists": lambda data: data,
    "mapping of numpy": lambda data: {name: np.array(values, dtype=object) for name, values in data.items()},
    "pyarrow table": pa.table,
    "pyarrow batch": lambda data: pa.table(data).combine_chunks().to_batches()[0],
    "pyarrow reader": lambda data: pa.table(data).to_reader(),
    "pandas": pd.DataFrame,
    "pandas of arrow": lambda data: pa.table(data).to_pandas(types_mapper=pd.ArrowDtype),
    "pandas of objects": lambda data: pd.DataFrame(data, dtype=object),
    "polars": lambda data: pl.DataFrame(data, strict=False),
    "duckdb": lambda data: duckdb.from_arrow(pa.table(data)),
    "capsule": lambda data: Capsule(pa.table(data)),
    "text": lambda data: {
        name: [None if v is None else str(v) for v in values] for name, values in data.items()
    },
}


@pytest.fixture(scope="module")
def good() -> System:
    return System(**SETTINGS, **GOOD)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_system_is_the_same_from_every_library(library, good):
    made = System(**SETTINGS, **{name: LIBRARIES[library](data) for name, data in GOOD.items()})
    assert made == good
    for name, table in made.tables.items():
        assert table.schema == arrow_schema(SCHEMAS[name])
        assert table.schema.metadata is None


TYPES = [
    ("entities", "name", pa.large_string()),
    ("entities", "name", pa.string_view()),
    ("entities", "name", pa.dictionary(pa.int8(), pa.string())),
    ("entities", "name", pa.dictionary(pa.uint32(), pa.large_string())),
    ("entities", "name", pa.run_end_encoded(pa.int32(), pa.string())),
    ("entities", "cash", pa.int8()),
    ("entities", "cash", pa.uint64()),
    ("entities", "cash", pa.float32()),
    ("entities", "cash", pa.decimal128(5, 2)),
    ("entities", "cash", pa.decimal256(50, 2)),
    ("entities", "cash", pa.dictionary(pa.int8(), pa.int64())),
    ("entities", "cash", pa.string()),
    ("entities", "solvency_trigger", pa.int8()),
    ("entities", "solvency_trigger", pa.float64()),
    ("entities", "solvency_trigger", pa.string()),
    ("schedules", "period", pa.int16()),
    ("schedules", "period", pa.uint64()),
    ("schedules", "period", pa.float64()),
    ("schedules", "period", pa.decimal128(25, 2)),
]


@pytest.mark.parametrize(("table", "column", "kind"), TYPES, ids=lambda value: str(value))
def test_a_type_that_loses_nothing_is_taken(table, column, kind, good):
    given = pa.table(GOOD[table])
    place = given.column_names.index(column)
    values = given[column].combine_chunks()
    if pa.types.is_run_end_encoded(kind):
        values = pa.compute.run_end_encode(values)
    elif pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type).dictionary_encode().cast(kind)
    else:
        values = values.cast(kind)
    assert values.type == kind
    made = System(**SETTINGS, **GOOD | {table: given.set_column(place, column, values)})
    assert made == good


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("name", pa.array([1, 2, 3])),
        ("name", pa.array([b"a", b"b", b"c"])),
        ("cash", pa.array([True, False, True])),
        ("cash", pa.array([0, 1, 2], pa.date32())),
        ("cash", pa.array([[1.0], [2.0], [3.0]])),
        ("solvency_trigger", pa.array([0, 1, 2], pa.timestamp("s"))),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_a_type_that_means_something_else_is_refused(column, values):
    problems: list[Problem] = []
    conform("entities", GOOD["entities"] | {column: values}, problems)
    (problem,) = problems
    assert (problem.table, problem.row, problem.column) == ("entities", None, column)
    assert problem.value == str(values.type)
    assert problem.message == f"is not {SCHEMAS['entities'].by_name[column].noun}"


def test_columns_that_fit_are_not_copied():
    cash, names = pa.array(np.arange(1000.0)), pa.array([f"e{i}" for i in range(1000)])
    taken = conform("entities", pa.table({"cash": cash, "name": names}), [])
    for column, given in (("cash", cash), ("name", names)):
        (chunk,) = taken[column].chunks
        assert [part and part.address for part in chunk.buffers()] == [
            part and part.address for part in given.buffers()
        ]
    assert np.shares_memory(floats(taken, "cash"), cash.to_numpy())


def test_columns_come_in_the_order_of_the_schema_with_defaults_filled_in():
    table = conform(
        "entities", {"cash": [1, None], "name": ["a", "b"], "hazard": [None, 0.5]}, problems := []
    )
    assert [(problem.row, problem.column) for problem in problems] == [(1, "cash")]
    assert table.schema == arrow_schema(SCHEMAS["entities"])
    assert table["hazard"].to_pylist() == [0.0, 0.5]
    assert table["solvency_trigger"].to_pylist() == [False, False]
    assert table["role"].to_pylist() == ["", ""]


def test_an_empty_text_is_a_null():
    table = conform(
        "flows", {"name": ["f"], "payer": [""], "kind": ["fee"], "amount": ["1e3"], "end": [""]}, []
    )
    assert table["payer"].to_pylist() == [None]
    assert table["end"].to_pylist() == [None]
    assert table["amount"].to_pylist() == [1000.0]


def test_numbers_are_read_from_text_to_the_last_bit():
    texts = ["0.1", " 1e-7 ", "+3", "-0", "5e-324", "1.7976931348623157e308", ".5", "2.", "1E5"]
    data = {"name": [str(i) for i in range(len(texts))], "cash": texts}
    cash = floats(conform("entities", data, problems := []), "cash")
    assert problems == []
    assert cash.tobytes() == np.array([float(text) for text in texts]).tobytes()


@pytest.mark.parametrize("text", ["1,5", "1_000", "0x10", "1e", "--1", "1 2", "٣", "true"])
def test_a_text_that_is_no_number_is_refused(text):
    problems: list[Problem] = []
    conform("entities", {"name": ["a", "b"], "cash": ["1", text]}, problems)
    assert [(found.row, found.value, found.message) for found in problems] == [
        (1, repr(text), "is not a number")
    ]


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-Infinity", "1e999"])
def test_a_text_that_is_no_finite_number_is_refused(text):
    problems: list[Problem] = []
    conform("entities", {"name": ["a", "b"], "cash": [" 1", text]}, problems)
    assert [(found.row, found.message) for found in problems] == [(1, "is not a finite number")]


def test_booleans_are_read_from_words_of_any_case():
    words = ["true", "TRUE", "True", "1", "false", "FALSE", " False ", "0", "", None]
    data = {"name": [str(i) for i in range(len(words))], "cash": [0] * len(words), "solvency_trigger": words}
    table = conform("entities", data, problems := [])
    assert problems == []
    assert booleans(table, "solvency_trigger").tolist() == [True] * 4 + [False] * 6


def test_values_of_several_types_are_refused_one_by_one():
    data = {"name": ["a", 2, None, "d", "\ud800"], "cash": [1, "x", Decimal("2.5"), True, 10**400]}
    problems: list[Problem] = []
    table = conform("entities", data, problems)
    assert [(found.row, found.column, found.message) for found in problems] == [
        (1, "name", "is not text"),
        (4, "name", "is not text"),
        (2, "name", "is empty"),
        (1, "cash", "is not a number"),
        (3, "cash", "is not a number"),
        (4, "cash", "is not a number"),
    ]
    assert table["cash"].to_pylist() == [1.0, None, 2.5, None, None]


def test_a_pandas_column_of_several_types_may_have_gaps():
    frame = pd.DataFrame({"name": ["a", "b", "c"], "cash": [1, math.nan, "x"]}, dtype=object)
    problems: list[Problem] = []
    conform("entities", frame, problems)
    assert {(found.row, found.message) for found in problems} == {(2, "is not a number"), (1, "is empty")}


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "pyarrow"])
def test_nan_is_null_in_pandas_alone(frame):
    problems: list[Problem] = []
    conform("entities", frame({"name": ["a"], "cash": [math.nan]}), problems)
    (problem,) = problems
    assert problem.message == ("is empty" if frame is pd.DataFrame else "is not a finite number")


def test_the_index_of_pandas_is_dropped():
    frame = pd.DataFrame(GOOD["entities"], index=["x", "y", "z"])
    assert conform("entities", frame, []) == conform("entities", frame.reset_index(drop=True), [])
    assert conform("entities", pa.table(frame), problems := []).num_rows == 3  # as it comes through Parquet
    assert problems == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (5, "is no table but a `int`"),
        ("entities.csv", "is no table but a `str`"),
        ([{"name": "a", "cash": 1}], "is no table but a `list`"),
        (pa.array([1, 2]), "can't be read as a table"),
        ({"name": ["a", "b"], "cash": [1]}, "has columns of different lengths: name 2, cash 1"),
    ],
)
def test_what_is_no_table_is_refused(data, says):
    problems: list[Problem] = []
    assert conform("entities", data, problems) is None
    (problem,) = problems
    assert (problem.table, problem.row, problem.column) == ("entities", None, None)
    assert says in problem.message
    assert problem.remedy.startswith("Give ")


@pytest.mark.parametrize(
    "values", ["abc", 5, {"a": 1}, {1.0}, np.zeros((1, 1))], ids=lambda value: type(value).__name__
)
def test_what_is_no_column_is_refused(values):
    problems: list[Problem] = []
    conform("entities", {"name": ["a"], "cash": values}, problems)
    assert [(found.table, found.column) for found in problems] == [("entities", "cash")]


def test_a_column_given_twice_is_refused():
    table = pa.table([["a"], [1.0], [2.0]], names=["name", "cash", "cash"])
    problems: list[Problem] = []
    conform("entities", table, problems)
    assert [(found.column, found.message) for found in problems] == [("cash", "is there twice")]


def test_columns_as_arrays():
    table = conform("flows", GOOD["flows"], [])
    assert strings(table, "payer") == GOOD["flows"]["payer"]
    assert integers(table, "end").tolist() == [-1, 7, -1, 6, -1]
    assert integers(table, "end", null=9).dtype == np.int64
    np.testing.assert_array_equal(floats(table, "life"), [np.nan, np.nan, np.nan, 5.0, np.nan])
    empty = conform("loans", None, [])
    for read, column, dtype in ((floats, "rate", np.float64), (integers, "draw", np.int64)):
        assert (read(empty, column).dtype, len(read(empty, column))) == (dtype, 0)
    assert booleans(conform("entities", None, []), "solvency_trigger").dtype == np.bool_


def test_a_system_gives_its_names(good):
    assert good.entity_names == ("maker", "lab", "bank")
    assert good.factor_names == ("demand", "rate", "share", "fixed")
    loans = ("term.interest", "term.principal", "line.interest", "line.principal", "line.draw")
    assert good.flow_names == ("sales", "compute", "power", "build", "royalty", *loans)
    assert good.measure_names == ("net", "books")
    assert set(good.tables) == set(SCHEMAS)
    assert good.entities is good.tables["entities"]
    assert good.settings.period_years == 0.25
    assert repr(good).startswith("<System 'good': 3 entities, 4 factors, 3 correlations, 5 flows")


def test_a_system_does_not_change(good):
    with pytest.raises(AttributeError, match="does not change"):
        good.entities = None
    with pytest.raises(AttributeError, match="does not change"):
        del good.entities
    with pytest.raises(TypeError):
        good.tables["entities"] = None
    with pytest.raises(TypeError):
        hash(good)
    assert copy.deepcopy(good) == good
    assert pickle.loads(pickle.dumps(good)) == good


def test_systems_are_equal_when_all_cells_are(good):
    assert good == System(**SETTINGS, **GOOD)
    assert good != System(**SETTINGS | {"currency": "EUR"}, **GOOD)
    assert good != System(**SETTINGS, **spoiled({"flows": {"amount": {1: np.nextafter(20.0, 21.0)}}}))
    assert good != "good"


def test_settings_take_numbers_of_any_kind(good):
    settings = {"name": "good", "periods": np.int16(8), "periods_per_year": np.float32(4)}
    made = System(**settings, default_costs=[1, 1], start=pd.Timestamp("2026-01-01").date(), **GOOD)
    assert made.settings.default_costs == (1.0, 1.0)
    assert type(made.settings.periods) is int
    assert made.settings.start == "2026-01-01"
    assert made.entities == good.entities


def test_the_reference_page_is_that_of_the_schema():
    page = Path(__file__).parents[1] / "docs" / "tables.md"
    remedy = "run: python -m gpustress.reference > docs/tables.md"
    assert page.read_text(encoding="utf-8") == input_tables_markdown(), remedy


def test_the_reference_page_has_every_column():
    page = input_tables_markdown()
    for name, schema in SCHEMAS.items():
        section = page.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")] == list(
            schema.by_name
        )


def test_a_table_of_nulls_of_any_type_is_null():
    for kind in (pa.null(), pa.int32(), pa.date32()):
        flows = pa.table(GOOD["flows"]).drop_columns("driver").append_column("driver", pa.nulls(5, kind))
        assert problems_of(**GOOD | {"flows": flows}) == []


def test_importing_a_system_imports_nothing_heavy():
    code = (
        "import sys, gpustress.system; print([name for name in ('pandas', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("make", [dict, pd.DataFrame])
def test_a_table_does_not_change_with_what_it_was_made_from(make):
    cash = np.array([1.0, 2.0])
    given = make({"name": np.array(["a", "b"], dtype=object), "cash": cash})
    table = conform("entities", given, [])
    if isinstance(given, pd.DataFrame):
        given.loc[:, "cash"] = 9.0
    cash[:] = 9.0
    assert table["cash"].to_pylist() == [1.0, 2.0]
