"""One path in full: everything that was billed, paid, held and written off, and who failed why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from .arguments import one_of, whole_number
from .backends import AUTO, get_backend, is_working
from .errors import bad_argument, nearest
from .estimates import run_place
from .factor_paths import read_factor_paths
from .job import Job, check_paths, check_seed, prepare
from .schema import CAUSES, OUTSIDE, RANKS
from .variance_reduction import VarianceReduction, read_variance_reduction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .result import Result
    from .system import System


@dataclass(frozen=True, repr=False)
class Replay:
    """One path of one scenario. Amounts are currency of the period; rows run by period, then by item.

    Attributes
    ----------
    scenario, path, seed : str, int, int
    factors : pyarrow.Table
        period, factor, value (X), state (y).
    entities : pyarrow.Table
        period, entity, opening_cash, deposit_interest, line_interest, receipts, payments, closing_cash,
        ratio_operating, ratio_debt, ratio_discretionary, gathered_hazard, failed.
    flows : pyarrow.Table
        period, flow, payer, receiver, rank, billed, paid.
    loans : pyarrow.Table
        period, loan, balance (at the end of the period), share_drawn.
    books : pyarrow.Table
        period, flow, book (at the end of the period), depreciation, impairment; of capex flows with a life.
    measures : pyarrow.Table
        period, measure, value, running_total.
    estate : pyarrow.Table
        period, estate: what failures and default costs took out of the system.
    events : pyarrow.Table
        period, entity, cause: who failed, in the order in which it happened.
    """

    scenario: str
    path: int
    seed: int
    factors: pa.Table
    entities: pa.Table
    flows: pa.Table
    loans: pa.Table
    books: pa.Table
    measures: pa.Table
    estate: pa.Table
    events: pa.Table

    def __repr__(self) -> str:
        """Say in a line what happened on which path."""
        return f"<Replay of path {self.path} of {self.scenario!r}, seed {self.seed}: {self.events.num_rows} failures>"

    def _repr_html_(self) -> str:
        """What a notebook shows: who failed, and when."""
        from .notebook import answer_html

        return answer_html(f"Path {self.path} of {self.scenario}, seed {self.seed}", table=self.events)


def replay(
    system: System,
    scenarios: Any = None,
    *,
    path: int,
    scenario: str | None = None,
    seed: int = 0,
    effects: str | Sequence[str] = "full",
    backend: str = AUTO,
    factors: Any = None,
    variance_reduction: str | VarianceReduction | None = None,
) -> Replay:
    """Simulate one path again, and keep everything: the same numbers to the bit as in the run.

    Parameters
    ----------
    system, scenarios, seed, effects, backend, factors, variance_reduction
        As in the run.
    path : int
        The path's number, from 0.
    scenario : str, optional
        Its name, with several `effects` as `Result.scenarios` lists it; may be left out where there is only one.

    Returns
    -------
    Replay

    Raises
    ------
    InputError
        For bad input, or if the scenario is unknown.
    """
    job = prepare(system, scenarios, effects, factors)
    seed = check_seed(seed)
    wanted = whole_number(path)
    if wanted is None or wanted < 0:
        raise bad_argument("path", path, "is no path", "Give the number of a path, from 0.")
    check_paths(wanted + 1, job.factors)
    number = _scenario(job, scenario)
    chosen = get_backend(backend)
    reduction = read_variance_reduction(variance_reduction)
    if reduction is not None:
        job = job.drawn(reduction.drawing(job, seed, wanted + 1, chosen))
    trace = chosen.trace(job.program, job.block(seed, wanted, 1), number)
    happened = {name: array[0] for name, array in trace.arrays.items()}
    return Replay(job.runs[number].name, wanted, seed, **_tables(job, happened))


def replay_of(run: Result, path: int, scenario: str | None, factors: Any) -> Replay:
    """A path of a run again, as it was drawn; see `Result.replay`."""
    number = whole_number(path)
    if number is None or not 0 <= number < run.paths:
        remedy = f"Give a number from 0 to {run.paths - 1}."
        raise bad_argument("path", path, "is no path of the run", remedy)
    place = run_place(run, scenario)
    chosen = run.runs[place]
    if read_factor_paths(run.system, factors).digest != run.factors_digest:
        remedy = "Give the table that the run was given, or none where it had none."
        raise bad_argument("factors", factors, "are not the factor paths of the run", remedy)
    told = replay(
        run.system,
        run.rows_of(place).drop_columns("effects"),
        path=number,
        seed=run.seed,
        effects=chosen.effects,
        backend=run.backend if is_working(run.backend) else AUTO,
        factors=factors,
        variance_reduction=run.variance_reduction,
    )
    return replace(told, scenario=chosen.name)


def _scenario(job: Job, name: str | None) -> int:
    names = job.program.scenarios
    if name is None and len(names) == 1:
        return 0
    if name is None:
        raise bad_argument("scenario", name, f"does not say which of {len(names)}", nearest("", names))
    if not one_of(name, names):
        raise bad_argument("scenario", name, "is no scenario of this run", nearest(str(name), names))
    return names.index(name)


def _tables(job: Job, happened: dict[str, NDArray[Any]]) -> dict[str, pa.Table]:
    system, program = job.system, job.program
    parties = (*system.entity_names, OUTSIDE)
    flow_names = system.flow_names
    loan_names = tuple(system.loans["name"].to_pylist())
    ratio = happened["ratio"]
    failed_at, cause = happened["failed_at"][-1], happened["cause"][-1]
    return {
        "factors": _long("factor", system.factor_names, value=happened["factor"], state=happened["y"]),
        "entities": _long(
            "entity",
            system.entity_names,
            **{
                name: happened[name]
                for name in (
                    "opening_cash",
                    "deposit_interest",
                    "line_interest",
                    "receipts",
                    "payments",
                    "closing_cash",
                )
            },
            **{f"ratio_{rank}": ratio[:, place] for place, rank in enumerate(RANKS)},
            gathered_hazard=happened["gathered_hazard"],
            failed=happened["failed_at"] < program.periods,
        ),
        "flows": _long("flow", flow_names, billed=happened["billed"], paid=happened["paid"])
        .add_column(2, "payer", _repeated([parties[i] for i in program.payer], program.periods))
        .add_column(3, "receiver", _repeated([parties[i] for i in program.receiver], program.periods))
        .add_column(4, "rank", _repeated([RANKS[i] for i in program.rank], program.periods)),
        "loans": _long("loan", loan_names, balance=happened["balance"], share_drawn=happened["share_drawn"]),
        "books": _long(
            "flow",
            tuple(flow_names[i] for i in program.capex),
            **{name: happened[name] for name in ("book", "depreciation", "impairment")},
        ),
        "measures": _long(
            "measure",
            system.measure_names,
            value=happened["measure"],
            running_total=_running(happened["measure"]),
        ),
        "estate": pa.table({"period": np.arange(program.periods), "estate": happened["estate"]}),
        "events": _events(system.entity_names, failed_at, cause, program.periods),
    }


def _running(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Running totals over periods, added one by one as the run adds them."""
    running = np.zeros_like(values)
    total = np.zeros(values.shape[1])
    for t, value in enumerate(values):
        total = total + value
        running[t] = total
    return running


def _long(item: str, names: Sequence[str], **columns: NDArray[np.generic]) -> pa.Table:
    """Arrays (T, items) as a table with a row for each period and item."""
    periods = next(iter(columns.values())).shape[0]
    data: dict[str, Any] = {
        "period": np.repeat(np.arange(periods), len(names)),
        item: _repeated(names, periods),
    }
    return pa.table(data | {name: values.reshape(-1) for name, values in columns.items()})


def _repeated(names: Sequence[str], periods: int) -> pa.Array:
    return pa.array(list(names) * periods, pa.string())


def _events(
    entities: Sequence[str],
    failed_at: NDArray[np.integer[Any]],
    cause: NDArray[np.integer[Any]],
    periods: int,
) -> pa.Table:
    """Failures in the order of the model's steps: by period, imposed, credit, liquidity, solvency."""
    step = {
        CAUSES.index(name): place for place, name in enumerate(("imposed", "credit", "liquidity", "solvency"))
    }
    failed = [i for i in range(len(entities)) if failed_at[i] < periods]
    failed.sort(key=lambda i: (failed_at[i], step[int(cause[i])], i))
    return pa.table(
        {
            "period": pa.array([int(failed_at[i]) for i in failed], pa.int64()),
            "entity": pa.array([entities[i] for i in failed], pa.string()),
            "cause": pa.array([CAUSES[cause[i]] for i in failed], pa.string()),
        }
    )
