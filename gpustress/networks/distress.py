"""DebtRank: distress that spreads in a network before anybody has failed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pyarrow as pa
from scipy import sparse

from ..arguments import one_of
from ..backends import AUTO
from ..errors import bad_argument, nearest
from ..exposures import EquityShocks, Exposures, sums_by
from .contagion import Asked, Spreader
from .contagion_arguments import SUM_OF_LARGEST, by_node, read_equity
from .result_schema import DEBTRANK, DEBTRANK_SUMMARY
from .schema import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ..backends.base import SpreadOutcome
    from .network import Network

VARIANTS: Final = ("linear", "original")


@dataclass(frozen=True, eq=False, repr=False)
class DebtRank:
    """How far each of S shocks distresses each of N nodes.

    Arrays (S, N) are made when they are asked for, and kept. `table`, `summary` and what they tell make none.

    Attributes
    ----------
    names : tuple of str, length N
    equity : ndarray (N,)
        Before the shock, currency.
    weights : ndarray (N,)
        Economic value; sums to 1.
    shocks : EquityShocks
    outcome : SpreadOutcome
        Of the nodes that are distressed, and of no other.
    backend : str
    """

    names: tuple[str, ...]
    equity: NDArray[np.float64]
    weights: NDArray[np.float64]
    shocks: EquityShocks
    outcome: SpreadOutcome
    backend: str

    def __repr__(self) -> str:
        """Say in a line what was asked."""
        return f"<DebtRank: {len(self.shocks)} shocks on {len(self.names)} nodes>"

    @cached_property
    def initial(self) -> NDArray[np.float64]:
        """The share of its equity that a node loses by the shock, at most 1, (S, N)."""
        return self.outcome.dense(self._initial)

    @cached_property
    def distress(self) -> NDArray[np.float64]:
        """The share that it has lost in the end, at most 1, (S, N)."""
        return self.outcome.dense(self.outcome.value)

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """Who has lost all of its equity, (S, N)."""
        return self.outcome.dense(self.outcome.value >= 1.0, elsewhere=False)

    @property
    def impact(self) -> NDArray[np.float64]:
        """DebtRank R of each shock, (S,): the share of economic value that contagion distresses, without the shock."""
        return self._contagion(self.weights)[0]

    @property
    def aggregate_vulnerability(self) -> NDArray[np.float64]:
        """Share of all equity that contagion takes under each shock, (S,)."""
        return self._contagion(self.equity / self.equity.sum())[0]

    @property
    def vulnerability(self) -> NDArray[np.float64]:
        """Share of its equity that contagion takes from each node, the mean over the shocks, (N,)."""
        added = self.outcome.value - self._initial
        return sums_by(self.outcome.node, added, len(self.names)) / len(self.shocks)

    def _contagion(self, *weights: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """What contagion adds to distress under each shock, by each of some weights; some shocks at a time."""
        outcome, (place, share) = self.outcome, self._hits
        sums = [np.empty(len(self.shocks)) for _ in weights]
        for first, end in outcome.parts():
            start = outcome.start[first : end + 1]
            cells, hits = slice(start[0], start[-1]), slice(*np.searchsorted(place, start[[0, -1]]))
            added = outcome.value[cells].copy()
            added[place[hits] - start[0]] -= share[hits]
            group = np.repeat(np.arange(end - first), np.diff(start))
            for of_all, weight in zip(sums, weights, strict=True):
                of_all[first:end] = sums_by(group, added * weight[outcome.node[cells]], end - first)
        return sums

    @cached_property
    def _hits(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Where those stand in the outcome whom the shock itself hits; the share of equity that each loses by it."""
        outcome, nodes, places, there = self.outcome, len(self.names), [], []
        for first, end in outcome.parts():
            shocks, start = self.shocks.rows(first, end), outcome.start[first : end + 1]
            group = np.repeat(np.arange(end - first), np.diff(start))
            reached = group * nodes + outcome.node[start[0] : start[-1]]
            hit = shocks.shock * nodes + shocks.node
            place = np.searchsorted(reached, hit)
            # Who is not there has lost next to nothing.
            there.append(
                reached.take(place, mode="clip") == hit if len(reached) else np.zeros(len(hit), bool)
            )
            places.append(start[0] + place)
        with np.errstate(over="ignore"):  # a share of next to no equity; no more than 1 of it counts
            share = np.minimum(1.0, self.shocks.loss / self.equity[self.shocks.node])
        is_there = np.concatenate([np.empty(0, bool), *there])
        return np.concatenate([np.empty(0, np.intp), *places])[is_there], share[is_there]

    @cached_property
    def _initial(self) -> NDArray[np.float64]:
        """What each node of the outcome loses by the shock itself, a share of its equity."""
        initial = np.zeros(len(self.outcome.node))
        place, share = self._hits
        initial[place] = share
        return initial

    def table(self) -> pa.Table:
        """Who is distressed: a row for each shock and node with a distress above 0 (docs/results.md)."""
        columns = {
            "shock": self.outcome.shock,
            "node": pa.array(self.names, pa.string()).take(pa.array(self.outcome.node)),
            "initial": self._initial,
            "distress": self.outcome.value,
        }
        return pa.table(columns, schema=DEBTRANK.arrow())

    def summary(self) -> pa.Table:
        """What each shock does: a row for each (docs/results.md)."""
        impact, vulnerability = self._contagion(self.weights, self.equity / self.equity.sum())
        columns = {
            "shock": np.arange(len(self.shocks)),
            "impact": impact,
            "aggregate_vulnerability": vulnerability,
            "failures": np.diff(
                np.searchsorted(np.flatnonzero(self.outcome.value >= 1.0), self.outcome.start)
            ),
        }
        return pa.table(columns, schema=DEBTRANK_SUMMARY.arrow())


def debtrank(
    net: Network,
    equity: Any,
    shocks: Any,
    variant: Literal["linear", "original"] = "linear",
    weights: Any = None,
    *,
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
) -> DebtRank:
    """Let distress spread: who loses a share of its equity passes on that share of its debts, before it fails.

    Parameters
    ----------
    net : Network
    equity : array_like (N,), or None
        Currency, above 0; None for the network's own.
    shocks : array_like or sparse array of scipy's (S, N), or array_like (N,), or "each"
        As of `cascade`. With "each", `DebtRank.impact` is each node's own DebtRank.
    variant : {"linear", "original"}
        Linear (Bardoscia et al. 2015): all distress is passed on, to the end. Original (Battiston et al. 2012): each
        node passes on once what it has when it first becomes distressed, and no claim weighs more than 1.
    weights : array_like (N,), optional
        Economic value, at least 0; only their ratios count. By default what each node is owed by the others.
    backend, threads, devices, memory
        As of `cascade`. For more shocks than fit into memory: `debtrank_blocks`.

    Returns
    -------
    DebtRank

    Raises
    ------
    InputError
        An argument has another shape, or a value out of range; or the memory is less than one shock takes.

    Notes
    -----
    The linear one always comes to rest, since distress only rises and is at most 1. Its rounds end at 1e-13 of that;
    where they are slow it is found by linear solves, exact but for rounding. Where the spectral radius of the claims
    over equity is 1 or more, nodes end at 1, however small the shock that reaches them.
    """
    spreader = Spreader.of(backend, threads, devices, memory)
    return _asked(net, equity, variant, weights, spreader).under(shocks)


def debtrank_blocks(
    net: Network,
    equity: Any,
    shocks: Any,
    variant: Literal["linear", "original"] = "linear",
    weights: Any = None,
    *,
    block: int | None = None,
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
) -> Iterator[DebtRank]:
    """Let distress spread under more shocks than fit into memory, a block of shocks at a time.

    Parameters
    ----------
    net, equity, variant, weights
        As of `debtrank`.
    shocks, block, backend, threads, devices, memory
        As of `cascade_blocks`.

    Yields
    ------
    DebtRank
        Of each block, in order; its row 0 is the block's first shock. What came before is not kept. The numbers are
        those that `debtrank` gives for all shocks together, to the bit; `DebtRank.vulnerability` is of the block alone.

    Raises
    ------
    InputError
        As of `debtrank`; those about the shocks when their block has its turn, with rows of the block.
    """
    spreader = Spreader.of(backend, threads, devices, memory)
    return _asked(net, equity, variant, weights, spreader).blocks(shocks, block)


def _asked(net: Network, equity: Any, variant: str, weights: Any, spreader: Spreader) -> Asked[DebtRank]:
    if not one_of(variant, VARIANTS):
        raise bad_argument("variant", variant, "is not known", nearest(str(variant), VARIANTS))
    capital = read_equity(net, equity, above=True)
    value = _weights(net, weights)
    linear = variant == "linear"
    claims = net.claims if linear else _at_most(net.claims, capital)

    def answer(shocks: EquityShocks, outcome: SpreadOutcome) -> DebtRank:
        return DebtRank(net.names, capital, value, shocks, outcome, spreader.backend.name)

    return Asked(net.names, Exposures.of(claims, capital), "linear" if linear else "once", spreader, answer)


def _weights(net: Network, weights: Any) -> NDArray[np.float64]:
    given = net.claims.sum(axis=1) if weights is None else weights
    value = by_node(
        "weights",
        given,
        net.names,
        lambda weight: weight >= 0.0,
        "Write a number of at least 0.",
        largest=SUM_OF_LARGEST if weights is None else LARGEST,
    )
    total = value.sum()
    if total == 0.0:
        if weights is not None:
            raise bad_argument(
                "weights", "all 0", "have no ratios", "Give at least one node a value above 0."
            )
        return np.full(len(value), 1.0 / len(value))  # nobody has claims: nothing spreads
    return np.asarray(value / total)


def _at_most(claims: sparse.csr_array, equity: NDArray[np.float64]) -> sparse.csr_array:
    """Claims of which none exceeds the creditor's equity: W = min(1, claim / equity)."""
    data = np.minimum(claims.data, np.repeat(equity, np.diff(claims.indptr)))
    return sparse.csr_array((data, claims.indices, claims.indptr), shape=claims.shape)
