"""What moves the book's loss most: each factor and each kind of payment a tenth lower and higher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..answers.plain_data import fields_as_json
from ..book import path_losses, read_book
from ..parameters import Flows
from ..sampling import mean_with_error
from ..simulation import simulate
from .same_draws import only_scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..result import Result
    from ..system import System

MOST: Final = 5_000  # paths
PARAMETERS: Final = 30  # the factors first
CHANGE: Final = 0.1
_ROWS: Final = pa.schema(
    [("scenario", pa.string()), ("parameter", pa.string()), ("start", pa.int64()), ("end", pa.int64()),
     ("op", pa.string()), ("value", pa.float64())]
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Movers:
    """A figure with one parameter after another a tenth lower and higher, on the same draws.

    Attributes
    ----------
    what : str
        The figure in words.
    is_amount : bool
        Whether it is one of currency, else a share of the paths.
    base, base_error : float
        The figure as it is.
    table : pyarrow.Table
        parameter (in words), address, low, high (the figure), low_error, high_error (standard errors of the
        difference to the base, paired).
    paths : int
    """

    what: str
    is_amount: bool
    base: float
    base_error: float
    table: pa.Table
    paths: int

    def as_json(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return fields_as_json(dict(vars(self)))


def movers(run: Result, place: int, entity: str) -> Movers | None:
    """The mean loss of the book under small changes; without a book, how often an entity fails.

    Parameters
    ----------
    run : Result
    place : int
        Of the run in ``run.runs``.
    entity : str
        Whose failures are counted where the system has no positions.

    Returns
    -------
    Movers or None
        None where the factor paths were the user's own and are not kept, there is nothing to change, or the paths do
        not come out as in the run.
    """
    addresses = moved(run.system)
    if run.factors_digest or not addresses:
        return None
    paths, one = min(run.paths, MOST), run.runs[place]
    of_book = run.system.tables["positions"].num_rows > 0
    figure = _figure(run.system, None if of_book else run.entities.index(entity))
    base = figure(run.failed_at[place, :paths])

    def again(address: str | None) -> NDArray[np.int16]:
        table = _changed(run, place, address)
        return simulate(run.system, table, paths=paths, seed=run.seed, effects=one.effects).failed_at

    if not np.array_equal(again(None)[0], run.failed_at[place, :paths]):
        return None  # another backend's last digit: better no figure than another run's
    rows: list[dict[str, Any]] = []
    for address, words in addresses.items():
        low, high = again(address)
        row: dict[str, Any] = {"parameter": words, "address": address}
        for name, failed_at in (("low", low), ("high", high)):
            values = figure(failed_at)
            row[name], row[f"{name}_error"] = float(values.mean()), mean_with_error(values - base)[1]
        rows.append(row)
    what = "expected loss of the book" if of_book else f"share of the paths on which {entity} fails"
    value, error = mean_with_error(base)
    return Movers(what, of_book, value, error, pa.Table.from_pylist(rows), paths)


def _figure(system: System, entity: int | None) -> Callable[[NDArray[np.int16]], NDArray[np.float64]]:
    """From periods of failure (P, N), the loss of each path; of an entity, whether it fails."""
    settings = system.settings
    if entity is not None:
        return lambda failed_at: np.asarray(failed_at[:, entity] < settings.periods, dtype=np.float64)
    table = read_book(system).loss_by_entity(settings, len(system.entity_names), None)
    return lambda failed_at: path_losses(table, failed_at)


def _changed(run: Result, place: int, address: str | None) -> pa.Table:
    """The scenario of a run with a parameter a tenth lower and a tenth higher, after its own rows; None: as it is."""
    own = [row for row in only_scenario(run, place)[0].to_pylist() if row["parameter"] is not None]
    changes = [[]] if address is None else [
        [{"parameter": address, "op": "scale", "value": factor}] for factor in (1.0 - CHANGE, 1.0 + CHANGE)
    ]  # fmt: skip
    rows = [
        {**row, "scenario": str(number)}
        for number, change in enumerate(changes)
        for row in [*own, *change] or [{}]
    ]
    return pa.Table.from_pylist(rows, schema=_ROWS)


def moved(system: System) -> dict[str, str]:
    """Addresses of what is changed, and what they are in words: every factor, every kind of flow."""
    flows = Flows(system.tables)
    kinds = dict.fromkeys(flows.kinds[: flows.own])
    addresses = {f"factor.{name}.value": f"factor {name}" for name in system.factor_names}
    addresses |= {f"flow.kind:{kind}.scale": f"all {kind} flows" for kind in kinds if flows.of_kind(kind)}
    return dict(list(addresses.items())[:PARAMETERS])
