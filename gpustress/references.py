"""References: that whatever a row names is there, and that drivers form no circle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .cells import Blame, is_one_of
from .errors import Problem, nearest, report_rows
from .names import Tables, generated_flows
from .schema import DEPRECIATION, IMPAIRMENT, KIND_PREFIX, OUTSIDE, RANK_OF_KIND, SCHEMAS, Column

if TYPE_CHECKING:
    from numpy.typing import NDArray

Known = Mapping[str, pa.Array]  # all names, by what Column.refers calls them

_BOOK_LINES: Final = (DEPRECIATION, IMPAIRMENT)
_CANDIDATES: Final = 5_000  # names among which the nearest is looked for
_LISTED_FLOWS: Final = 8  # of a circle
_UNKNOWN: Final = {
    "entity": "names no entity",
    "factor": "names no factor",
    "flow": "names no flow",
    "own flow": "names no flow of the flows table",
    "entity or own flow": "names neither an entity nor a flow of the flows table",
    "line": "names no flow, kind or book",
}


def known_names(tables: Tables) -> dict[str, pa.Array]:
    """Collect what can be named, by the words of Column.refers, as far as the tables can be read."""
    known = {}
    for table, called in (
        ("entities", "entity"),
        ("factors", "factor"),
        ("flows", "own flow"),
        ("loans", "loan"),
    ):
        names = tables[table]["name"] if table in tables else None
        if names is not None and (len(names) == 0 or names.null_count < len(names)):
            known[called] = _together(names)
    if "own flow" in known and "entity" in known:
        known["entity or own flow"] = _together(known["entity"], known["own flow"])
    if "own flow" in known and "loan" in known:
        known["flow"] = _together(
            known["own flow"], *(flows.column for flows in generated_flows(tables["loans"]))
        )
        known["line"] = _together(known["flow"], *_other_lines(tables["flows"]))
    return known


def _together(*columns: pa.Array | pa.ChunkedArray) -> pa.Array:
    chunks = [chunk for column in columns for chunk in getattr(column, "chunks", [column])]
    return pa.concat_arrays([pa.array([], pa.string()), *chunks])


def _other_lines(flows: pa.Table) -> list[pa.Array | pa.ChunkedArray]:
    """List what a measure sums besides flows: kinds, and the lines that capex flows give besides cash."""
    capex = flows["name"].filter(pc.equal(flows["kind"], "capex"))
    kinds = pa.array([f"{KIND_PREFIX}{kind}" for kind in RANK_OF_KIND])
    return [kinds, *(pc.binary_join_element_wise(capex, line, ":") for line in _BOOK_LINES)]


def check_references(table: str, rows: pa.Table, known: Known, problems: list[Problem]) -> None:
    """Add a problem for each cell of a table that names nothing; what `known` leaves out is not checked."""
    for column in SCHEMAS[table].columns:
        if column.refers in known:
            _check_column(table, rows, column, known, problems)


def _check_column(table: str, rows: pa.Table, column: Column, known: Known, problems: list[Problem]) -> None:
    values = rows[column.name]
    unknown = pc.and_(pc.is_valid(values), pc.invert(is_one_of(values, known[column.refers])))

    def remedy(row: int) -> str:
        return _remedy(column, str(values[row].as_py()), known)

    Blame(problems, table, rows)(column.name, unknown, _UNKNOWN[column.refers], remedy)


def _remedy(column: Column, name: str, known: Known) -> str:
    if name == OUTSIDE and column.shown_default == OUTSIDE:
        return f"Leave the cell empty: that means {OUTSIDE}."
    if name == OUTSIDE and column.refers == "entity":
        return f"Name an entity: {OUTSIDE} is none, and never fails."
    if column.refers == "line" and ":" in name:
        return _line_remedy(name, known)
    if column.refers.endswith("own flow") and "flow" in known and _has(known["flow"], name):
        return "Name a flow of the flows table: this is one that a loan gives."
    return nearest_known(name, known[column.refers])


def _line_remedy(line: str, known: Known) -> str:
    """Say what to write instead of a measure's line with a colon."""
    name, _, last = line.partition(":")
    if name == KIND_PREFIX.rstrip(":"):
        return nearest(last, tuple(RANK_OF_KIND))
    if last not in _BOOK_LINES:
        return f"The lines of a capex flow are {' and '.join(f'`{name}:{word}`' for word in _BOOK_LINES)}."
    if _has(known["flow"], name):
        return f"`{name}` gives no such line: only a capex flow does."
    return nearest_known(name, known["own flow"])


def _has(known: pa.Array, name: str) -> bool:
    return bool(pc.any(pc.equal(known, name)).as_py())


def nearest_known(name: str, known: pa.Array) -> str:
    """`errors.nearest` among an Arrow array of names."""
    return nearest(name, known[:_CANDIDATES].drop_null().to_pylist())


def check_named(
    table: str, rows: pa.Table, column: str, names: pa.ChunkedArray, called: str, problems: list[Problem]
) -> None:
    """Add a problem for each row whose `column` is none of the names; those that cannot be read are blamed already."""
    if len(names) > 0 and names.null_count == len(names):
        return
    known = names.combine_chunks().drop_null()
    unknown = pc.and_(pc.is_valid(rows[column]), pc.invert(is_one_of(rows[column], known)))
    message = f"names no {called}"
    Blame(problems, table, rows)(
        column, unknown, message, lambda row: nearest_known(str(rows[column][row].as_py()), known)
    )


def check_drivers(flows: pa.Table, problems: list[Problem]) -> None:
    """Add a problem for each circle of drivers, at the first of its flows."""
    names = flows["name"].combine_chunks()
    found = pc.index_in(flows["driver"].drop_null(), value_set=names).cast(pa.int64())
    driver = np.full(len(names), -1)
    driver[flows["driver"].is_valid().to_numpy()] = pc.fill_null(found, -1).to_numpy()
    circles = {circle[0]: circle for circle in _circles(driver)}

    def message(row: int) -> str:
        listed = [str(names[flow].as_py()) for flow in circles[row][:_LISTED_FLOWS]]
        listed.append(listed[0] if len(listed) == len(circles[row]) else "...")
        return f"the drivers form a circle: {' -> '.join(listed)}"

    def value(row: int) -> object:
        return flows["driver"][row].as_py()

    remedy = "Give one of these flows an amount of its own instead of a driver."
    report_rows(problems, "flows", "driver", list(circles), value, message=message, remedy=remedy)


def _circles(driver: NDArray[np.int64]) -> list[list[int]]:
    """Find the circles of a graph in which each node leads to `driver[node]`, or nowhere (-1)."""
    nowhere = len(driver)
    ahead = np.append(np.where(driver < 0, nowhere, driver), nowhere)
    step = ahead
    for _ in range(len(driver).bit_length()):  # 1, 2, 4, ... steps ahead: what is left has gone round
        step = step[step]
    on_circle = np.unique(step[step < nowhere])
    circles, seen = [], set()
    for start in on_circle.tolist():
        if start in seen:
            continue
        circle, node = [start], int(ahead[start])
        while node != start:
            circle.append(node)
            node = int(ahead[node])
        seen.update(circle)
        circles.append(circle)
    return circles
