"""A system: everything that one stress model holds, checked as a whole."""

from __future__ import annotations

import os
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from .check import check
from .errors import InputError, Problem, bad_argument, nearest
from .files import FORMATS, find_files, is_system_file, read_table, write_table
from .folders import folder_at, readable, whole_folder
from .loans import generated_flow_names
from .notes import notes_on
from .schema import REQUIRED, SCHEMAS
from .settings import SETTINGS_FILE, Settings, conform_settings, from_toml, to_toml
from .tables import conform

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

Format = Literal["csv", "parquet", "arrow"]


class System:
    """Everything that one stress model holds: settings and tables, checked, and from then on unchanged.

    Parameters
    ----------
    name : str
    periods : int
        Number of periods, T.
    periods_per_year : float
    discount_rate : float
        A year, for present values.
    default_costs : (float, float)
        Shares of own funds and of receipts that an entity which falls short still pays out (alpha, beta).
    currency : str
    start : str or datetime.date, optional
        First day of the first period.
    **tables
        Every table by its name: `entities` and `flows`, and where there are any `factors`, `correlations`,
        `schedules`, `sensitivities`, `loans`, `exposures`, `measures`, `positions` and `scenarios`. Whatever
        speaks Arrow (pyarrow, polars, duckdb), a pandas DataFrame, or a mapping of columns to values.

    Attributes
    ----------
    settings : Settings
    tables : mapping of str to pyarrow.Table
        Every input table with all columns of its schema; without rows where it was not given. Each is an
        attribute as well: `system.entities`.

    Raises
    ------
    InputError
        With every problem of the input.
    """

    settings: Settings
    _tables: dict[str, pa.Table]
    entities: pa.Table
    factors: pa.Table
    correlations: pa.Table
    flows: pa.Table
    schedules: pa.Table
    sensitivities: pa.Table
    loans: pa.Table
    exposures: pa.Table
    measures: pa.Table
    positions: pa.Table
    scenarios: pa.Table

    def __init__(
        self,
        *,
        name: str,
        periods: int,
        periods_per_year: float,
        discount_rate: float = 0.0,
        default_costs: tuple[float, float] = (1.0, 1.0),
        currency: str = "",
        start: Any = None,
        **tables: Any,
    ):
        problems: list[Problem] = []
        values = {
            "name": name,
            "periods": periods,
            "periods_per_year": periods_per_year,
            "discount_rate": discount_rate,
            "default_costs": default_costs,
            "currency": currency,
            "start": start,
        }
        settings = conform_settings(values, problems, "System")
        for table in tables:
            if table not in SCHEMAS:
                remedy = nearest(table, tuple(SCHEMAS))
                problems.append(Problem(table, None, None, "", "is no table of a system", remedy))
        known = {table: data for table, data in tables.items() if table in SCHEMAS and data is not None}
        given = {table: conform(table, data, problems) for table, data in known.items()}
        self._take(settings, given, problems)

    def _take(
        self, settings: Settings | None, given: Mapping[str, pa.Table | None], problems: list[Problem]
    ) -> None:
        """Check what was given, and keep it; None stands for a table that can't be read."""
        tables = {}
        for name, schema in SCHEMAS.items():
            tables[name] = given[name] if name in given else conform(name, None, problems)
            if schema.required and name not in given:
                tables[name] = None
                columns = [column.name for column in schema.columns if column.default is REQUIRED]
                remedy = f"Give it, with the columns {', '.join(columns)} at least."
                problems.append(Problem(name, None, None, "", "the table is missing", remedy))
        check(settings, tables, problems)
        if problems:
            raise InputError(problems)
        for name, value in {"settings": settings, "_tables": tables, **tables}.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a System does not change; make another one with another `{name}`")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a System does not change, `{name}` stays")

    @property
    def tables(self) -> Mapping[str, pa.Table]:
        """Every input table with all columns of its schema; without rows where it was not given."""
        return MappingProxyType(self._tables)

    @cached_property
    def entity_names(self) -> tuple[str, ...]:
        """Names of the entities, in the order of their table; N of them."""
        return tuple(self.entities["name"].to_pylist())

    @cached_property
    def factor_names(self) -> tuple[str, ...]:
        """Names of the factors, in the order of their table; K of them."""
        return tuple(self.factors["name"].to_pylist())

    @cached_property
    def flow_names(self) -> tuple[str, ...]:
        """Names of the flows: those of the flows table, then those of each loan; F of them."""
        names = self.flows["name"].to_pylist()
        for loan, drawn in zip(
            self.loans["name"].to_pylist(), self.loans["draw"].is_valid().to_pylist(), strict=True
        ):
            names.extend(generated_flow_names(loan, drawn))
        return tuple(names)

    @cached_property
    def measure_names(self) -> tuple[str, ...]:
        """Names of the measures, in the order in which their table first has them; M of them."""
        return tuple(self.measures["measure"].unique().to_pylist())

    @cached_property
    def notes(self) -> tuple[Problem, ...]:
        """What is no error but has no effect, as a drift where the process takes none."""
        return tuple(notes_on(self._tables))

    def write(self, folder: str | os.PathLike[str], format: Format = "csv") -> None:
        """Write the system as a folder, from which `read_system` makes an equal one.

        Parameters
        ----------
        folder : path
            Appears whole or not at all. A system that it holds already is replaced; if it holds anything
            else, nothing is written.
        format : {"csv", "parquet", "arrow"}
            Of the tables; those without rows are left out.

        Raises
        ------
        InputError
            The format is unknown, the folder holds other files, or can't be replaced.
        OSError
            The disk is full, or may not be written to.
        """
        if f".{format}" not in FORMATS:
            known = tuple(name.removeprefix(".") for name in FORMATS)
            raise bad_argument("format", format, "is no format of tables", nearest(str(format), known))
        with whole_folder(folder, is_system_file) as new:
            (new / SETTINGS_FILE).write_text(to_toml(self.settings), encoding="utf-8", newline="\n")
            for name, table in self._tables.items():
                if table.num_rows or SCHEMAS[name].required:
                    write_table(table, new / f"{name}.{format}")

    def __eq__(self, other: object) -> bool:
        """Whether all settings and all cells of all tables are the same."""
        if not isinstance(other, System):
            return NotImplemented
        return self.settings == other.settings and self._tables == other._tables

    __hash__ = None  # type: ignore[assignment]

    def _repr_html_(self) -> str:
        """What a notebook shows: how large it is, and who pays whom."""
        from .notebook import system_html

        return system_html(self)

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{table.num_rows} {name}" for name, table in self._tables.items() if table.num_rows
        )
        periods, length = self.settings.periods, self.settings.period_years
        return f"<System {self.settings.name!r}: {counts}; {periods} periods of {length:g} years>"


def read_system(folder: str | os.PathLike[str]) -> System:
    """Read a system from its folder: `system.toml`, and one file a table (.csv, .parquet or .arrow).

    Raises
    ------
    InputError
        With every problem of the folder, of its files and of what they hold.
    """
    path = folder_at(folder, "Name a folder that holds a `system.toml`.")
    problems: list[Problem] = []
    with readable(path):
        files = find_files(path, problems)
    settings = None
    if SETTINGS_FILE not in files:
        remedy = "Write one, with the keys name, periods and periods_per_year."
        problems.append(Problem(SETTINGS_FILE, None, None, "", "is missing", remedy))
    elif (file := files.pop(SETTINGS_FILE)) is not None:
        settings = from_toml(file, problems)
    given = {name: None if file is None else read_table(file, name, problems) for name, file in files.items()}
    system = System.__new__(System)
    system._take(settings, given, problems)
    return system
