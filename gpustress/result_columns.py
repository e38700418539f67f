"""What a column and a table of results are; the tables themselves are in `result_schema` and the packages' `schema`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

Type = Literal["string", "category", "float", "int64", "int32", "int16", "boolean"]

_ARROW: Final[dict[Type, pa.DataType]] = {
    "string": pa.string(),
    "category": pa.dictionary(pa.int32(), pa.string()),
    "float": pa.float64(),
    "int64": pa.int64(),
    "int32": pa.int32(),
    "int16": pa.int16(),
    "boolean": pa.bool_(),
}


@dataclass(frozen=True)
class ResultColumn:
    """One column of a table of results; `category` is a string, dictionary encoded."""

    name: str
    type: Type
    doc: str


@dataclass(frozen=True)
class ResultSchema:
    """One table of results.

    Attributes
    ----------
    name : str
        Also the name of its file, where it is stored.
    doc : str
        What a row is, and in which order rows come.
    columns : tuple of ResultColumn
    coordinates : bool
        Whether a grid's coordinates follow as further columns.
    """

    name: str
    doc: str
    columns: tuple[ResultColumn, ...]
    coordinates: bool = True

    def arrow(self, coordinates: Iterable[str] = ()) -> pa.Schema:
        """The Arrow schema, with a float column for each of the `coordinates`."""
        fields = [pa.field(column.name, _ARROW[column.type]) for column in self.columns]
        if self.coordinates:
            fields += [pa.field(address, pa.float64()) for address in coordinates]
        return pa.schema(fields)
