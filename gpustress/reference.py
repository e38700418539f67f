"""The reference page of the input tables, made from their schemas: `python -m gpustress.reference`."""

from __future__ import annotations

import sys

from .cells import ARROW_TYPES
from .networks.common_assets_schema import COMMON_ASSETS_SCHEMAS
from .networks.reconstruction_schema import RECONSTRUCTION_SCHEMAS
from .networks.schema import NETWORK_SCHEMAS
from .networks.shocks import SHOCKS
from .schema import REQUIRED, SCHEMAS, SETTINGS, Column, Schema

_HEAD = """\
# Input tables

This page is made from the schemas in `gpustress/schema.py`, which also check every input:
`python -m gpustress.reference > docs/tables.md` writes it anew.

A system is a folder: the file `system.toml`, and one file a table, `NAME.csv`, `NAME.parquet` or
`NAME.arrow`, with the columns below. In Python it is `System(entities=..., flows=..., ...)` from anything
that speaks Arrow (pyarrow, polars, duckdb), a pandas DataFrame, or a mapping of columns to values.

- Only `entities` and `flows` are required. A column with a default may be left out; so may a cell.
- An empty cell is a null: it takes the default. CSV files are UTF-8, their cells separated by commas; a text
  that holds a comma, a quote or a line break stands in double quotes. Numbers are written as `1234.5` or
  `1.2e9`, booleans as `true` or `false` (`1` and `0` do as well).
- Numbers are finite. Amounts are in the system's currency, rates are a year, periods count from 0.
- Names are unique over entities, flows and loans together, the flows that loans give included. They are not
  `outside`, and hold no colon and no control character. `outside` stands for everybody else; an empty payer,
  receiver or lender means it.
- Every table may have a column `source`, which says where the row's figures come from.
- Files of other kinds (notes, scripts, folders) may lie in the folder. A table or column that is not listed
  here is an error.
"""


_NETWORKS = """\
# Tables of a network

`Network(edges, nodes)` takes them in every form that a system's tables may have; see [networks.md](networks.md).
`read_network(folder)` and `gpustress network` read them from a folder, a file each; other tables in it can be `shocks`,
`totals` and `forbidden`.
"""

_TOTALS = """\
# Tables of totals

`reconstruct(totals, forbidden=)` takes them.
"""

_COMMON_ASSETS = """\
# Tables of common assets

`fire_sales(holdings, holders, assets, shocks)` takes them.
"""


def input_tables_markdown() -> str:
    """Return the reference page of `system.toml` and of every input table, as Markdown."""
    sections = [_HEAD, *(_section(schema) for schema in (SETTINGS, *SCHEMAS.values()))]
    sections += [_NETWORKS, *(_section(schema) for schema in (*NETWORK_SCHEMAS.values(), SHOCKS))]
    sections += [_TOTALS, *(_section(schema) for schema in RECONSTRUCTION_SCHEMAS)]
    sections += [_COMMON_ASSETS, *(_section(schema) for schema in COMMON_ASSETS_SCHEMAS)]
    return "\n".join(sections)


def _section(schema: Schema) -> str:
    kind = "key" if schema is SETTINGS else "column"
    lines = [f"## {schema.name}", "", schema.doc + (" Required." if schema.required else "")]
    if len(schema.key) > 1:
        lines[-1] += f" One row for each {' and '.join(schema.key)}."
    lines += ["", f"| {kind} | type | default | takes | meaning |", "|---|---|---|---|---|"]
    for column in schema.columns:
        cells = (f"`{column.name}`", _type(column), _default(column), _takes(column), column.doc)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _type(column: Column) -> str:
    return "pair of double" if column.type == "pair" else str(ARROW_TYPES.get(column.type, column.type))


def _default(column: Column) -> str:
    if column.default is REQUIRED:
        return "required"
    if column.shown_default:
        return column.shown_default
    if column.default is None:
        return "null"
    if isinstance(column.default, bool):
        return str(column.default).lower()
    if isinstance(column.default, float):
        return f"{column.default:g}"
    return str(list(column.default)) if isinstance(column.default, tuple) else str(column.default) or "empty"


def _takes(column: Column) -> str:
    """Return what the column takes beyond what its type says."""
    if column.in_horizon:
        return "0 to periods - 1"
    if column.choices:
        return ", ".join(column.choices)
    if column.type == "pair":
        return column.allowed
    bounds = column.allowed.removeprefix(column.noun)
    return bounds.strip().removeprefix("of ").removeprefix("from ")


if __name__ == "__main__":
    sys.stdout.write(input_tables_markdown())
