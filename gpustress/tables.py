"""Tables in memory: whatever speaks Arrow becomes a table with its schema's columns, types and defaults."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from .cells import ARROW_TYPES, conform_column, filled_column
from .errors import Problem, nearest
from .schema import REQUIRED, SCHEMAS, Schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_INDEX_OF_PANDAS: Final = re.compile(r"__index_level_\d+__")


def arrow_schema(schema: Schema) -> pa.Schema:
    """Make the Arrow schema of a table."""
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in schema.columns])


def conform(table: str | Schema, data: object, problems: list[Problem]) -> pa.Table | None:
    """Bring a table into the form of its schema.

    Parameters
    ----------
    table : str or Schema
        A table of SCHEMAS by its name, or a schema of one's own.
    data : object
        Anything with `__arrow_c_stream__` or `__arrow_c_array__` (pyarrow, polars, duckdb, ...), a pandas
        DataFrame (its index is dropped), a mapping of columns to values, or None for a table without rows.
    problems : list of Problem
        Grows by every column and cell that is at fault.

    Returns
    -------
    pyarrow.Table or None
        The schema's columns, in its order and types. A column that fits is taken as it is, without a copy; an
        empty cell takes the default, and so does one at fault. None where `data` is no table.
    """
    schema = SCHEMAS[table] if isinstance(table, str) else table
    name = schema.name
    if data is None:
        return arrow_schema(schema).empty_table()
    pairs = _labelled(schema, data, problems)
    if pairs is None:
        return None
    given = _known_columns(schema, pairs, problems)
    lengths = {name: len(values) for name, values in given.items() if values is not None}
    if len(set(lengths.values())) > 1:
        each = ", ".join(f"{column} {length}" for column, length in lengths.items())
        remedy = "Give every column the same number of values."
        problems.append(Problem(name, None, None, "", f"has columns of different lengths: {each}", remedy))
        return None
    rows = max(lengths.values(), default=0)
    columns = []
    for column in schema.columns:
        if column.default is REQUIRED and column.name not in given:
            remedy = f"Add it: {column.allowed}, {column.doc}."
            problems.append(Problem(name, None, column.name, "", "the column is missing", remedy))
        values = given.get(column.name)
        columns.append(filled_column(column, rows) if values is None else values)
    return pa.table(columns, schema=arrow_schema(schema))


def _labelled(schema: Schema, data: Any, problems: list[Problem]) -> Iterable[tuple[object, Any]] | None:
    """List the columns of `data`, each with its label; None where it is no table."""
    if isinstance(data, Mapping):
        return ((label, _unshared(values)) for label, values in data.items())
    if type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns"):
        return ((label, _unshared(data.iloc[:, i])) for i, label in enumerate(data.columns))
    table = _arrow_table(schema, data, problems)
    if table is None:
        return None
    pairs = zip(table.column_names, table.columns, strict=True)
    return ((label, values) for label, values in pairs if not _INDEX_OF_PANDAS.fullmatch(label))


def _unshared(values: Any) -> Any:
    """Copy what its owner could change in place; Arrow's own memory never changes and is shared."""
    return values.copy() if type(values).__module__.partition(".")[0] in ("numpy", "pandas") else values


def _known_columns(
    schema: Schema, pairs: Iterable[tuple[object, Any]], problems: list[Problem]
) -> dict[str, pa.ChunkedArray | None]:
    """Conform the columns that the schema knows; None for one that can't be read."""
    given: dict[str, pa.ChunkedArray | None] = {}
    for place, (label, values) in enumerate(pairs, start=1):
        column = schema.by_name.get(label) if isinstance(label, str) else None
        if label is None or label == "":
            remedy = "Name it in the first line, or take it out."
            problems.append(Problem(schema.name, None, None, "", f"column {place} has no name", remedy))
        elif column is None:
            remedy = nearest(str(label), tuple(schema.by_name))
            problems.append(Problem(schema.name, None, str(label), "", "there is no such column", remedy))
        elif column.name in given:
            problems.append(
                Problem(schema.name, None, column.name, "", "is there twice", "Keep one of the two.")
            )
        elif values is not None:
            given[column.name] = conform_column(schema.name, column, values, problems)
    return given


def _arrow_table(schema: Schema, data: Any, problems: list[Problem]) -> pa.Table | None:
    if isinstance(data, pa.Table):
        return data
    try:
        if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
            return pa.table(data)
        fault = f"is no table but a `{type(data).__name__}`"
    except (pa.ArrowException, TypeError) as error:
        fault = f"can't be read as a table: {_first_line(error)}"
    remedy = "Give an Arrow, polars, duckdb or pandas table, or a mapping of columns to values."
    problems.append(Problem(schema.name, None, None, "", fault, remedy))
    return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def floats(table: pa.Table, column: str) -> NDArray[np.float64]:
    """Read a float column; null is NaN. May be read-only: the table's own memory where that is possible."""
    values: NDArray[np.float64] = table.column(column).to_numpy()
    return values


def integers(table: pa.Table, column: str, null: int = -1) -> NDArray[np.int64]:
    """Read an integer column, with `null` in place of nulls; may be read-only."""
    values: NDArray[np.int64] = pc.fill_null(table.column(column), null).to_numpy()
    return values


def booleans(table: pa.Table, column: str) -> NDArray[np.bool_]:
    """Read a boolean column; null is False."""
    values: NDArray[np.bool_] = pc.fill_null(table.column(column), False).to_numpy()
    return values


def strings(table: pa.Table, column: str) -> list[str | None]:
    """Read a text column as Python strings; null is None."""
    values: list[str | None] = table.column(column).to_pylist()
    return values


def places(table: pa.Table, column: str, names: Sequence[str]) -> NDArray[np.intp]:
    """Of each row the place of its text in `names`; -1 where it is null or none of them."""
    found = pc.index_in(table.column(column), value_set=pa.array(names, pa.string()))
    at: NDArray[np.intp] = pc.fill_null(found, -1).to_numpy().astype("int64")
    return at
