"""Names and keys: that nothing has the name of something else, and that no row stands twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .cells import Blame
from .errors import Problem, report_rows, row_number
from .loans import generated_flow_names
from .schema import OUTSIDE, SCHEMAS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Tables = Mapping[str, pa.Table]

ONE_SPACE: Final = ("entities", "flows", "loans")  # tables that share one space of names
_FORBIDDEN: Final = r"[:\p{Cc}]|^\s+$"
# A loan's flows are its name and these endings; only a loan that is drawn has the last.
_ENDINGS: Final = generated_flow_names("", True)
_DRAW_ENDINGS: Final = tuple(ending for ending in _ENDINGS if ending not in generated_flow_names("", False))


@dataclass(frozen=True)
class Names:
    """Names that a table gives: its own column, or the flows of its loans, which end in `ending`."""

    table: str
    column: pa.ChunkedArray
    ending: str = ""

    def given(self, row: int) -> str:
        """Return the name as it stands in the table."""
        return str(self.column[row].as_py()).removesuffix(self.ending)


def generated_flows(loans: pa.Table) -> list[Names]:
    """Name the flows that loans give, a column for each ending; null where a loan has none."""
    drawn = pc.is_valid(loans["draw"])
    flows = []
    for ending in _ENDINGS:
        names = pc.binary_join_element_wise(loans["name"], ending, "")
        if ending in _DRAW_ENDINGS:
            names = pc.if_else(drawn, names, pa.scalar(None, pa.string()))
        flows.append(Names("loans", names, ending))
    return flows


def check_names(tables: Tables, problems: list[Problem]) -> None:
    """Check that names can be told apart, and that no key of a table stands twice.

    Entities, flows and loans share one space of names, in which the flows that loans give count too.
    """
    for table, rows in tables.items():
        schema = SCHEMAS[table]
        if any(column.identifier for column in schema.columns):
            forbidden = pc.match_substring_regex(rows["name"], _FORBIDDEN)
            message = "is blank, or holds a colon or a control character"
            Blame(problems, table, rows)("name", forbidden, message, "Write a name without them.")
        if schema.key and table not in ONE_SPACE:
            check_key(table, rows, schema.key, problems)
    shared = [Names(table, tables[table]["name"]) for table in ONE_SPACE if table in tables]
    for names in shared:
        reserved = pc.equal(names.column, OUTSIDE)
        message, remedy = "is the name of everybody else", "Choose another name."
        Blame(problems, names.table, tables[names.table])("name", reserved, message, remedy)
    if "loans" in tables:
        shared += generated_flows(tables["loans"])
    _check_shared(shared, problems)


def _check_shared(sources: Sequence[Names], problems: list[Problem]) -> None:
    """Add a problem for each name that an earlier row has, in the order of the sources."""
    starts = np.cumsum([0, *(len(names.column) for names in sources)])
    together = pa.chunked_array([chunk for names in sources for chunk in names.column.chunks], pa.string())
    repeated, first = repeated_rows(value_codes(together))
    for number, names in enumerate(sources):
        start = int(starts[number])
        rows = repeated[(repeated >= start) & (repeated < starts[number + 1])] - start

        def message(row: int, names: Names = names, start: int = start) -> str:
            source = int(np.searchsorted(starts, first[start + row], side="right")) - 1
            bearer = (
                f"row {row_number(int(first[start + row] - starts[source]))} of `{sources[source].table}`"
            )
            if not names.ending:
                return f"is taken by {bearer}"
            return f"gives a flow `{names.column[row].as_py()}`, a name taken by {bearer}"

        remedy = "Give every entity, flow and loan a name of its own."
        report_rows(problems, names.table, "name", rows, names.given, message=message, remedy=remedy)


def check_key(table: str, rows: pa.Table, key: Sequence[str], problems: list[Problem]) -> None:
    """Add a problem for each row whose key stands in an earlier one; a key with a null is not compared."""
    codes = joint_codes([value_codes(rows[column]) for column in key])
    report_repeats(table, rows, key, codes, problems)


def report_repeats(
    table: str, rows: pa.Table, key: Sequence[str], codes: NDArray[np.int64], problems: list[Problem]
) -> None:
    """Add a problem, at the last column of the key, for each row whose code stands in an earlier one."""
    repeated, first = repeated_rows(codes)
    report_rows(
        problems,
        table,
        key[-1],
        repeated,
        lambda row: ", ".join(str(rows[column][row].as_py()) for column in key),
        message=lambda row: f"the same {' and '.join(key)} as in row {row_number(int(first[row]))}",
        remedy="Keep one of the two rows.",
    )


def value_codes(values: pa.ChunkedArray) -> NDArray[np.int64]:
    """Give each value a number from 0, the same for the same value; -1 is null."""
    indices = values.combine_chunks().dictionary_encode().indices
    codes: NDArray[np.int64] = pc.fill_null(indices.cast(pa.int64()), -1).to_numpy()
    return codes


def joint_codes(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Give each combination of codes a number; -1 where one of them is -1."""
    joint = parts[0]
    for part in parts[1:]:
        joint = np.where((joint >= 0) & (part >= 0), joint * (part.max(initial=0) + 1) + part, -1)
    return joint


def repeated_rows(codes: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find rows whose code stands in an earlier one, and for each row the first with its code; -1 is none."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    first_with = first[inverse]
    return np.flatnonzero((codes >= 0) & (first_with != np.arange(len(codes)))), first_with
