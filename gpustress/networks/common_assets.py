"""Contagion through common assets: who has lost sells, prices fall, and whoever holds the same loses too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from scipy import sparse

from ..arguments import rows_at_a_time, whole_number
from ..backends import AUTO
from ..errors import InputError, Problem, bad_argument, report_rows, shown
from ..exposures import EquityShocks, Exposures
from ..names import check_key
from ..references import check_named
from ..tables import conform, floats, places
from .common_assets_schema import ASSETS, HOLDERS, HOLDINGS
from .contagion import Spreader
from .contagion_arguments import batch_of, is_batch, read_block
from .result_schema import FIRE_SALES, FIRE_SALES_SUMMARY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ..schema import Schema

# Of a shock in a block: what is on the way to its result, that of two blocks, and a table of one.
HOLDER_BYTES: Final = 128
ASSET_BYTES: Final = 64


@dataclass(frozen=True, eq=False)
class FireSales:
    """What S shocks to the prices of K assets do to their N holders.

    Attributes
    ----------
    holders, assets : tuple of str, length N and K
    initial : ndarray (S, N)
        The share of its equity that a holder loses by the shock, at most 1.
    distress : ndarray (S, N)
        The share that it has lost in the end, at most 1.
    sold : ndarray (S, K)
        Currency, at the prices before the shock.
    price_fall : ndarray (S, K)
        By the sales alone, as a share of the price before the shock.
    equity : ndarray (N,)
        Before the shock.
    systemicness : ndarray (S, N)
        What a holder's sales take from all holders, its own losses by them included, as a share of all equity. Over
        the holders they add up to the aggregate vulnerability, unless somebody would lose more than its equity.
    """

    holders: tuple[str, ...]
    assets: tuple[str, ...]
    initial: NDArray[np.float64]
    distress: NDArray[np.float64]
    sold: NDArray[np.float64]
    price_fall: NDArray[np.float64]
    equity: NDArray[np.float64]
    systemicness: NDArray[np.float64]

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Who has lost all of its equity, (S, N)."""
        return self.distress >= 1.0

    @property
    def direct_vulnerability(self) -> NDArray[np.float64]:
        """The share of its equity that a holder loses by the shock, (S, N): `initial`."""
        return self.initial

    @property
    def indirect_vulnerability(self) -> NDArray[np.float64]:
        """The share of its equity that a holder loses by everybody's sales, (S, N)."""
        return self.distress - self.initial

    @property
    def aggregate_vulnerability(self) -> NDArray[np.float64]:
        """Share of all equity that the sales take under each shock, without the shock itself, (S,)."""
        share = self.equity / self.equity.sum()
        lost: NDArray[np.float64] = ((self.distress - self.initial) * share).sum(axis=1)
        return lost

    def table(self) -> pa.Table:
        """What each shock does to each holder: a row for each of both (docs/results.md)."""
        shocks, holders = self.distress.shape
        columns = {
            "shock": np.repeat(np.arange(shocks), holders),
            "holder": pa.array(self.holders * shocks, pa.string()),
        } | {
            name: np.ascontiguousarray(getattr(self, name)).reshape(-1)
            for name in ("direct_vulnerability", "indirect_vulnerability", "systemicness")
        }
        return pa.table(columns, schema=FIRE_SALES.arrow())

    def summary(self) -> pa.Table:
        """What each shock does: a row for each (docs/results.md)."""
        columns = {
            "shock": np.arange(len(self.distress)),
            "sold": self.sold.sum(axis=1),
            "aggregate_vulnerability": self.aggregate_vulnerability,
            "failures": np.count_nonzero(self.failed, axis=1),
        }
        return pa.table(columns, schema=FIRE_SALES_SUMMARY.arrow())


def fire_sales(
    holdings: Any,
    holders: Any,
    assets: Any,
    shocks: Any,
    rounds: int | None = 1,
    *,
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
) -> FireSales:
    """Let holders of common assets sell to hold their leverage, round by round.

    Parameters
    ----------
    holdings, holders, assets : anything that speaks Arrow
        Rows of the tables ``holdings`` (holder, asset, amount), ``holders`` (name, equity) and ``assets`` (name,
        impact).
    shocks : array_like (S, K) or (K,)
        By how much the price of each asset falls at first, as a share of it, 0 to 1.
    rounds : int, optional
        Of sales: at least 1. None: until all is at rest.
    backend, threads, devices, memory
        As of `cascade`.

    Returns
    -------
    FireSales

    Raises
    ------
    InputError
        With every problem of the tables; an argument has another shape, or a value out of range; a price would fall
        below 0, where a linear impact has no meaning.

    Notes
    -----
    Greenwood, Landier and Thesmar, "Vulnerable banks", Journal of Financial Economics 115 (2015), whose spillovers are
    those of one round: who loses a share of its equity sells that share of what its debt pays for, of each asset in
    proportion to what it holds. Who has lost all of its equity has sold all that it can.
    """
    spreader = Spreader.of(backend, threads, devices, memory)
    return _Market.of(holdings, holders, assets, rounds, spreader).under(shocks)


def fire_sales_blocks(
    holdings: Any,
    holders: Any,
    assets: Any,
    shocks: Any,
    rounds: int | None = 1,
    *,
    block: int | None = None,
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
) -> Iterator[FireSales]:
    """Let holders of common assets sell under more shocks than fit into memory, a block of shocks at a time.

    Parameters
    ----------
    holdings, holders, assets, rounds
        As of `fire_sales`.
    shocks : array_like (S, K), or iterable of array_like (s, K)
        An array, such as a ``numpy.memmap``, is cut into blocks. Of an iterable, a generator say, each item is one.
    block : int, optional
        How many shocks a block has; by default as many as `memory` allows. Not with an iterable.
    memory : str or int, optional
        What a block, its result and a table of it may take, e.g. ``"4GB"``; by default a quarter of what is free.
    backend, threads, devices
        As of `cascade`.

    Yields
    ------
    FireSales
        Of each block, in order; its row 0 is the block's first shock. What came before is not kept. The numbers are
        those that `fire_sales` gives for all shocks together, to the bit.

    Raises
    ------
    InputError
        As of `fire_sales`; those about the shocks when their block has its turn, with rows of the block.
    """
    spreader = Spreader.of(backend, threads, devices, memory)
    return _Market.of(holdings, holders, assets, rounds, spreader).blocks(shocks, block)


@dataclass(frozen=True)
class _Market:
    """Who holds what, whatever the shocks.

    `selling` (N, K) is what a holder sells that has lost all of its equity, `exposures` what holders then lose.
    """

    holders: tuple[str, ...]
    assets: tuple[str, ...]
    held: sparse.csr_array
    impact: NDArray[np.float64]
    selling: sparse.csr_array
    exposures: Exposures
    rounds: int | None
    spreader: Spreader

    @staticmethod
    def of(holdings: Any, holders: Any, assets: Any, rounds: int | None, spreader: Spreader) -> _Market:
        number = None if rounds is None else whole_number(rounds)
        if rounds is not None and (number is None or number < 1):
            remedy = "Write a whole number of at least 1, or None: until all is at rest."
            raise bad_argument("rounds", rounds, "is out of range", remedy)
        held, names, kinds, equity, impact = _read(holdings, holders, assets)
        debt = held.sum(axis=1) - equity
        selling = sparse.csr_array(sparse.diags_array(debt / held.sum(axis=1)) @ held)
        lost = sparse.csr_array(held @ sparse.diags_array(impact) @ selling.T)
        return _Market(names, kinds, held, impact, selling, Exposures.of(lost, equity), number, spreader)

    def under(self, shocks: Any) -> FireSales:
        remedy = "Write the share of its price by which the asset falls, 0 to 1."
        falls = batch_of("shocks", shocks, self.assets, lambda fall: (fall >= 0.0) & (fall <= 1.0), remedy).T
        equity, lost = self.exposures.equity, self.held @ falls
        lost_at_first = EquityShocks.of(sparse.csr_array(lost.T))
        outcome = self.spreader.spread(self.exposures, lost_at_first, "linear", self.rounds)
        distress = outcome.dense(outcome.value).T
        passed_on = distress if self.rounds is None else outcome.dense(outcome.other).T
        sold = self.selling.T.tocsr() @ passed_on
        price_fall = self.impact[:, None] * sold
        _check_prices(falls + price_fall, self.assets)
        taken = self.exposures.claims.sum(axis=0)[:, None] * passed_on / equity.sum()
        with np.errstate(over="ignore"):  # a share of next to no equity; no more than 1 of it counts
            initial = np.minimum(1.0, lost / equity[:, None])
        return FireSales(
            holders=self.holders,
            assets=self.assets,
            initial=np.ascontiguousarray(initial.T),
            distress=np.ascontiguousarray(distress.T),
            sold=np.ascontiguousarray(sold.T),
            price_fall=np.ascontiguousarray(price_fall.T),
            equity=equity,
            systemicness=np.ascontiguousarray(taken.T),
        )

    def blocks(self, shocks: Any, block: int | None) -> Iterator[FireSales]:
        """Half of the memory is for the block and its result, and the one before, half for the losses that spread."""
        size = read_block(block, shocks, "an array")
        if not is_batch(shocks):
            self.spreader.check_memory(self.exposures)
            return map(self.under, shocks)
        self.spreader.check_memory(self.exposures, 2)
        half = self.spreader.memory // 2
        asked = replace(self, spreader=replace(self.spreader, memory=half))
        of_shock = HOLDER_BYTES * len(self.holders) + ASSET_BYTES * len(self.assets)
        return map(asked.under, rows_at_a_time("shocks", shocks, size or max(1, half // of_shock)))


def _read(
    holdings: Any, holders: Any, assets: Any
) -> tuple[sparse.csr_array, tuple[str, ...], tuple[str, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Amounts (N, K), names of holders and assets, equity and impact."""
    problems: list[Problem] = []
    given: tuple[tuple[Schema, Any], ...] = ((HOLDINGS, holdings), (HOLDERS, holders), (ASSETS, assets))
    tables = {schema.name: conform(schema, data, problems) for schema, data in given}
    for schema, _ in given:
        table = tables[schema.name]
        if table is not None:
            if table.num_rows == 0:
                problems.append(Problem(schema.name, None, None, "", "has no rows", "Give at least one."))
            check_key(schema.name, table, schema.key, problems)
    rows, who, what = (tables[schema.name] for schema, _ in given)
    if rows is not None:
        for column, named in (("holder", who), ("asset", what)):
            if named is not None:
                check_named(HOLDINGS.name, rows, column, named["name"], column, problems)
    if problems or rows is None or who is None or what is None:
        raise InputError(problems)
    names, kinds = tuple(who["name"].to_pylist()), tuple(what["name"].to_pylist())
    cells = (floats(rows, "amount"), (places(rows, "holder", names), places(rows, "asset", kinds)))
    held = sparse.csr_array(cells, shape=(len(names), len(kinds)))
    equity = floats(who, "equity")
    total = held.sum(axis=1)
    report_rows(
        problems,
        HOLDERS.name,
        "equity",
        np.flatnonzero(equity > (1.0 + 1e-9) * total),
        lambda row: float(equity[row]),
        message=lambda row: f"is more than all that it holds, {total[row]:g}",
        remedy="List all of its assets in `holdings`, cash too.",
    )
    if problems:
        raise InputError(problems)
    return held, names, kinds, np.minimum(equity, total), floats(what, "impact")


def _check_prices(fall: NDArray[np.float64], kinds: tuple[str, ...]) -> None:
    for shock, asset in np.argwhere(fall.T > 1.0)[:1].tolist():
        value = shown(float(fall[asset, shock]))
        remedy = "A linear impact does not reach so far: lower the shock, or the asset's `impact`."
        raise InputError([Problem("shocks", shock, kinds[asset], value, "the price falls below 0", remedy)])
