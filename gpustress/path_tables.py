"""Tables of a row a path and more, written piece by piece: entities, measures and series of a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .estimates import FIGURES
from .result_schema import RESULT_SCHEMAS
from .schema import CAUSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .result import Result

ROW_GROUP: Final = 1 << 18  # rows; a few megabytes are between the arrays and the file at a time

# Random doubles compress better byte by byte, a path's number as differences; the rest as dictionaries.
_ENCODINGS: Final = {"float": "BYTE_STREAM_SPLIT", "int64": "DELTA_BINARY_PACKED"}

Piece = Mapping[str, pa.Array]


def entity_rows(run: Result, first_path: int = 0) -> Iterator[Piece]:
    """Rows of the table `entities`, the result's first path having the number `first_path`."""
    causes = _categories(CAUSES)
    names, entities = _categories(run.scenarios), _categories(run.entities)
    flat = {
        name: getattr(run, name).reshape(-1)
        for name in ("failed_at", "cause", "lowest_liquidity", "final_cash")
    }
    for rows in _pieces(len(flat["cause"])):
        path, entity = np.divmod(np.arange(rows.start, rows.stop, dtype=np.int64), len(run.entities))
        scenario, path = np.divmod(path, run.paths)
        yield {
            "scenario": names(scenario),
            "path": pa.array(path + first_path),
            "entity": entities(entity),
            "failed_at": pa.array(flat["failed_at"][rows]),
            "cause": causes(flat["cause"][rows]),
            "lowest_liquidity": pa.array(flat["lowest_liquidity"][rows]),
            "final_cash": pa.array(flat["final_cash"][rows]),
        }


def measure_rows(run: Result, first_path: int = 0) -> Iterator[Piece]:
    """Rows of the table `measures`."""
    names, measures = _categories(run.scenarios), _categories(tuple(run.measures))
    for place, result in enumerate(run.measures.values()):
        flat = {figure: getattr(result, figure).reshape(-1) for figure in FIGURES}
        for rows in _pieces(len(flat["total"])):
            scenario, path = np.divmod(np.arange(rows.start, rows.stop, dtype=np.int64), run.paths)
            figures = {figure: pa.array(flat[figure][rows]) for figure in FIGURES}
            measure = measures(np.full(len(path), place))
            path = pa.array(path + first_path)
            yield {"measure": measure, "scenario": names(scenario), "path": path, **figures}


def series_rows(run: Result, first_path: int = 0) -> Iterator[Piece]:
    """Rows of the table `series`."""
    names, series = _categories(run.scenarios), _categories(tuple(run.series))
    for place, values in enumerate(run.series.values()):
        flat = values.reshape(-1)
        for rows in _pieces(len(flat)):
            path, period = np.divmod(np.arange(rows.start, rows.stop, dtype=np.int64), run.periods)
            scenario, path = np.divmod(path, run.paths)
            yield {
                "series": series(np.full(len(path), place)),
                "scenario": names(scenario),
                "path": pa.array(path + first_path),
                "period": pa.array(period.astype(np.int16)),
                "value": pa.array(flat[rows]),
            }


def weight_rows(run: Result, first_path: int = 0) -> Iterator[Piece]:
    """Rows of the table `weights`; there are none where all paths weigh the same."""
    if run.weights is None:
        return
    names, flat = _categories(run.scenarios), run.weights.reshape(-1)
    for rows in _pieces(len(flat)):
        scenario, path = np.divmod(np.arange(rows.start, rows.stop, dtype=np.int64), run.paths)
        yield {
            "scenario": names(scenario),
            "path": pa.array(path + first_path),
            "weight": pa.array(flat[rows]),
        }


ROWS: Final[dict[str, Callable[[Result, int], Iterator[Piece]]]] = {
    "entities": entity_rows,
    "measures": measure_rows,
    "series": series_rows,
    "weights": weight_rows,
}


class PathTable:
    """One Parquet file of a table in ROWS; each piece becomes a row group."""

    def __init__(self, file: Path, name: str):
        columns = RESULT_SCHEMAS[name].columns
        encodings = {column.name: _ENCODINGS[column.type] for column in columns if column.type in _ENCODINGS}
        self._rows = ROWS[name]
        self._schema = RESULT_SCHEMAS[name].arrow()
        self._writer = pq.ParquetWriter(
            file,
            self._schema,
            compression="zstd",
            use_dictionary=[column.name for column in columns if column.name not in encodings],
            column_encoding=encodings,
        )

    def add(self, run: Result, first_path: int = 0) -> None:
        """Append the rows of a result, or of a part of one whose first path has this number."""
        for piece in self._rows(run, first_path):
            columns = [piece[field.name] for field in self._schema]
            table = pa.Table.from_arrays(columns, schema=self._schema)
            self._writer.write_table(table, row_group_size=ROW_GROUP)

    def __enter__(self) -> Self:
        """Return the table; it is ended when the block is left."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the file."""
        self._writer.close()


def _pieces(rows: int) -> Iterator[slice]:
    for start in range(0, rows, ROW_GROUP):
        yield slice(start, min(start + ROW_GROUP, rows))


def _categories(names: Sequence[str]) -> Callable[[NDArray[Any]], pa.DictionaryArray]:
    """A function that turns places in `names` into a dictionary-encoded column."""
    dictionary = pa.array(list(names), pa.string())
    return lambda places: pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), dictionary)
