"""Networks in folders: one file a table, in the formats that a system's tables may have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import InputError, Problem, bad_argument
from ..files import FORMATS, find_files, read_table, write_table
from ..folders import folder_at
from ..schema import REQUIRED, Schema
from .network import Network
from .reconstruction_schema import FORBIDDEN, TOTALS
from .schema import EDGES, NODES
from .shocks import SHOCKS

if TYPE_CHECKING:
    import pyarrow as pa

TABLES: Final[dict[str, Schema]] = {
    schema.name: schema for schema in (EDGES, NODES, SHOCKS, TOTALS, FORBIDDEN)
}


def read_network(folder: str | os.PathLike[str]) -> Network:
    """Read a network from its folder: a file for each of ``edges`` and ``nodes`` (.csv, .parquet or .arrow).

    The folder may hold the tables ``shocks``, ``totals`` and ``forbidden`` besides.

    Raises
    ------
    InputError
        With every problem of the folder, of the files and of what they hold.
    """
    problems: list[Problem] = []
    tables = read_tables(folder, (EDGES, NODES), problems)
    if problems:
        raise InputError(problems)
    return Network(tables[EDGES.name], tables[NODES.name])


def read_tables(
    folder: str | os.PathLike[str], schemas: tuple[Schema, ...], problems: list[Problem]
) -> dict[str, pa.Table | None]:
    """Read these tables of a network's folder; None for one that is not there or can't be read.

    Parameters
    ----------
    folder : path
    schemas : tuple of Schema
        Of TABLES.
    problems : list of Problem
        Grows by every problem of the folder and of these files, and by required tables that are missing.
    """
    try:
        path = folder_at(folder, "Name a folder that holds the tables.")
    except InputError as error:
        problems.extend(error.problems)
        return dict.fromkeys(schema.name for schema in schemas)
    files = find_files(path, problems, TABLES)
    tables = {}
    for schema in schemas:
        file = files.get(schema.name)
        tables[schema.name] = None if file is None else read_table(file, schema, problems)
        if schema.required and schema.name not in files:
            columns = ",".join(column.name for column in schema.columns if column.default is REQUIRED)
            remedy = f"Write {schema.name}.csv, .parquet or .arrow, with the columns {columns}."
            problems.append(Problem(schema.name, None, None, "", "the table is missing", remedy))
    return tables


def read_file(file: str, schema: Schema, argument: str, problems: list[Problem]) -> pa.Table | None:
    """Read a table from a file that an argument names; None where it can't be read."""
    path = Path(file)
    if not os.path.isfile(file) or path.suffix.lower() not in FORMATS:
        remedy = f"Name a file: {', '.join(FORMATS)}."
        problems.extend(bad_argument(argument, file, "is no file of a table", remedy).problems)
        return None
    return read_table(path, schema, problems)


def write_network(net: Network, folder: Path) -> None:
    """Write edges and nodes as Parquet into a folder that is there; `read_network` makes an equal network of it."""
    for name, table in tables_of(net).items():
        write_table(table, folder / f"{name}.parquet")


def tables_of(net: Network) -> dict[str, pa.Table]:
    """The tables ``edges`` and ``nodes`` of a network."""
    import pyarrow as pa

    names = pa.array(net.names, pa.string())
    edges = {
        "debtor": names.take(net.debtor),
        "creditor": names.take(net.creditor),
        "amount": net.amount,
        "rank": net.rank,
    }
    nodes = {
        "name": names,
        **{
            name: getattr(net, name)
            for name in ("external_assets", "external_liabilities", "equity", "external_rank")
        },
    }
    return {EDGES.name: pa.table(edges), NODES.name: pa.table(nodes)}
