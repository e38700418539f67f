"""Contagion in a network: cascades of failures, and DebtRank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pyarrow as pa
from scipy import sparse

from .contagion import NEVER, Once, Threshold, linear_debtrank, spread
from .contagion_arguments import by_node, read_shocks
from .errors import bad_argument, nearest
from .result_schema import CASCADE_FAILURES, CASCADE_SUMMARY, DEBTRANK, DEBTRANK_SUMMARY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .network import Network

VARIANTS: Final = ("linear", "original")


@dataclass(frozen=True, eq=False)
class Cascade:
    """A cascade of failures under each of S shocks.

    Attributes
    ----------
    names : tuple of str, length N
    failed : ndarray (S, N) of bool
    round : ndarray (S, N) of int
        In which a node failed: 0 by the shock itself; -1 where it did not.
    initial : ndarray (S, N)
        Losses by the shock, currency.
    losses : ndarray (S, N)
        All losses, the shock's included.
    equity : ndarray (S, N)
        What is left: equity less losses. Below 0 it is what the node's own creditors outside the network lack.
    rounds : ndarray (S,) of int
        The last in which somebody failed; -1 where nobody did.
    """

    names: tuple[str, ...]
    failed: NDArray[np.bool_]
    round: NDArray[np.int64]
    initial: NDArray[np.float64]
    losses: NDArray[np.float64]
    equity: NDArray[np.float64]
    rounds: NDArray[np.int64]

    def failures(self) -> pa.Table:
        """Who failed: a row for each failure, by shock, then round, then node (docs/results.md)."""
        shock, node = np.nonzero(self.failed)
        order = np.lexsort((node, self.round[shock, node], shock))
        shock, node = shock[order], node[order]
        columns = {
            "shock": shock,
            "node": pa.array(self.names, pa.string()).take(node),
            "round": self.round[shock, node],
            "loss": self.losses[shock, node],
            "equity": self.equity[shock, node],
        }
        return pa.table(columns, schema=CASCADE_FAILURES.arrow())

    def summary(self) -> pa.Table:
        """What each shock does: a row for each (docs/results.md)."""
        columns = {
            "shock": np.arange(len(self.failed)),
            "rounds": self.rounds,
            "initial_failures": np.count_nonzero(self.round == 0, axis=1),
            "failures": np.count_nonzero(self.failed, axis=1),
            "initial_loss": self.initial.sum(axis=1),
            "loss": self.losses.sum(axis=1),
        }
        return pa.table(columns, schema=CASCADE_SUMMARY.arrow())


@dataclass(frozen=True, eq=False)
class DebtRank:
    """How far each of S shocks distresses each of N nodes.

    Attributes
    ----------
    names : tuple of str, length N
    initial : ndarray (S, N)
        The share of its equity that a node loses by the shock, at most 1.
    distress : ndarray (S, N)
        The share that it has lost in the end, at most 1.
    equity : ndarray (N,)
        Before the shock.
    weights : ndarray (N,)
        Economic value; sums to 1.
    """

    names: tuple[str, ...]
    initial: NDArray[np.float64]
    distress: NDArray[np.float64]
    equity: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Who has lost all of its equity, (S, N)."""
        return self.distress >= 1.0

    @property
    def impact(self) -> NDArray[np.float64]:
        """DebtRank R of each shock, (S,): the share of economic value that contagion distresses, without the shock."""
        return self._contagion(self.weights)

    @property
    def aggregate_vulnerability(self) -> NDArray[np.float64]:
        """Share of all equity that contagion takes under each shock, (S,)."""
        return self._contagion(self.equity / self.equity.sum())

    @property
    def vulnerability(self) -> NDArray[np.float64]:
        """Share of its equity that contagion takes from each node, the mean over the shocks, (N,)."""
        vulnerability: NDArray[np.float64] = (self.distress - self.initial).mean(axis=0)
        return vulnerability

    def _contagion(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = ((self.distress - self.initial) * weights).sum(axis=1)
        return total

    def table(self) -> pa.Table:
        """Who is distressed: a row for each shock and node with a distress above 0 (docs/results.md)."""
        shock, node = np.nonzero(self.distress)
        columns = {
            "shock": shock,
            "node": pa.array(self.names, pa.string()).take(node),
            "initial": self.initial[shock, node],
            "distress": self.distress[shock, node],
        }
        return pa.table(columns, schema=DEBTRANK.arrow())

    def summary(self) -> pa.Table:
        """What each shock does: a row for each (docs/results.md)."""
        columns = {
            "shock": np.arange(len(self.distress)),
            "impact": self.impact,
            "aggregate_vulnerability": self.aggregate_vulnerability,
            "failures": np.count_nonzero(self.failed, axis=1),
        }
        return pa.table(columns, schema=DEBTRANK_SUMMARY.arrow())


def cascade(net: Network, equity: Any, shocks: Any, recovery: Any = 0.0) -> Cascade:
    """Let failures cascade: who loses more than its equity fails, and its creditors lose what they don't recover.

    Parameters
    ----------
    net : Network
    equity : array_like (N,), or None
        Currency, at least 0; None for the network's own.
    shocks : array_like (S, N) or (N,), or "each"
        Numbers: what each node loses, currency. Booleans: who fails, whatever its equity; it loses all of it.
        "each": N shocks, in each of which one node fails, in their order.
    recovery : float or array_like (N,)
        Share of its debts that is paid once the node has failed, 0 to 1.

    Returns
    -------
    Cascade

    Raises
    ------
    InputError
        An argument has another shape, or a value out of range.

    Notes
    -----
    Furfine, "Interbank exposures: quantifying the risk of contagion", Journal of Money, Credit and Banking 35 (2003):
    round by round, all creditors of who fails in one round lose in the next. Losses go on to be counted after a node
    has failed.
    """
    capital = _equity(net, equity, above=False)
    share = by_node(
        "recovery",
        recovery,
        net.names,
        lambda paid: (paid >= 0.0) & (paid <= 1.0),
        "Write a number from 0 to 1.",
        scalar=True,
    )
    initial, failing = read_shocks(shocks, net.names, capital)
    rule = Threshold(capital, share, failing)
    losses = _by_shock(spread(net.claims, initial, rule))
    when = _by_shock(rule.round)
    return Cascade(
        names=net.names,
        failed=when != NEVER,
        round=when,
        initial=_by_shock(initial),
        losses=losses,
        equity=capital - losses,
        rounds=when.max(axis=1),
    )


def debtrank(
    net: Network,
    equity: Any,
    shocks: Any,
    variant: Literal["linear", "original"] = "linear",
    weights: Any = None,
) -> DebtRank:
    """Let distress spread: who loses a share of its equity passes on that share of its debts, before it fails.

    Parameters
    ----------
    net : Network
    equity : array_like (N,), or None
        Currency, above 0; None for the network's own.
    shocks : array_like (S, N) or (N,), or "each"
        As of `cascade`. With "each", `DebtRank.impact` is each node's own DebtRank.
    variant : {"linear", "original"}
        Linear (Bardoscia et al. 2015): all distress is passed on, to the end. Original (Battiston et al. 2012): each
        node passes on once what it has when it first becomes distressed, and no claim weighs more than 1.
    weights : array_like (N,), optional
        Economic value, at least 0; only their ratios count. By default what each node is owed by the others.

    Returns
    -------
    DebtRank

    Raises
    ------
    InputError
        An argument has another shape, or a value out of range.

    Notes
    -----
    The linear one always comes to rest, since distress only rises and is at most 1. Its rounds end at 1e-13 of that;
    where they are slow it is found by linear solves, exact but for rounding. Where the spectral radius of the claims
    over equity is 1 or more, nodes end at 1, however small the shock that reaches them.
    """
    if variant not in VARIANTS:
        raise bad_argument("variant", variant, "is not known", nearest(str(variant), VARIANTS))
    capital = _equity(net, equity, above=True)
    value = _weights(net, weights)
    losses, _ = read_shocks(shocks, net.names, capital)
    if variant == "linear":
        distress = linear_debtrank(net.claims, capital, losses)
    else:
        rule = Once(capital, losses.shape[1])
        spread(_at_most(net.claims, capital), losses, rule)
        distress = rule.distress
    initial = np.minimum(1.0, losses / capital[:, None])
    return DebtRank(net.names, _by_shock(initial), _by_shock(distress), capital, value)


def _equity(net: Network, equity: Any, *, above: bool) -> NDArray[np.float64]:
    return by_node(
        "equity",
        net.equity if equity is None else equity,
        net.names,
        lambda capital: capital > 0.0 if above else capital >= 0.0,
        f"Write a number {'above' if above else 'of at least'} 0: who has less has failed before any shock.",
    )


def _weights(net: Network, weights: Any) -> NDArray[np.float64]:
    given = net.claims.sum(axis=1) if weights is None else weights
    value = by_node(
        "weights", given, net.names, lambda weight: weight >= 0.0, "Write a number of at least 0."
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


def _by_shock(by_node: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(by_node.T)
