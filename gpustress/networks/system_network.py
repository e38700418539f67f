"""A system as a network: its entities' claims and balance sheets at the end of one period of one path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..arguments import whole_number
from ..errors import bad_argument, nearest
from ..result import check_result
from ..schema import LOAN_CLAIM
from ..tables import booleans, floats, places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..result import Result
    from ..single_path import Replay
    from ..system import System


def system_network(
    system: System, run: Result, scenario: str | None, path: int, period: int, factors: Any
) -> tuple[pa.Table, pa.Table]:
    """The tables ``edges`` and ``nodes``; see `Network.from_system`.

    Raises
    ------
    InputError
        The run is of another system or had other factor paths, or the scenario, path or period is unknown.
    """
    check_result(run)
    if run.system != system:
        raise bad_argument("system", system, "is not the one that was run", "Give run.system.")
    number, names = whole_number(period), run.scenarios
    if number is None or not 0 <= number < run.periods:
        remedy = f"Give a number from 0 to {run.periods - 1}."
        raise bad_argument("period", period, "is no period of the run", remedy)
    if scenario is None and len(names) > 1:
        raise bad_argument("scenario", scenario, f"does not say which of {len(names)}", nearest("", names))
    return _tables(system, run.replay(path, scenario, factors=factors), number)


def _tables(system: System, happened: Replay, period: int) -> tuple[pa.Table, pa.Table]:
    names, loans, exposures = system.entity_names, system.loans, system.exposures
    entities, lent, books = (
        table.filter(pc.equal(table["period"], period))
        for table in (happened.entities, happened.loans, happened.books)
    )

    def by_entity(rows: pa.Table, column: str, amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        place = places(rows, column, names)
        owned = place >= 0  # the rest is everybody else's
        total = np.bincount(place[owned], weights=amounts[owned], minlength=len(names))
        return total.astype(np.float64)

    balance, cash = floats(lent, "balance"), floats(entities, "closing_cash")
    from_outside = np.where(loans["lender"].is_null().to_numpy(), balance, 0.0)
    failed = booleans(entities, "failed")[places(exposures, "issuer", names)]
    kept = np.where(failed, floats(exposures, "recovery"), 1.0) * floats(exposures, "amount")
    is_claim = pc.equal(exposures["kind"], LOAN_CLAIM)
    shares = np.where(is_claim.to_numpy(), 0.0, kept)
    payers = system.flows["payer"].take(
        pc.index_in(books["flow"], value_set=system.flows["name"].combine_chunks())
    )
    nodes = {
        "name": names,
        "external_assets": np.maximum(cash, 0.0)
        + floats(system.entities, "other_assets")
        + by_entity(pa.table({"payer": payers}), "payer", floats(books, "book"))
        + by_entity(exposures, "holder", shares),
        "external_liabilities": np.maximum(-cash, 0.0)
        + floats(system.entities, "other_debt")
        + by_entity(loans, "borrower", from_outside),
    }
    claims = exposures.filter(is_claim)
    edges = pa.table(
        {
            "debtor": pa.chunked_array([*loans["borrower"].chunks, *claims["issuer"].chunks], pa.string()),
            "creditor": pa.chunked_array([*loans["lender"].chunks, *claims["holder"].chunks], pa.string()),
            "amount": np.concatenate([np.maximum(balance, 0.0), floats(claims, "amount")]),
        }
    )
    together = edges.filter(edges["creditor"].is_valid()).group_by(["debtor", "creditor"], use_threads=False)
    return together.aggregate([("amount", "sum")]).rename_columns({"amount_sum": "amount"}), pa.table(nodes)
