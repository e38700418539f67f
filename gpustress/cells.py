"""The cells of one column, whatever type they came in: read as the schema's, and held against its bounds.

Everything works on whole columns: only the first rows that are at fault are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .errors import Problem, report_rows
from .schema import REQUIRED, Column, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

ARROW_TYPES: Final[dict[Type, pa.DataType]] = {
    "string": pa.string(),
    "float": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
}
_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_NOT_FINITE: Final = r"^[+-]?(nan|inf|infinity)$"
_TRUE, _FALSE = ("true", "1"), ("false", "0")
_EXACT: Final = 2.0**53  # beyond it not every whole number is a double
_PYTHON_TYPES: Final[dict[Type, tuple[type, ...]]] = {
    "string": (str,),
    "float": (Real, Decimal),
    "integer": (Real, Decimal),
    "boolean": (bool, np.bool_),
}


def true_rows(mask: pa.ChunkedArray) -> NDArray[np.intp]:
    """Rows in which a condition holds; null is no."""
    return np.flatnonzero(pc.fill_null(mask, False).to_numpy())


def is_one_of(values: pa.ChunkedArray, names: pa.Array | Sequence[str]) -> pa.ChunkedArray:
    """Whether each value is one of the names; null is none."""
    value_set = names if isinstance(names, pa.Array) else pa.array(names, pa.string())
    return pc.and_(pc.is_valid(values), pc.is_in(values, value_set=value_set))


@dataclass(frozen=True)
class Blame:
    """Adds a problem for each row of a table that is at fault."""

    problems: list[Problem]
    table: str
    rows: pa.Table

    def __call__(
        self,
        column: str,
        at_fault: pa.ChunkedArray,
        message: str | Callable[[int], str],
        remedy: str | Callable[[int], str],
    ) -> None:
        """Blame `column` of each row in which `at_fault` holds."""
        faulty, cells = true_rows(at_fault), self.rows[column]
        report_rows(
            self.problems,
            self.table,
            column,
            faulty,
            lambda row: cells[row].as_py(),
            message=message,
            remedy=remedy,
        )


def conform_column(
    table: str, column: Column, values: Any, problems: list[Problem]
) -> pa.ChunkedArray | None:
    """Read a column as its schema's type.

    Parameters
    ----------
    table : str
    column : Column
    values : object
        An Arrow, pandas or NumPy array, or a sequence of Python objects; of any type that can be read without
        loss: text as in a CSV file, other widths, dictionaries.
    problems : list of Problem
        Grows by the cells that are at fault.

    Returns
    -------
    pyarrow.ChunkedArray or None
        As many cells, of the type in ARROW_TYPES; the given ones, if nothing had to change. A cell at fault
        or empty takes the default, so that whatever is checked next sees only what could be right. None
        where `values` is no column.
    """
    try:
        given = _arrow_column(values)
        refused: list[int] = []
    except _NoCommonTypeError:
        given, refused = _column_of_objects(table, column, values, problems)
    except (pa.ArrowException, TypeError, ValueError) as error:
        message = f"can't be read as a column: {str(error).partition(chr(10))[0].rstrip('.')}"
        remedy = "Give a sequence or an array with one value for each row."
        problems.append(Problem(table, None, column.name, "", message, remedy))
        return None
    plain = _decoded(given)
    if plain.null_count == len(plain):  # of whatever type: SQL, for one, gives a column of nulls as integers
        read = pa.chunked_array([pa.nulls(len(plain), ARROW_TYPES[column.type])])
    else:
        read = _READERS[column.type](plain)
    if read is None:
        remedy = f"Give {column.allowed} in each row."
        problems.append(Problem(table, None, column.name, str(given.type), f"is not {column.noun}", remedy))
        return filled_column(column, len(given))
    cells = _Cells(table, column, plain, read, problems)
    cells.check(refused)
    return cells.read


def filled_column(column: Column, rows: int) -> pa.ChunkedArray:
    """Make a column that was not given: its default in each row, or null."""
    kind = ARROW_TYPES[column.type]
    default = None if column.default is REQUIRED else column.default
    return pa.chunked_array([pa.repeat(pa.scalar(default, kind), rows)])


class _Cells:
    """A column as given and as read; a cell that is refused becomes null."""

    def __init__(
        self,
        table: str,
        column: Column,
        given: pa.ChunkedArray,
        read: pa.ChunkedArray,
        problems: list[Problem],
    ):
        self.table, self.column, self.given, self.read = table, column, given, read
        self._problems = problems

    def check(self, refused: list[int]) -> None:
        """Check all cells but those that are `refused` already, which are null."""
        column = self.column
        if self.read.null_count > self.given.null_count:
            self._check_readable()
        if column.type in ("float", "integer"):
            self._check_numbers()
        elif column.choices:
            self._check_choices()
        if column.default is REQUIRED and self.given.null_count:
            missing = np.setdiff1d(true_rows(pc.is_null(self.given)), refused)
            self._report(missing, "is empty", f"Write {column.allowed}: {column.doc}.")
        elif column.default not in (REQUIRED, None) and self.read.null_count:
            self.read = self.read.fill_null(column.default)

    def _report(self, rows: NDArray[np.intp], message: str, remedy: str) -> None:
        place = (self._problems, self.table, self.column.name)
        report_rows(*place, rows, lambda row: self.given[row].as_py(), message=message, remedy=remedy)

    def _refuse(self, mask: pa.ChunkedArray, message: str, remedy: str) -> None:
        rows = true_rows(mask)
        if len(rows):
            self._report(rows, message, remedy)
            self.read = pc.if_else(mask, pa.scalar(None, self.read.type), self.read)

    def _check_readable(self) -> None:
        unread = pc.and_(pc.is_null(self.read), pc.is_valid(self.given))
        spelt = ", with a point and without separators, as 1234.5" if self.column.type == "float" else ""
        self._refuse(unread, f"is not {self.column.noun}", f"Write {self.column.allowed}{spelt}.")

    def _check_numbers(self) -> None:
        column, remedy = self.column, f"Write {self.column.allowed}."
        if pa.types.is_floating(self.read.type):
            self._refuse(pc.invert(pc.is_finite(self.read)), "is not a finite number", remedy)
            if column.type == "integer":
                self._refuse(pc.greater(pc.abs(self.read), _EXACT), "is too large", remedy)
                self._refuse(pc.not_equal(pc.trunc(self.read), self.read), "is not a whole number", remedy)
                self.read = self.read.cast(pa.int64())
        if column.minimum is not None:
            below = pc.less_equal if column.above else pc.less
            self._refuse(below(self.read, column.minimum), "is too small", remedy)
        if column.maximum is not None:
            self._refuse(pc.greater(self.read, column.maximum), "is too large", remedy)

    def _check_choices(self) -> None:
        other = pc.and_(pc.is_valid(self.read), pc.invert(is_one_of(self.read, self.column.choices)))
        self._refuse(other, "is not known", f"Write {self.column.allowed}.")


def _decoded(given: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the same cells without encodings (dictionary, runs, views), and null for an empty text."""
    kind = given.type
    if pa.types.is_dictionary(kind):
        return _decoded(given.cast(kind.value_type))
    if pa.types.is_run_end_encoded(kind):
        decoded = [pc.run_end_decode(chunk) for chunk in given.chunks]
        return _decoded(pa.chunked_array(decoded, kind.value_type))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        given = given.cast(pa.string())
    if pa.types.is_string(given.type):
        empty = pc.equal(pc.binary_length(given), 0)
        if pc.any(empty).as_py():
            return pc.if_else(empty, pa.scalar(None, pa.string()), given)
    return given


def _read_text(given: pa.ChunkedArray) -> pa.ChunkedArray | None:
    return given if pa.types.is_string(given.type) else None


def _read_float(given: pa.ChunkedArray) -> pa.ChunkedArray | None:
    kind = given.type
    if pa.types.is_float64(kind):
        return given
    if pa.types.is_string(kind):
        return _parsed(given)
    if pa.types.is_decimal(kind):  # by way of text: the nearest double, whatever the precision
        return given.cast(pa.string()).cast(pa.float64())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return given.cast(pa.float64(), safe=False)  # to the nearest double, as a number in a text is read
    return None


def _read_integer(given: pa.ChunkedArray) -> pa.ChunkedArray | None:
    if pa.types.is_integer(given.type) and not pa.types.is_uint64(given.type):
        return given.cast(pa.int64())
    return _read_float(given)


def _read_boolean(given: pa.ChunkedArray) -> pa.ChunkedArray | None:
    kind = given.type
    if pa.types.is_boolean(kind):
        return given
    if pa.types.is_string(kind):
        word = pc.utf8_lower(pc.utf8_trim_whitespace(given))
        yes, no = is_one_of(word, _TRUE), is_one_of(word, _FALSE)
    elif (number := _read_float(given)) is not None:
        yes, no = pc.equal(number, 1.0), pc.equal(number, 0.0)
    else:
        return None
    return pc.if_else(pc.or_(yes, no), yes, pa.scalar(None, pa.bool_()))


_READERS: Final[dict[Type, Callable[[pa.ChunkedArray], pa.ChunkedArray | None]]] = {
    "string": _read_text,
    "float": _read_float,
    "integer": _read_integer,
    "boolean": _read_boolean,
}


def _parsed(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers written as text; null where there is none. Infinities and NaN are read as such."""
    try:
        return text.cast(pa.float64())
    except pa.ArrowInvalid:  # some cell is no number, or has spaces around it
        trimmed = pc.utf8_trim_whitespace(text)
        number = pc.or_(
            pc.match_substring_regex(trimmed, _NUMBER),
            pc.match_substring_regex(trimmed, _NOT_FINITE, ignore_case=True),
        )
        return pc.if_else(number, trimmed, pa.scalar(None, pa.string())).cast(pa.float64())


class _NoCommonTypeError(Exception):
    """Values that together have no Arrow type."""


def _arrow_column(values: Any) -> pa.ChunkedArray:
    """Make a column of an Arrow, pandas or NumPy array, or of a sequence of Python objects."""
    if isinstance(values, pa.ChunkedArray):
        return values
    if isinstance(values, str | bytes | Mapping | Set):
        raise TypeError(f"a `{type(values).__name__}` has no rows")
    if np.ma.is_masked(values):  # Arrow takes what is masked for empty, and so for the default
        raise ValueError("some of its values are masked")
    pandas = type(values).__module__.partition(".")[0] == "pandas"
    if hasattr(values, "__arrow_c_stream__") and not pandas:
        return pa.chunked_array(values)
    try:
        array = pa.array(values, from_pandas=pandas)  # in pandas alone NaN stands for null
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise _NoCommonTypeError from error
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _column_of_objects(
    table: str, column: Column, values: Any, problems: list[Problem]
) -> tuple[pa.ChunkedArray, list[int]]:
    """Take values one by one: those that are not of the column's type are reported, and become null."""
    if hasattr(values, "notna"):
        values = values.astype(object).where(values.notna(), None)
    cells: list[object] = []
    faulty: dict[int, object] = {}
    for row, value in enumerate(values):
        cell = None if value is None else _as_cell(column.type, value)
        if cell is None and value is not None:
            faulty[row] = value
        cells.append(cell)
    place = (problems, table, column.name, list(faulty), faulty.__getitem__)
    remedy = f"Write {column.allowed}, or None for no value."
    report_rows(*place, message=f"is not {column.noun}", remedy=remedy)
    kind = ARROW_TYPES["float" if column.type == "integer" else column.type]
    return pa.chunked_array([cells], kind), list(faulty)


def _as_cell(kind: Type, value: object) -> object | None:
    """Return the value as a cell of that type; None where it is none."""
    if not isinstance(value, _PYTHON_TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return None
    try:
        if kind == "string":
            str(value).encode()
            return value
        return bool(value) if kind == "boolean" else float(value)  # type: ignore[arg-type]
    except (OverflowError, TypeError, UnicodeEncodeError):  # TypeError: a timedelta64 is Real
        return None
