"""A book of positions: what each loses when its entity fails, and an entity's own claims as a book."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from .arguments import is_number, one_of
from .check import check_positions
from .errors import InputError, Problem, bad_argument, nearest
from .job import check_system
from .loans import principal_schedule, whole_periods
from .result import check_result
from .tables import conform, floats, integers, strings
from .variance_reduction import check_plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .result import Result
    from .settings import Settings
    from .system import System

TOLERANCE: Final = 1e-9  # years: a period that ends at the maturity is covered, whatever the rounding
PATHS_AT_ONCE: Final = 1 << 16  # looked up together, so that what is between stays in the cache


@dataclass(frozen=True)
class Book:
    """J positions on a system's N entities, as arrays.

    Attributes
    ----------
    names, entities : tuple of str, length J
    entity : ndarray (J,) of int
        Place of the entity in the system.
    exposure : ndarray (J,)
        Currency; negative for protection bought.
    maturity : ndarray (J,)
        Years; infinite where it never matures.
    linear : ndarray (J,) of bool
        Whether the exposure falls linearly to 0 at maturity.
    recovery : ndarray (J,)
    """

    names: tuple[str, ...]
    entities: tuple[str, ...]
    entity: NDArray[np.intp]
    exposure: NDArray[np.float64]
    maturity: NDArray[np.float64]
    linear: NDArray[np.bool_]
    recovery: NDArray[np.float64]

    def loss_by_period(
        self, settings: Settings, horizon: float | None = None, rows: slice = slice(None)
    ) -> NDArray[np.float64]:
        """What each position loses by the period in which its entity fails.

        Parameters
        ----------
        settings : Settings
        horizon : float, optional
            Years; a failure in a period that ends later is no loss.
        rows : slice
            Which positions.

        Returns
        -------
        ndarray, shape (rows, T + 1)
            Discounted loss, currency; the last column, for an entity that survives, is 0.
        """
        period = np.arange(settings.periods, dtype=np.float64)
        end = (period + 1.0) * settings.period_years
        discount = (1.0 + settings.discount_rate) ** -end
        maturity, exposure = self.maturity[rows, None], self.exposure[rows, None]
        covered = end <= maturity + TOLERANCE
        if horizon is not None:
            covered &= end <= horizon + TOLERANCE
        # Scheduled opening balance of a linear position: exposure (n - t) / n.
        linear = self.linear[rows, None]
        count = np.maximum(np.rint(np.where(linear, maturity, 1.0) * settings.periods_per_year), 1.0)
        balance = exposure * np.where(linear, np.maximum(count - period, 0.0) / count, 1.0)
        loss = np.zeros((len(exposure), settings.periods + 1))
        loss[:, :-1] = np.where(covered, balance * (1.0 - self.recovery[rows, None]) * discount, 0.0)
        return loss

    def loss_by_entity(self, settings: Settings, entities: int, horizon: float | None) -> NDArray[np.float64]:
        """Sum of `loss_by_period` over the positions of each entity, in their order; shape (N, T + 1)."""
        loss = np.zeros((entities, settings.periods + 1))
        for rows in self.pieces():
            np.add.at(loss, self.entity[rows], self.loss_by_period(settings, horizon, rows))
        return loss

    def pieces(self, size: int = 4096) -> list[slice]:
        """Slices of positions, so that a book of millions needs no more memory than a piece of it."""
        return [slice(start, start + size) for start in range(0, len(self.names), size)]


def read_book(system: System, positions: Any = None) -> Book:
    """Positions as a Book; None for the system's own table.

    Raises
    ------
    InputError
        The positions break their schema, name no entity of the system, repeat a name, or fall linearly to no
        date.
    """
    problems: list[Problem] = []
    table = system.tables["positions"] if positions is None else conform("positions", positions, problems)
    if positions is not None and table is not None:
        check_positions(table, system.entities["name"], problems)
    if problems or table is None:
        raise InputError(problems)
    entities = tuple(str(name) for name in strings(table, "entity"))
    place = {name: i for i, name in enumerate(system.entity_names)}
    maturity = floats(table, "maturity")
    return Book(
        tuple(str(name) for name in strings(table, "name")),
        entities,
        np.array([place[entity] for entity in entities], dtype=np.intp),
        floats(table, "exposure"),
        np.where(np.isnan(maturity), np.inf, maturity),
        np.array([kind == "linear" for kind in strings(table, "amortisation")], dtype=bool),
        floats(table, "recovery"),
    )


def check_horizon(horizon: float | None) -> None:
    """Refuse a horizon that is not a positive number of years."""
    if horizon is not None and not (is_number(horizon) and horizon > 0.0):
        raise bad_argument(
            "horizon",
            horizon,
            "has to be a positive number of years",
            "Write e.g. 1.0 for the losses of one year, or None for all.",
        )


def losses(
    run: Result, positions: Any = None, horizon: float | None = None, *, as_drawn: bool = False
) -> NDArray[np.float64]:
    """Loss of a book on every path, discounted.

    A position loses its exposure in the period in which its entity fails, less the recovery, if that period
    ends by its maturity; a negative exposure (protection bought) gains.

    Parameters
    ----------
    run : Result
    positions : anything that speaks Arrow, optional
        Rows of the table ``positions``; None for the system's own. Any number of books can be held against
        one run.
    horizon : float, optional
        Years: count only failures in periods that end by then, e.g. 1.0 for the loss of one year. None for
        all.
    as_drawn : bool
        True: also of a run with `variance_reduction`. What is then estimated from the array has to honour
        ``run.sample``; the risk measures take the run itself, and do.

    Returns
    -------
    ndarray, shape (S, P)
        Currency, at its value before the first period.

    Raises
    ------
    InputError
        `run` is no result, the positions or the horizon are not as they have to be, or the run's paths are not
        independent.
    """
    check_result(run)
    if not as_drawn:
        check_plain(run, "an array of losses")
    check_horizon(horizon)
    book = read_book(run.system, positions)
    table = book.loss_by_entity(run.system.settings, len(run.entities), horizon)
    loss = np.empty((len(run.runs), run.paths))
    for row in range(len(run.runs)):
        loss[row] = path_losses(table, run.failed_at[row])
    return loss


def path_losses(loss_by_entity: NDArray[np.float64], failed_at: NDArray[np.int16]) -> NDArray[np.float64]:
    """Loss of each path of one run, shape (P,): entities are added in their order.

    Parameters
    ----------
    loss_by_entity : ndarray (N, T + 1)
    failed_at : ndarray (P, N)
    """
    loss = np.zeros(len(failed_at))
    held = np.flatnonzero(loss_by_entity.any(axis=1))
    for start in range(0, len(loss), PATHS_AT_ONCE):
        paths = slice(start, start + PATHS_AT_ONCE)
        for entity in held:
            loss[paths] += loss_by_entity[entity].take(failed_at[paths, entity])
    return loss


def claims(system: System, holder: str) -> pa.Table:
    """What an entity is owed, as a book: its exposures and the loans that it gave, as they are scheduled.

    So a result can be seen from anybody's side: ``losses(run, claims(run.system, "lender"))``. A bullet or
    linear loan that is outstanding at the start is one position. An annuity, and a loan that is drawn later,
    is the sum of one bullet for each instalment of principal, named ``LOAN[period]``, less what is not drawn
    yet (``LOAN[undrawn]``); so the exposure in a period is the scheduled opening balance, and a borrower who
    fails in the period of a payment still owes it.

    Parameters
    ----------
    system : System
    holder : str
        An entity.

    Returns
    -------
    pyarrow.Table
        Rows of the table ``positions``; none where nobody owes it anything.

    Raises
    ------
    InputError
        The system has no such entity.
    """
    check_system(system)
    if not one_of(holder, system.entity_names):
        raise bad_argument(
            "holder", holder, "names no entity of the system", nearest(str(holder), system.entity_names)
        )
    rows: list[dict[str, object]] = []
    table = system.tables["exposures"]
    owed = zip(strings(table, "holder"), strings(table, "issuer"), floats(table, "amount"),
               floats(table, "recovery"), strings(table, "source"), strict=True)  # fmt: skip
    for row, (owner, issuer, amount, recovery, source) in enumerate(owed):
        if owner == holder:
            rows.append({"name": f"exposure[{row}] to {issuer}", "entity": issuer, "exposure": float(amount),
                         "recovery": float(recovery), "source": source})  # fmt: skip
    table = system.tables["loans"]
    for row, lender in enumerate(strings(table, "lender")):
        if lender == holder:
            rows += _loan_positions(system.settings, table.slice(row, 1))
    problems: list[Problem] = []
    columns = {name: [row.get(name) for row in rows] for name in
               ("name", "entity", "exposure", "maturity", "amortisation", "recovery", "source")}  # fmt: skip
    types = {
        name: pa.float64() if name in ("exposure", "maturity", "recovery") else pa.string()
        for name in columns
    }
    conformed = conform("positions", pa.table(columns, schema=pa.schema(types.items())), problems)
    if conformed is None or problems:
        raise InputError(problems)
    return conformed


def _loan_positions(settings: Settings, loan: pa.Table) -> list[dict[str, object]]:
    """Positions that together are the scheduled balance of a loan, a table of one row."""
    (name,), (borrower,), (amortisation,), (source,) = (
        strings(loan, column) for column in ("name", "borrower", "amortisation", "source")
    )
    (principal,), (rate,), (years,), (recovery,) = (
        floats(loan, column) for column in ("principal", "rate", "years", "recovery")
    )
    (draw,) = integers(loan, "draw")
    count = whole_periods(float(years), settings.periods_per_year)
    length = settings.period_years
    common = {"entity": borrower, "recovery": float(recovery), "source": source}
    if draw < 0 and amortisation != "annuity":
        return [{"name": name, "exposure": float(principal), "maturity": count * length,
                 "amortisation": amortisation, **common}]  # fmt: skip
    rate_per_period = 0.0 if np.isnan(rate) else float(rate) * length
    first = int(draw) + 1  # -1 stands for outstanding at the start: payments from period 0
    paid = principal_schedule(float(principal), rate_per_period, count, str(amortisation))
    positions: list[dict[str, object]] = [
        {"name": f"{name}[{first + k}]", "exposure": float(instalment), "maturity": (first + k + 1) * length,
         "amortisation": "bullet", **common}
        for k, instalment in enumerate(paid)
        if instalment != 0.0
    ]  # fmt: skip
    if first > 0:
        positions.append({"name": f"{name}[undrawn]", "exposure": -float(principal),
                          "maturity": first * length, "amortisation": "bullet", **common})  # fmt: skip
    return positions
