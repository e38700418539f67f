"""Tables in files: CSV, Parquet and Arrow; and which file of a folder holds which table."""

from __future__ import annotations

import codecs
import csv
import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from .errors import LISTED_ROWS, Problem, nearest, shown
from .schema import REQUIRED, SCHEMAS, Schema
from .settings import SETTINGS_FILE
from .tables import conform

if TYPE_CHECKING:
    from pyarrow.csv import InvalidRow

_BLOCK_BYTES: Final = 1 << 24  # what the CSV reader takes at a time, and so the longest row
_BATCH_ROWS: Final = 1 << 16  # written to CSV at a time
_QUOTED: Final = '[",\r\n]'  # a text with one of these is quoted in CSV


def find_files(
    folder: Path, problems: list[Problem], known: Mapping[str, Schema] = SCHEMAS
) -> dict[str, Path | None]:
    """Find the files of a system in its folder, or of whatever has the tables that are `known`.

    Parameters
    ----------
    folder : Path
    problems : list of Problem
        Grows by a table that is unknown, or there twice, or whose file lies elsewhere.
    known : mapping of str to Schema

    Returns
    -------
    dict of str to (Path or None)
        By table, and by "system.toml" for the settings; None for one that may not be read. Other files,
        hidden ones and folders are left alone.
    """
    files: dict[str, Path | None] = {}
    home = Path(os.path.realpath(folder))
    for path in sorted(folder.iterdir()):
        table = path.name if path.name == SETTINGS_FILE else path.stem
        if table != SETTINGS_FILE and (path.suffix.lower() not in FORMATS or path.name.startswith(".")):
            continue
        if table != SETTINGS_FILE and table not in known:
            fault, remedy = "holds no table that is known", nearest(table, tuple(known))
        elif not Path(os.path.realpath(path)).is_relative_to(home):
            fault, remedy = "leads out of the folder", "Put the file itself there."
            files.setdefault(table, None)
        elif not os.path.isfile(path):
            fault, remedy = "is no file", "Put a file there, or take it out."
            files.setdefault(table, None)
        elif (other := files.get(table)) is not None:
            fault, remedy = f"holds the same table as `{other.name}`", "Keep one of the two."
        else:
            files[table] = path
            continue
        problems.append(Problem(path.name, None, None, "", fault, remedy))
    return files


def is_system_file(path: Path) -> bool:
    """Whether an entry of a folder is the settings or a table of a system, itself a file, beside settings."""
    named = path.name == SETTINGS_FILE or (path.stem in SCHEMAS and path.suffix in FORMATS)
    return named and path.is_file() and not path.is_symlink() and (path.parent / SETTINGS_FILE).is_file()


def read_table(path: Path, table_schema: str | Schema, problems: list[Problem]) -> pa.Table | None:
    """Read a table from a file, by its extension, and conform it to its schema.

    Parameters
    ----------
    path : Path
    table_schema : str or Schema
        A table of SCHEMAS by its name, or a schema of one's own.
    problems : list of Problem
        Grows by what is wrong with the file, or with a cell in it.

    Returns
    -------
    pyarrow.Table or None
        None where the file can't be read.
    """
    read, _ = FORMATS[path.suffix.lower()]
    schema = SCHEMAS[table_schema] if isinstance(table_schema, str) else table_schema
    try:
        if path.stat().st_size == 0:
            columns = ",".join(column.name for column in schema.columns if column.default is REQUIRED)
            raise _UnreadableError("is empty", f"Write the table, or at least its columns: {columns}.")
        table = read(path, problems)
    except _UnreadableError as error:
        problems.append(Problem(path.name, None, None, "", error.message, error.remedy))
        return None
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        if getattr(error, "errno", None) in (errno.EACCES, errno.EPERM):
            remedy = "Make it readable."
            problems.append(Problem(path.name, None, None, "", "may not be read: permission denied", remedy))
            return None
        what, why = path.suffix.removeprefix(".").lower(), str(error).partition("\n")[0].rstrip(".")
        remedy = "The file is cut off or damaged: write it anew."
        problems.append(Problem(path.name, None, None, "", f"can't be read as {what}: {why}", remedy))
        return None
    return None if table is None else conform(schema, table, problems)


class _UnreadableError(Exception):
    """A file that holds no table; what is wrong with it, and the remedy."""

    def __init__(self, message: str, remedy: str):
        super().__init__(message)
        self.message, self.remedy = message, remedy


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table to a file, by its extension; it reads back equal, to the bit."""
    _, write = FORMATS[path.suffix]
    write(table, path)


def _read_csv(path: Path, problems: list[Problem]) -> pa.Table | None:
    """All cells as text, null where a cell is empty; columns are named by the first row."""
    from pyarrow import csv as arrow_csv

    ragged: list[InvalidRow] = []

    def skip(row: InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    if (line := _line_not_utf8(path)) is not None:
        raise _UnreadableError(f"is not UTF-8 in line {line}", "Save it as UTF-8.")
    with path.open(encoding="utf-8-sig", newline="") as lines:
        header = next((row for row in csv.reader(lines) if row), [])
    if not header:
        raise _UnreadableError("is empty", "Write the names of the columns first.")
    if len(header) == 1 and (separator := re.search("[;\t|]", header[0])):
        raise _UnreadableError(f"separates its cells by {separator[0]!r}", "Separate them by commas.")
    places = [str(place) for place in range(len(header))]
    table = arrow_csv.read_csv(
        path,
        arrow_csv.ReadOptions(column_names=places, use_threads=False, block_size=_BLOCK_BYTES),
        arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(places, pa.string()), null_values=[""], strings_can_be_null=True
        ),
    )
    if ragged:
        _report_ragged(path, ragged, problems)
        return None
    if sum(block.count(b'"') for block in _blocks(path)) % 2:  # what follows it was taken for one cell
        message = "has a double quote that is never closed"
        raise _UnreadableError(message, "Close it; inside of a quoted text write a quote twice.")
    return table.slice(1).rename_columns(header)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _line_not_utf8(path: Path) -> int | None:
    """Find the first line, from 1, that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    try:
        for block in _blocks(path):
            decoder.decode(block)
            line += block.count(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return line + error.object.count(b"\n", 0, error.start)
    return None


def _report_ragged(path: Path, ragged: Sequence[InvalidRow], problems: list[Problem]) -> None:
    remedy = "Write one cell for each column, and put a text with a comma in double quotes."
    for row in ragged[:LISTED_ROWS]:
        message = f"has {row.actual_columns} cells where the first line names {row.expected_columns} columns"
        data_row = row.number - 2  # the reader counts from 1, and counts the header
        problems.append(Problem(path.name, data_row, None, shown(row.text), message, remedy))
    if (more := len(ragged) - LISTED_ROWS) > 0:
        problems.append(
            Problem(path.name, None, None, "", f"{more} more rows have cells too few or too many", remedy)
        )


def _write_csv(table: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as lines:
        lines.write(",".join(table.column_names) + "\n")
        for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
            rows = pc.binary_join_element_wise(*(_csv_cells(column) for column in batch.columns), ",")
            lines.writelines(f"{row}\n" for row in rows.to_pylist())


def _csv_cells(column: pa.Array) -> pa.Array:
    """Write cells as they stand in a CSV file: numbers in the fewest digits that read back equal."""
    cells = column.cast(pa.string())
    if pa.types.is_string(column.type):
        quoted = pc.binary_join_element_wise('"', pc.replace_substring(cells, '"', '""'), '"', "")
        cells = pc.if_else(pc.match_substring_regex(cells, _QUOTED), quoted, cells)
    return pc.fill_null(cells, "")


def read_parquet(path: Path) -> pa.Table:
    """Read a Parquet file that is closed on return; pyarrow's own `read_table` may close it a moment later."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        return file.read()


def _read_parquet(path: Path, _: list[Problem]) -> pa.Table:
    return _sound(read_parquet(path))


def _write_parquet(table: pa.Table, path: Path) -> None:
    from pyarrow import parquet

    parquet.write_table(table, path, compression="zstd")


def _read_arrow(path: Path, _: list[Problem]) -> pa.Table:
    with pa.OSFile(
        str(path), "rb"
    ) as file:  # no memory map: a file that is cut while mapped ends the process
        return _sound(pa.ipc.open_file(file).read_all())


def _sound(table: pa.Table) -> pa.Table:
    """Return the table, once its offsets, texts and names are known to be whole."""
    table.validate(full=True)
    _ = table.column_names
    return table


def _write_arrow(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


_Reader = Callable[[Path, list[Problem]], pa.Table | None]
_Writer = Callable[[pa.Table, Path], None]

FORMATS: Final[dict[str, tuple[_Reader, _Writer]]] = {
    ".csv": (_read_csv, _write_csv),
    ".parquet": (_read_parquet, _write_parquet),
    ".arrow": (_read_arrow, _write_arrow),
}
